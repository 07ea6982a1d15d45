#include "engine/train/training_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/core/rounding.hpp"
#include "engine/train/divergence.hpp"
#include "engine/train/initial_state.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// True where `score` is better than `than` by more than `by`. Any number is better than NaN (auc of rows of one class).
bool better(const Monitor& monitor, double score, double than, double by) {
  if (std::isnan(than)) return !std::isnan(score);
  return rises(monitor) ? score > than + by : score < than - by;
}

constexpr const char* kSameDataOnly =
    "a run can only go on with the data it began with; bring them back, or start a new run with another run.dir";

// Columns of the same data agree to rounding, which another build may do differently.
bool about_equal(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& scale) {
  constexpr double kRounding = 1e-6;  // of a deviation
  if (a.size() != b.size()) return false;
  for (std::size_t c = 0; c < a.size(); ++c)
    if (!(std::abs(a[c] - b[c]) <= kRounding * scale[c])) return false;
  return true;
}

bool about_equal(const Standardization& a, const Standardization& b) {
  return about_equal(a.x_mean, b.x_mean, a.x_scale) && about_equal(a.x_scale, b.x_scale, a.x_scale) &&
         about_equal(a.y_mean, b.y_mean, a.y_scale) && about_equal(a.y_scale, b.y_scale, a.y_scale);
}

}  // namespace

template <class T>
double TrainingRun<T>::Meter::rate(std::uint64_t samples_now) {
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - since).count();
  const double rate = static_cast<double>(samples_now - samples) / std::max(seconds, 1e-9);
  samples = samples_now;
  since = now;
  return rate;
}

template <class T>
TrainingRun<T>::TrainingRun(const Config& config, const RunData<T>& data, Arena& arena, TrainingObserver& observer,
                            SnapshotSink<T>& sink, const RunSignals& signals)
    : config_(config),
      data_(data),
      arena_(arena),
      observer_(observer),
      sink_(sink),
      signals_(signals),
      network_(data.layout(config)),
      optimizer_(make_optimizer<T>(config.optimizer)),
      length_(run_length(config, data.training.rows())),
      schedule_(config, length_),
      metric_plan_(plan_metrics(config)),
      state_(initial_state<T>(config, network_.layout(), *optimizer_)),
      step_(network_, data.objective, *optimizer_,
            plan_step(network_.layout(), std::min(config.train.batch_size, data.training.rows()),
                      config.train.shard_rows, config.train.products, arena.threads()),
            state_, arena, config.train.ema),
      last_epoch_loss_(std::numeric_limits<double>::quiet_NaN()) {
  progress_.seed = config.train.seed;
  progress_.training_rows = data.training.rows();
  progress_.window = data.window();
}

template <class T>
void TrainingRun<T>::start_from(AlignedBuffer<T> parameters) {
  state_.parameters = std::move(parameters);
  if (config_.train.ema) state_.average = state_.parameters;
}

template <class T>
void TrainingRun<T>::restore(Checkpoint<T> checkpoint, const std::string& name) {
  require_same_run(checkpoint, name);
  elapsed_before_ = checkpoint.elapsed_seconds;
  adopt(std::move(checkpoint), name);
  if (progress_.restored_step && !reason_by_progress())
    throw ConfigError(
        fmt::format("{}: the run was complete at step {} and took over the state of step {} (train.restore-best), from "
                    "which it cannot go on; start a new run with another run.dir, and model.init-from set to this file",
                    name, progress_.step, *progress_.restored_step));
  sink_.set_safe_step(progress_.step);
}

template <class T>
void TrainingRun<T>::adopt(Checkpoint<T> checkpoint, const std::string& name) {
  adopt_state(checkpoint, name);
  progress_ = checkpoint.progress;
  if (config_.schedule.type != ScheduleType::kPlateau) progress_.plateau.reset();
}

template <class T>
void TrainingRun<T>::adopt_state(Checkpoint<T>& checkpoint, const std::string& name) {
  for (auto& [state, block] : state_.optimizer) {
    const auto found = checkpoint.optimizer.find(state);
    if (found == checkpoint.optimizer.end())
      throw CheckpointError(fmt::format("{} holds no optimizer state '{}'", name, state));
    block = std::move(found->second);
  }
  if (config_.train.ema && checkpoint.average.size() == 0)
    throw CheckpointError(fmt::format("{} holds no average of the parameters (train.ema)", name));
  state_.parameters = std::move(checkpoint.parameters);
  state_.average = std::move(checkpoint.average);
}

