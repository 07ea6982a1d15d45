#include "gradloom/trainer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <limits>
#include <stdexcept>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/optim/schedule.hpp"
#include "engine/train/checkpoint_writer.hpp"
#include "engine/train/evaluator.hpp"
#include "engine/train/initial_state.hpp"
#include "engine/train/run_checks.hpp"
#include "engine/train/run_folder.hpp"
#include "engine/train/training_run.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/version.hpp"

namespace gradloom {
namespace {

// Passes everything on to several observers, in order.
class ObserverList final : public TrainingObserver {
 public:
  void add(TrainingObserver* observer) {
    if (observer != nullptr) observers_.push_back(observer);
  }
  void on_start(const StartReport& report) override {
    for (auto* o : observers_) o->on_start(report);
  }
  void on_step(const StepReport& report, bool logged) override {
    for (auto* o : observers_) o->on_step(report, logged);
  }
  void on_epoch(const EpochReport& report) override {
    for (auto* o : observers_) o->on_epoch(report);
  }
  void on_checkpoint(const std::string& path, std::uint64_t step) override {
    for (auto* o : observers_) o->on_checkpoint(path, step);
  }
  void on_checkpoint_failed(std::uint64_t step, const std::string& reason) override {
    for (auto* o : observers_) o->on_checkpoint_failed(step, reason);
  }
  void on_rollback(const RollbackReport& report) override {
    for (auto* o : observers_) o->on_rollback(report);
  }
  void on_warning(const std::string& line) override {
    for (auto* o : observers_) o->on_warning(line);
  }
  void on_end(const EndReport& report) override {
    for (auto* o : observers_) o->on_end(report);
  }

