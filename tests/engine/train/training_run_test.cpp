#include "engine/train/training_run.hpp"

#include <cmath>
#include <cstring>
#include <map>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

// y = a smooth function of x with a little noise; row r depends on r alone.
template <class T>
Dataset<T> samples(std::size_t rows, std::uint32_t stream) {
  Dataset<T> data;
  data.x = Matrix<T>(rows, 4);
  data.y = Matrix<T>(rows, 1);
  const CounterRandom random(17, RandomUse::kGenerator, stream);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < 4; ++c) data.x(r, c) = static_cast<T>(random.normal(8 * r + c));
    data.y(r, 0) = static_cast<T>(std::sin(static_cast<double>(data.x(r, 0))) +
                                  0.5 * static_cast<double>(data.x(r, 1)) + 0.1 * random.normal(8 * r + 4) + 3);
  }
  return data;
}

Config config_of_test() {
  Config config;
  config.data.train = "memory";
  config.data.valid_fraction = 0.2;
  config.data.standardize = Standardize::kBoth;
  config.model.layers = {{16, Activation::kTanh}, {8, Activation::kGelu}, {1, Activation::kLinear}};
  config.train.epochs = 4;
  config.train.batch_size = 48;
  config.train.shard_rows = 8;
  config.optimizer.learning_rate = 0.05;
  config.optimizer.momentum = 0.9;
  config.optimizer.nesterov = true;
  config.optimizer.weight_decay = 1e-4;
  config.schedule.warmup_steps = 10;
  config.checkpoint.every_steps = 1;
  config.checkpoint.keep_best = 2;
  return config;
}

bool same_bits(const AlignedBuffer<float>& a, const AlignedBuffer<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Snapshot {
  TrainingState<float> state;
  Progress progress;
};

class Album final : public SnapshotSink<float> {
 public:
  void save(const TrainingState<float>& state, const Progress& progress, double, bool) override {
    pages[progress.step] = {state, progress};
  }
  std::map<std::uint64_t, Snapshot> pages;
};

void require_same(const Snapshot& a, const Snapshot& b) {
  REQUIRE(same_bits(a.state.parameters, b.state.parameters));
  REQUIRE(same_bits(a.state.optimizer[0].second, b.state.optimizer[0].second));
  const Progress &p = a.progress, &q = b.progress;
  REQUIRE(p.step == q.step);
  REQUIRE(p.epoch == q.epoch);
  REQUIRE(p.epoch_step == q.epoch_step);
  REQUIRE(p.samples_seen == q.samples_seen);
  REQUIRE(p.epoch_loss_sum == q.epoch_loss_sum);
  REQUIRE(p.epoch_samples == q.epoch_samples);
  REQUIRE(p.patience_score == q.patience_score);
  REQUIRE(p.patience_used == q.patience_used);
  REQUIRE(p.learning_rate == q.learning_rate);
  REQUIRE(p.best.size() == q.best.size());
  for (std::size_t i = 0; i < p.best.size(); ++i) {
    REQUIRE(p.best[i].score == q.best[i].score);
    REQUIRE(p.best[i].step == q.best[i].step);
  }
}

Album run(const Config& config, std::size_t threads, const Snapshot* from = nullptr,
          TrainingObserver* watch = nullptr) {
  const auto data = prepare_run_data<float>(config, samples<float>(500, 1), std::nullopt, std::nullopt);
  Arena arena(threads);
  TrainingObserver nobody;
  Album album;
  TrainingRun<float> training(config, data, arena, watch != nullptr ? *watch : nobody, album, nullptr);
  if (from != nullptr) {
    Checkpoint<float> checkpoint;
    checkpoint.layout = training.network().layout();
    checkpoint.parameters = from->state.parameters;
    for (const auto& [name, block] : from->state.optimizer) checkpoint.optimizer[name] = block;
    checkpoint.progress = from->progress;
    training.restore(std::move(checkpoint));
  }
  arena.run([&] { training.run(); });
  return album;
}

}  // namespace

TEST_CASE("a run has the same bits after every step for any number of threads", "[train][threads]") {
  const Config config = config_of_test();
  const Album one = run(config, 1);
  REQUIRE(one.pages.size() > 30);
  for (const std::size_t threads : {2, 4}) {
    const Album many = run(config, threads);
    REQUIRE(many.pages.size() == one.pages.size());
    for (const auto& [step, page] : one.pages) require_same(many.pages.at(step), page);
  }
}