template <class T>
void TrainingRun<T>::require_same_run(const Checkpoint<T>& checkpoint, const std::string& name) const {
  if (checkpoint.layout.specs() != network_.layout().specs() ||
      checkpoint.layout.inputs() != network_.layout().inputs())
    throw CheckpointError(
        fmt::format("{} holds another network than the config and data describe; set them back, or start a new run "
                    "with another run.dir",
                    name));
  if (checkpoint.progress.training_rows != progress_.training_rows)
    throw DataError(fmt::format("{} was trained on {} rows, but data.train now gives {}: {}", name,
                                checkpoint.progress.training_rows, progress_.training_rows, kSameDataOnly));
  if (checkpoint.progress.window != progress_.window)
    throw DataError(
        fmt::format("{} was trained on rows in another order than data.memory now allows; set it back, or "
                    "start a new run with another run.dir",
                    name));
  if (checkpoint.class_weights != data_.objective.class_weights)
    throw DataError(fmt::format("{} was trained with class weights balanced by other rows than data.train now has: {}",
                                name, kSameDataOnly));
  if (!about_equal(checkpoint.standardization, data_.standardization))
    throw DataError(fmt::format("{} was trained on data of another mean and deviation than data.train now has: {}",
                                name, kSameDataOnly));
}

template <class T>
StartReport TrainingRun<T>::start_report() const {
  StartReport report;
  report.training_rows = data_.training.rows();
  report.validation_rows = data_.validation ? data_.validation->rows() : 0;
  report.parameters = network_.layout().parameter_count();
  report.steps_per_epoch = length_.steps_per_epoch;
  report.total_steps = length_.steps;
  report.step = progress_.step;
  report.features = network_.layout().inputs();
  report.outputs = network_.layout().outputs();
  report.shards = step_.plan().shards;
  report.shard_rows = step_.plan().shard_rows;
  report.threads = arena_.threads();
  return report;
}

template <class T>
double TrainingRun<T>::elapsed_seconds() const {
  return elapsed_before_ + std::chrono::duration<double>(Clock::now() - started_).count();
}

template <class T>
std::uint64_t TrainingRun<T>::log_every() const {
  constexpr std::uint64_t kLinesAnEpoch = 20;
  if (config_.train.log_every > 0) return config_.train.log_every;
  return divide_up(length_.steps_per_epoch, kLinesAnEpoch);
}

template <class T>
std::optional<std::string> TrainingRun<T>::reason_by_progress() const {
  if (progress_.epoch >= config_.train.epochs) return "epochs";
  if (config_.train.max_steps && progress_.step >= *config_.train.max_steps) return "max-steps";
  const auto& patience = config_.early_stopping.patience;
  if (patience && progress_.patience_used >= *patience && progress_.patience_used > 0) return "early-stopping";
  return std::nullopt;
}

template <class T>
std::optional<std::string> TrainingRun<T>::reason_to_end() const {
  if (auto reason = reason_by_progress()) return reason;
  if (signals_.stop != nullptr && signals_.stop->load(std::memory_order_relaxed) != 0) return "signal";
  if (config_.train.max_minutes && elapsed_seconds() >= 60 * *config_.train.max_minutes) return "max-minutes";
  return std::nullopt;
}

template <class T>
void TrainingRun<T>::start_feed() {
  FeedOptions options = feed_options(config_, step_.takes_all_cores(), step_.does_side_work(), arena_);
  options.first_epoch = progress_.epoch + (is_between_epochs() ? 1 : 0);
  options.first_epoch_step = is_between_epochs() ? 0 : progress_.epoch_step;
  options.epochs = config_.train.epochs;
  step_.set_side_work(nullptr);
  feed_.reset();  // before another one reads the same files
  feed_ = make_feed(data_.training, options);
  step_.set_side_work(feed_->side_work());
  step_meter_ = epoch_meter_ = {progress_.samples_seen, Clock::now()};
}

template <class T>
EndReport TrainingRun<T>::run() {
  started_ = last_save_ = Clock::now();
  start_feed();
  const bool may_go_back = config_.train.on_divergence == OnDivergence::kRollback;
  if (may_go_back && !sink_.safe_step()) save();
  std::optional<std::string> reason;
  while (!reason) {
    if (is_between_epochs()) {  // at the start, where validation could not be finished when the run ended
      if (!finish_epoch()) {
        reason = "signal";
        break;
      }
      save_if_due(true);
    }
    if ((reason = reason_to_end())) break;
    if (!take_step(next_minibatch())) continue;
    if (!is_between_epochs()) save_if_due(false);
    sink_.poll();
  }
  sink_.settle();
  if (sink_.safe_step() != progress_.step) save();
  if (config_.train.restore_best && reason_by_progress()) restore_best();
  sink_.finish();

  EndReport end;
  end.step = progress_.step;
  end.epoch = progress_.epoch;
  end.samples_seen = progress_.samples_seen;
  end.train_loss = last_epoch_loss_;
  if (!progress_.best.empty()) end.best_score = progress_.best.front().score;
  end.restored_step = progress_.restored_step;
  end.elapsed_seconds = elapsed_seconds();
  end.reason = *reason;
  return end;
}