 private:
  std::vector<TrainingObserver*> observers_;
};

template <class T>
std::optional<Checkpoint<T>> read_resume_point(const std::optional<std::string>& path, const Config& config) {
  if (!path) return std::nullopt;
  const Precision precision = checkpoint_precision(*path);
  if (precision != config.model.precision)
    throw ConfigError(fmt::format("model.precision = {}: the run's checkpoint {} is {}, and a run keeps its precision",
                                  to_string(config.model.precision), *path, to_string(precision)));
  Checkpoint<T> checkpoint = read_checkpoint<T>(*path);
  require_resumable(parse_config(checkpoint.config, *path + ": /config"), config);
  return checkpoint;
}

// Another BLAS, core type or instruction set goes on with the same mathematics, but not with the same bits.
template <class T>
void require_same_environment(const Checkpoint<T>& checkpoint, const std::string& path, const Config& config,
                              TrainingObserver& observer) {
  const std::vector<std::string> found = differences(checkpoint.environment, current_environment());
  if (found.empty()) return;
  const std::string what =
      fmt::format("{} was written elsewhere: {}; bits can differ from here on", path, fmt::join(found, ", "));
  if (config.train.strict)
    throw ConfigError(
        fmt::format("{} = true: {}; resume where it was written (OPENBLAS_CORETYPE chooses a core type), or set "
                    "train.strict = false",
                    key_place(config, "train.strict"), what));
  observer.on_warning(what);
}

// A schedule that ends with the run has another curve where the run ends elsewhere.
void tell_changed_curve(const Config& before, const Config& now, std::uint64_t training_rows, std::uint64_t step,
                        TrainingObserver& observer) {
  const RunLength length = run_length(now, training_rows), length_before = run_length(before, training_rows);
  const char* key = Schedule(now, length).run_length_key();
  if (key == nullptr || length.steps == length_before.steps || before.schedule.type != now.schedule.type) return;
  observer.on_warning(
      fmt::format("schedule.type = {}: the run was {} steps long at the checkpoint and is {} now; from step {} on the "
                  "learning rate follows that curve, unless {} is set",
                  to_string(now.schedule.type), length_before.steps, length.steps, step + 1, key));
}

// The test set is judged with the parameters that a user would deploy: the best ones where there are any.
template <class T>
Metrics test_metrics(const TrainingRun<T>& run, const RunData<T>& data, const MetricPlan& plan, const std::string& best,
                     Arena& arena) {
  const T* parameters = run.state().judged().data();
  std::optional<Checkpoint<T>> best_checkpoint;
  if (!best.empty()) {
    best_checkpoint = read_checkpoint<T>(best);
    parameters = best_checkpoint->judged().data();
  }
  return evaluate_set(run.network(), parameters, data.objective, data.standardization, *data.test, arena, plan);
}

template <class T>
void log_failed_end(const TrainingRun<T>& run, MetricsLog& log, const char* reason) {
  EndReport end;
  end.step = run.progress().step;
  end.epoch = run.progress().epoch;
  end.samples_seen = run.progress().samples_seen;
  end.elapsed_seconds = run.elapsed_seconds();
  end.reason = reason;
  log.on_end(end);
}

// Why a run failed stands in the log before it goes on to the caller.
template <class T, class Work>
void logged(const TrainingRun<T>& run, MetricsLog& log, const Work& work) {
  try {
    work();
  } catch (const DivergenceError&) {
    log_failed_end(run, log, "diverged");
    throw;
  } catch (const DataError&) {
    log_failed_end(run, log, "data-error");
    throw;
  } catch (const FileError&) {
    log_failed_end(run, log, "file-error");
    throw;
  }
}

MetricPlan test_plan(const Config& config, bool every) {
  MetricPlan plan = plan_metrics(config);
  if (every) plan.metrics = every_metric(config.train.loss, config.model.layers.back().units, config);
  return plan;
}

template <class T>
void add_checkpoints_and_test(EndReport& end, const TrainingRun<T>& run, const RunData<T>& data, const Config& config,
                              bool every_metric, const CheckpointStore& checkpoints, Arena& arena) {
  end.last_checkpoint = checkpoints.path_of(run.progress().step);
  if (config.checkpoint.keep_best > 0 && !run.progress().best.empty() &&
      std::filesystem::exists(checkpoints.best_path()))
    end.best_checkpoint = checkpoints.best_path();
  if (data.test && end.reason != "signal")
    end.test = test_metrics(run, data, test_plan(config, every_metric), end.best_checkpoint, arena);
}

template <class T>
EndReport train_in(RunFolder& folder, const Config& config, const TrainOptions& options) {
  ObserverList observers;
  observers.add(options.observer);
  const std::optional<std::string> resume_point = folder.find_resume_point(observers);
  std::optional<Checkpoint<T>> checkpoint = read_resume_point<T>(resume_point, config);
  LoadOptions loading{std::nullopt, folder.statistics_path()};
  if (checkpoint) loading.begun_with = checkpoint->progress.window;
  const RunData<T> data = load_run_data<T>(config, loading);
  for (const std::string& remark : data.remarks) observers.on_warning(remark);
  std::optional<ResumePoint> from;
  if (checkpoint) {
    from = {*resume_point, checkpoint->progress.step, checkpoint->progress.rollbacks};
    require_same_environment(*checkpoint, *resume_point, config, observers);
    tell_changed_curve(parse_config(checkpoint->config, *resume_point + ": /config"), config, data.training.rows(),
                       from->step, observers);
  }

  std::optional<AlignedBuffer<T>> initial;  // read before there are threads: a file is opened by a process of its own
  if (!checkpoint) initial = given_parameters<T>(config, data.layout(config));

  Arena arena(thread_count(config));
  CheckpointWriter<T> writer(config, data, folder, observers);
  TrainingRun<T> run(config, data, arena, observers, writer, {options.stop, options.checkpoint_requests});
  if (checkpoint)
    run.restore(std::move(*checkpoint), *resume_point);
  else if (initial)
    run.start_from(std::move(*initial));
  writer.require_room();
  folder.begin(config, from, observers);
  if (data.uncached) data.uncached->write({data.standardization, data.class_rows});
  if (config.checkpoint.keep_best > 0) folder.restore_best(run.progress(), observers);
  observers.add(&folder.metrics());

  StartReport start = run.start_report();
  start.run_dir = folder.path();
  start.resumed_from = resume_point.value_or("");
  observers.on_start(start);
  EndReport end;
  logged(run, folder.metrics(), [&] {
    arena.run([&] { end = run.run(); });
    add_checkpoints_and_test(end, run, data, config, options.every_metric, folder.checkpoints(), arena);
  });
  observers.on_end(end);
  folder.metrics().flush();
  return end;
}

// Reads all rows, for what reading refuses, and where they have weights sees that those kept do not all weigh 0.
template <class T>
void require_readable(const StreamedSet<T>& set) {
  double weight = 0;
  set.for_each_piece_of_all(set.piece_rows(1),
                            [&](std::uint64_t first, MatrixView<T> x, MatrixView<T>, const double* weights) {
                              for (std::size_t r = 0; r < x.rows; ++r)
                                if (set.kept().keeps(first + r)) weight += weights != nullptr ? weights[r] : 1;
                            });
  if (weight == 0) throw DataError(set.name() + ": all rows have a weight of 0; give some of them another");
}

template <class T>
std::vector<std::string> check_as(const Config& config) {
  const RunData<T> data = load_run_data<T>(config);
  const auto read_streamed = [](const RunSet<T>& set) {  // for refusals; what is in memory was read
    if (set.streamed()) require_readable(set.stream());
  };
  read_streamed(data.training);
  if (data.validation) read_streamed(*data.validation);
  if (data.test) read_streamed(*data.test);
  const ParameterLayout layout = data.layout(config);
  given_parameters<T>(config, layout);  // read for its refusals
  const auto plan = plan_step(layout, std::min(config.train.batch_size, data.training.rows()), config.train.shard_rows,
                              config.train.products, thread_count(config));
  std::vector<std::string> facts;
  const auto tell_rows = [&](const char* what, const RunSet<T>& set) {
    facts.push_back(fmt::format("{}: {} rows, {} features, {} target column{}{}{}", what, set.rows(), set.features(),
                                set.outputs(), set.outputs() == 1 ? "" : "s", set.weighted() ? ", weights" : "",
                                set.streamed() ? ", streamed" : ""));
  };
  tell_rows("training", data.training);
  if (data.validation) tell_rows("validation", *data.validation);
  if (data.test) tell_rows("test", *data.test);
  if (const auto& weights = data.objective.class_weights; !weights.empty())
    facts.push_back(fmt::format("class weights: {}", fmt::join(weights, ", ")));
  facts.push_back(fmt::format("network: {} parameters in {} layers, {}", layout.parameter_count(), layout.depth(),
                              to_string(config.model.precision)));
  facts.push_back(fmt::format("step: {} rows in {} shards of {} rows", plan.batch_rows, plan.shards, plan.shard_rows));
  return facts;
}

// The config of a run without files: only its best epoch asks for a snapshot, and every epoch where it may go back.
Config config_in_memory(const Config& given, Precision precision, bool with_validation) {
  Config config = given;
  config.data.train = "memory";
  config.data.valid = with_validation ? "memory" : "";
  config.data.test.clear();
  config.data.fold.reset();
  config.model.precision = precision;
  config.checkpoint = {};
  config.train.restore_best = false;  // the best epoch's is what fit() returns
  if (config.train.on_divergence == OnDivergence::kStop) config.checkpoint.every_epochs = std::nullopt;
  return config;
}

// Keeps the best epoch's parameters for fit(), and by train.on-divergence the last epoch to go back to.
template <class T>
class BestInMemory final : public SnapshotSink<T> {
 public:
  explicit BestInMemory(bool may_go_back) : may_go_back_(may_go_back) {}