TEST_CASE("a run resumed at any step goes on with the same bits", "[train]") {
  const Config config = config_of_test();
  const Album whole = run(config, 1);
  for (const auto& [step, page] : whole.pages) {
    const Album rest = run(config, 1 + step % 3, &page);
    for (const auto& [later, later_page] : rest.pages) require_same(later_page, whole.pages.at(later));
    if (step != whole.pages.rbegin()->first) REQUIRE(rest.pages.count(whole.pages.rbegin()->first) == 1);
  }
}

TEST_CASE("prefetching changes nothing", "[train]") {
  Config config = config_of_test();
  const Album ahead = run(config, 2);
  config.data.prefetch = 0;
  const Album inline_gather = run(config, 2);
  for (const auto& [step, page] : ahead.pages) require_same(inline_gather.pages.at(step), page);
}

namespace {

struct Watch final : TrainingObserver {
  void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
  void on_step(const StepReport& report, bool) override { steps.push_back(report); }
  std::vector<EpochReport> epochs;
  std::vector<StepReport> steps;
};

}  // namespace

TEST_CASE("limits, warm-up and averages of a run", "[train]") {
  Config config = config_of_test();
  Watch watch;
  run(config, 2, nullptr, &watch);
  REQUIRE(watch.epochs.size() == 4);
  const std::size_t per_epoch = watch.steps.size() / 4;
  // The epoch's loss is the mean over rows: the last, smaller minibatch counts by its rows.
  const auto data = prepare_run_data<float>(config, samples<float>(500, 1), std::nullopt, std::nullopt);
  const std::size_t rows = data.training.rows();
  double sum = 0;
  for (std::size_t k = 0; k < per_epoch; ++k)
    sum += watch.steps[k].train_loss * static_cast<double>(std::min<std::size_t>(48, rows - 48 * k));
  CHECK(watch.epochs[0].train_loss == Approx(sum / static_cast<double>(rows)).epsilon(1e-12));
  CHECK(watch.steps[0].learning_rate == Approx(0.005));
  CHECK(watch.steps[9].learning_rate == 0.05);
  CHECK(watch.epochs.back().valid->r2.value() > 0.5);

  config.train.max_steps = 7;
  CHECK(run(config, 2).pages.rbegin()->first == 7);
  config.train.max_steps = 0;
  const Album nothing = run(config, 2);
  REQUIRE(nothing.pages.size() == 1);
  CHECK(nothing.pages.count(0) == 1);
}

TEST_CASE("early stopping ends a run that no longer improves", "[train]") {
  Config config = config_of_test();
  config.train.epochs = 100;
  config.early_stopping.patience = 2;
  config.early_stopping.min_delta = 10;  // no improvement is ever large enough
  Watch watch;
  const Album album = run(config, 1, nullptr, &watch);
  CHECK(watch.epochs.size() == 3);
  // A run that early stopping ended stays ended.
  const Album again = run(config, 1, &album.pages.rbegin()->second);
  CHECK(again.pages.empty());
}

TEST_CASE("divergence ends the run with step, layer and rows", "[train]") {
  Config config = config_of_test();
  config.schedule.warmup_steps = 0;
  config.optimizer.learning_rate = 1e38;
  try {
    run(config, 2);
    FAIL("did not diverge");
  } catch (const DivergenceError& error) {
    const std::string what = error.what();
    CHECK(what.find("diverged in step") != std::string::npos);
    CHECK(what.find("layer_00") != std::string::npos);
    CHECK(what.find("minibatch of 48 rows: ") != std::string::npos);
  }
}

TEST_CASE("a checkpoint of another run is refused", "[train]") {
  const Config config = config_of_test();
  Snapshot page = run(config, 1).pages.begin()->second;
  ++page.progress.training_rows;
  CHECK_THROWS_AS(run(config, 1, &page), DataError);
}

TEST_CASE("fit returns a model that predicts raw data in the target's units", "[train]") {
  Config config = config_of_test();
  config.train.epochs = 60;
  config.data.valid_fraction = 0;
  const auto validation = samples<float>(200, 2);
  const Model<float> model = fit<float>(config, samples<float>(1000, 1), &validation);
  const Matrix<float> prediction = model.predict(validation.x.view());
  double error = 0, spread = 0;
  for (std::size_t r = 0; r < 200; ++r) {
    error += std::pow(prediction(r, 0) - validation.y(r, 0), 2);
    spread += std::pow(validation.y(r, 0) - 3, 2);
  }
  CHECK(error / spread < 0.05);  // the noise alone is 0.01 / 0.85 of the variance
}