// The trained state is saved by then: a kill up to here costs nothing, and a resume comes here again.
template <class T>
void TrainingRun<T>::restore_best() {
  if (progress_.best.empty() && progress_.step > 0)
    observer_.on_warning("train.restore-best: no epoch has ended, so there is no best one; the last state stays");
  if (progress_.best.empty() || progress_.restored_step) return;
  const std::uint64_t step = progress_.best.front().step;
  if (step == progress_.step) return;
  Checkpoint<T> best = sink_.recall_best(step);
  adopt_state(best, "the best epoch's checkpoint");
  progress_.restored_step = step;
  save();
}

// Rows that are streamed may turn out to be wrong: then what was trained is saved first.
template <class T>
template <class Read>
auto TrainingRun<T>::reading(const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    sink_.settle();
    if (sink_.safe_step() != progress_.step) save();
    sink_.finish();
    throw DataError(fmt::format("{}; the checkpoint of step {} stands", error.what(), progress_.step));
  }
}

template <class T>
Minibatch<T> TrainingRun<T>::next_minibatch() {
  return reading([&] { return *feed_->next(); });  // there is one: the feed ends where the epochs do
}

template <class T>
double TrainingRun<T>::learning_rate_factor() const {
  return std::ldexp(1.0, -static_cast<int>(progress_.rollbacks));
}

template <class T>
UpdateContext TrainingRun<T>::next_update() const {
  const std::uint64_t step = progress_.step + 1;
  const double plateau_scale = progress_.plateau ? progress_.plateau->scale : 1;
  return {schedule_.rate(step, plateau_scale) * learning_rate_factor(), step};
}

// False where the step produced NaN or Inf, and the run has gone back to where it goes on from.
template <class T>
bool TrainingRun<T>::take_step(const Minibatch<T>& minibatch) {
  const UpdateContext context = next_update();
  const double loss = step_.run(minibatch.x, minibatch.y, context,
                                {config_.train.seed, minibatch.epoch, minibatch.numbers}, minibatch.weights);
  if (const int layer = step_.diverged_layer(); layer >= 0) {
    roll_back(divergence_text(context.step, network_.layout(), static_cast<std::size_t>(layer), *feed_, minibatch));
    return false;
  }
  ++progress_.step;
  ++progress_.epoch_step;
  progress_.samples_seen += minibatch.rows();
  progress_.epoch_samples += minibatch.rows();
  progress_.epoch_weight += step_.weight();
  progress_.epoch_loss_sum += loss * step_.weight();
  progress_.learning_rate = context.learning_rate;

  StepReport report{progress_.step, progress_.epoch + 1, loss, context.learning_rate, 0, elapsed_seconds()};
  const bool logged = progress_.step % log_every() == 0;
  if (logged) report.samples_per_second = step_meter_.rate(progress_.samples_seen);
  observer_.on_step(report, logged);
  return true;
}

template <class T>
void TrainingRun<T>::end_diverged(const std::string& what) const {
  const auto safe_step = sink_.safe_step();
  throw DivergenceError(fmt::format(
      "{}; {}; {}", what, kDivergenceAdvice,
      safe_step ? fmt::format("the checkpoint of step {} stands", *safe_step) : "there is no checkpoint yet"));
}

// Goes back after a divergence, or ends the run.
template <class T>
void TrainingRun<T>::roll_back(const std::string& what) {
  sink_.settle();
  if (config_.train.on_divergence == OnDivergence::kStop) end_diverged(what);
  const std::uint64_t rollbacks = progress_.rollbacks + 1;
  if (rollbacks > config_.train.rollback_limit)
    end_diverged(fmt::format("{}; it went back {} times already (train.rollback-limit)", what, progress_.rollbacks));
  std::optional<Checkpoint<T>> anchor = sink_.recall();
  if (!anchor)
    end_diverged(what +
                 "; there is no checkpoint at a regular step to go back to (checkpoint.every-steps, every-epochs)");
  const std::uint64_t diverged_step = progress_.step + 1;
  adopt(std::move(*anchor), "the checkpoint");
  progress_.rollbacks = rollbacks;
  best_unsaved_ = ranked_unsaved_ = false;
  start_feed();
  observer_.on_rollback({progress_.step, diverged_step, rollbacks, learning_rate_factor(), what});
  observer_.on_warning(fmt::format("{}; back to step {} with learning rate x {} (rollback {} of {})", what,
                                   progress_.step, learning_rate_factor(), rollbacks, config_.train.rollback_limit));
}