  void save(const TrainingState<T>& state, const Progress& progress, double, bool best) override {
    if (best) parameters_ = state.judged();
    this->set_safe_step(progress.step);
    if (!may_go_back_) return;
    last_.parameters = state.parameters;
    last_.average = state.average;
    for (const auto& [name, block] : state.optimizer) last_.optimizer[name] = block;
    last_.progress = progress;
  }
  std::optional<Checkpoint<T>> recall() override { return last_; }
  Checkpoint<T> recall_best(std::uint64_t) override { throw std::logic_error("fit() restores nothing"); }
  std::optional<AlignedBuffer<T>>& parameters() { return parameters_; }

 private:
  bool may_go_back_;
  std::optional<AlignedBuffer<T>> parameters_;
  Checkpoint<T> last_;  // every save of a run in memory is an anchor
};

}  // namespace

EndReport train(const Config& config, const TrainOptions& options) {
  validate(config);
  require_safe_platform();
  RunFolder folder(config, options.resume);
  return config.model.precision == Precision::kFloat32 ? train_in<float>(folder, config, options)
                                                       : train_in<double>(folder, config, options);
}

template <class T>
Model<T> fit(const Config& given, Dataset<T> training, const Dataset<T>* validation, TrainingObserver* observer) {
  const Config config = config_in_memory(given, std::is_same_v<T, float> ? Precision::kFloat32 : Precision::kFloat64,
                                         validation != nullptr);
  validate(config);
  require_safe_platform();
  check_in_memory(training, "training data");
  if (validation != nullptr) check_in_memory(*validation, "validation data");
  const RunData<T> data =
      prepare_run_data<T>(config, std::move(training),
                          validation != nullptr ? std::optional<RunSet<T>>(*validation) : std::nullopt, std::nullopt);
  auto parameters = given_parameters<T>(config, data.layout(config));
  Arena arena(thread_count(config));
  ObserverList observers;
  observers.add(observer);
  BestInMemory<T> best(config.train.on_divergence == OnDivergence::kRollback);
  TrainingRun<T> run(config, data, arena, observers, best);
  if (parameters) run.start_from(std::move(*parameters));
  observers.on_start(run.start_report());
  EndReport end;
  arena.run([&] { end = run.run(); });
  observers.on_end(end);
  auto state = std::make_shared<typename Model<T>::State>(typename Model<T>::State{
      run.network(), best.parameters() ? std::move(*best.parameters()) : run.state().judged(), data.objective,
      data.standardization, data.training.feature_names(), data.training.class_names(), resolved_text(config)});
  return Model<T>(std::move(state));
}

std::vector<std::string> check(const Config& config) {
  validate(config);
  return config.model.precision == Precision::kFloat32 ? check_as<float>(config) : check_as<double>(config);
}

template Model<float> fit(const Config&, Dataset<float>, const Dataset<float>*, TrainingObserver*);
template Model<double> fit(const Config&, Dataset<double>, const Dataset<double>*, TrainingObserver*);

}  // namespace gradloom