template <class T>
double TrainingRun<T>::monitored(const EpochReport& report) const {
  const Monitor& monitor = config_.early_stopping.monitor;
  if (monitor.of == Monitor::Of::kTrainLoss) return report.train_loss;
  if (monitor.of == Monitor::Of::kValidLoss) return report.valid->loss;
  return *report.valid->value(monitor.metric);
}

template <class T>
bool TrainingRun<T>::finish_epoch() {
  if (progress_.epoch_weight == 0)
    throw DataError(data_.training.name() + ": all training rows have a weight of 0; give some of them another");
  const double loss = progress_.epoch_loss_sum / progress_.epoch_weight;
  std::optional<Metrics> valid;
  if (data_.validation) try {
      off_the_clock([&] {
        valid = reading([&] {
          return evaluate_set(network_, state_.judged().data(), data_.objective, data_.standardization,
                              *data_.validation, arena_, metric_plan_, signals_.stop);
        });
      });
    } catch (const EvaluationStopped&) {
      return false;
    }
  ++progress_.epoch;
  progress_.epoch_step = 0;
  progress_.epoch_loss_sum = 0;
  progress_.epoch_samples = 0;
  progress_.epoch_weight = 0;
  last_epoch_loss_ = loss;

  EpochReport report;
  static_cast<StepReport&>(report) = {
      progress_.step, progress_.epoch, loss, progress_.learning_rate, epoch_meter_.rate(progress_.samples_seen), 0};
  report.valid = valid;
  if (data_.validation || config_.early_stopping.monitor.of == Monitor::Of::kTrainLoss) {
    report.best = rank_epoch(monitored(report)) == 0;
    follow_score(monitored(report));
  }
  report.elapsed_seconds = elapsed_seconds();
  observer_.on_epoch(report);
  return true;
}

template <class T>
template <class Work>
void TrainingRun<T>::off_the_clock(const Work& work) {
  const auto begin = Clock::now();
  work();
  const auto spent = Clock::now() - begin;
  step_meter_.since += spent;
  epoch_meter_.since += spent;
}

// Enters the epoch's score into early stopping's counter and the list of best ones. Returns its place in the list, 0
// for the best so far.
template <class T>
std::size_t TrainingRun<T>::rank_epoch(double score) {
  const Monitor& monitor = config_.early_stopping.monitor;
  if (progress_.best.empty() || better(monitor, score, progress_.patience_score, config_.early_stopping.min_delta)) {
    progress_.patience_score = score;
    progress_.patience_used = 0;
  } else {
    ++progress_.patience_used;
  }
  auto& best = progress_.best;
  const auto place =
      std::find_if(best.begin(), best.end(), [&](const BestEpoch& b) { return better(monitor, score, b.score, 0); });
  const auto rank = static_cast<std::size_t>(place - best.begin());
  best.insert(place, {score, progress_.epoch, progress_.step});
  // A resume may have lowered keep-best, so that more than one has to go.
  best.resize(std::min(best.size(), std::max<std::size_t>(config_.checkpoint.keep_best, 1)));
  best_unsaved_ = rank == 0;
  ranked_unsaved_ = rank < config_.checkpoint.keep_best;
  return rank;
}

// Enters the epoch's score into the plateau schedule. Epochs within the warm-up do not count.
template <class T>
void TrainingRun<T>::follow_score(double score) {
  if (config_.schedule.type != ScheduleType::kPlateau || progress_.step <= config_.schedule.warmup_steps) return;
  const bool score_rises = rises(config_.early_stopping.monitor);
  if (!progress_.plateau) progress_.plateau = plateau_start(score_rises);
  enter_score(*progress_.plateau, score, score_rises, config_);
}

template <class T>
void TrainingRun<T>::save_if_due(bool epoch_ended) {
  const auto& when = config_.checkpoint;
  const bool by_steps = when.every_steps && progress_.step % *when.every_steps == 0;
  const bool by_epochs = epoch_ended && when.every_epochs && progress_.epoch % *when.every_epochs == 0;
  const bool by_minutes =
      when.every_minutes && Clock::now() - last_save_ >= std::chrono::duration<double>(60 * *when.every_minutes);
  const bool on_request = save_is_asked_for();
  if (by_steps || by_epochs || by_minutes || on_request || ranked_unsaved_) save();
}

template <class T>
bool TrainingRun<T>::save_is_asked_for() {
  if (signals_.checkpoint_requests == nullptr) return false;
  const int requests = signals_.checkpoint_requests->load(std::memory_order_relaxed);
  return std::exchange(requests_answered_, requests) != requests;
}

template <class T>
void TrainingRun<T>::save() {
  off_the_clock([&] { sink_.save(state_, progress_, elapsed_seconds(), best_unsaved_); });
  best_unsaved_ = ranked_unsaved_ = false;
  last_save_ = Clock::now();
}

template class TrainingRun<float>;
template class TrainingRun<double>;

}  // namespace gradloom
