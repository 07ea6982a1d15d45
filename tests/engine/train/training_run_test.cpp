#include "engine/train/training_run.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/train/evaluator.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/regression_samples.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::same_bits;
using gradloom::testing::samples;

namespace {

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

Config config_with_dropout() {
  Config config = config_of_test();
  config.model.layers = {{16, Activation::kTanh, 0.2}, {8, Activation::kGelu, 0.4}, {1, Activation::kLinear}};
  return config;
}

Config config_with_plateau() {
  Config config = config_of_test();
  config.optimizer.learning_rate = 0.2;  // rough enough that scores rise and fall
  config.train.epochs = 8;
  config.schedule.type = ScheduleType::kPlateau;
  config.schedule.patience = 0;
  config.schedule.threshold = 0.1;
  config.schedule.cooldown = 1;
  return config;
}

Config config_with_average() {
  Config config = config_of_test();
  config.train.ema = 0.8;
  return config;
}

// The last epoch is not the best.
Config config_that_restores_its_best() {
  Config config = config_with_average();
  config.optimizer.learning_rate = 0.2;
  config.train.epochs = 12;
  config.train.restore_best = true;
  return config;
}

struct Snapshot {
  TrainingState<float> state;
  Progress progress;
};

class Album final : public SnapshotSink<float> {
 public:
  void save(const TrainingState<float>& state, const Progress& progress, double, bool) override {
    pages[progress.step] = {state, progress};
    set_safe_step(progress.step);
  }
  std::optional<Checkpoint<float>> recall() override { return std::nullopt; }
  Checkpoint<float> recall_best(std::uint64_t step) override {
    const Snapshot& page = pages.at(step);
    Checkpoint<float> best;
    best.parameters = page.state.parameters;
    best.average = page.state.average;
    for (const auto& [name, block] : page.state.optimizer) best.optimizer[name] = block;
    best.progress = page.progress;
    return best;
  }
  std::map<std::uint64_t, Snapshot> pages;
};

void require_same(const Snapshot& a, const Snapshot& b) {
  REQUIRE(same_bits(a.state.parameters, b.state.parameters));
  REQUIRE(same_bits(a.state.average, b.state.average));
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
  REQUIRE(p.plateau == q.plateau);
  REQUIRE(p.restored_step == q.restored_step);
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
  TrainingRun<float> training(config, data, arena, watch != nullptr ? *watch : nobody, album);
  if (from != nullptr) {
    Checkpoint<float> checkpoint;
    checkpoint.layout = training.network().layout();
    checkpoint.parameters = from->state.parameters;
    checkpoint.average = from->state.average;
    for (const auto& [name, block] : from->state.optimizer) checkpoint.optimizer[name] = block;
    checkpoint.progress = from->progress;
    checkpoint.standardization = data.standardization;
    training.restore(std::move(checkpoint));
  }
  arena.run([&] { training.run(); });
  return album;
}

}  // namespace

TEST_CASE("a run has the same bits after every step for any number of threads", "[train][threads]") {
  const Config config = GENERATE(config_of_test(), config_with_dropout(), config_with_average());
  const Album one = run(config, 1);
  REQUIRE(one.pages.size() > 30);
  for (const std::size_t threads : {2, 4, 8, 64}) {
    const Album many = run(config, threads);
    REQUIRE(many.pages.size() == one.pages.size());
    for (const auto& [step, page] : one.pages) require_same(many.pages.at(step), page);
  }
}

TEST_CASE("a run resumed at any step goes on with the same bits", "[train][threads]") {
  const Config config = GENERATE(config_of_test(), config_with_dropout(), config_with_plateau(), config_with_average());
  const Album whole = run(config, 1);
  for (const auto& [step, page] : whole.pages) {
    const Album rest = run(config, 1 + step % 3, &page);
    for (const auto& [later, later_page] : rest.pages) require_same(later_page, whole.pages.at(later));
    if (step != whole.pages.rbegin()->first) REQUIRE(rest.pages.count(whole.pages.rbegin()->first) == 1);
  }
}

TEST_CASE("prefetching changes nothing", "[train][threads]") {
  Config config = GENERATE(config_of_test(), config_with_dropout());
  const Album ahead = run(config, 2);
  config.data.prefetch = 0;
  const Album inline_gather = run(config, 2);
  for (const auto& [step, page] : ahead.pages) require_same(inline_gather.pages.at(step), page);
}

namespace {

struct StepWatch final : TrainingObserver {
  void on_epoch(const EpochReport& report) override { epochs.push_back(report); }
  void on_step(const StepReport& report, bool) override { steps.push_back(report); }
  std::vector<EpochReport> epochs;
  std::vector<StepReport> steps;
};

}  // namespace

TEST_CASE("a run with dropout is another run, and validates the network without it", "[train][threads]") {
  StepWatch watch;
  const Album album = run(config_with_dropout(), 1, nullptr, &watch);
  const TrainingState<float>& last = album.pages.rbegin()->second.state;
  const Config without = config_of_test();
  CHECK_FALSE(same_bits(last.parameters, run(without, 1).pages.rbegin()->second.state.parameters));

  const auto data = prepare_run_data<float>(without, samples<float>(500, 1), std::nullopt, std::nullopt);
  Arena arena(1);
  const Metrics metrics = evaluate_set<float>(Network<float>(data.layout(without)), last.parameters.data(), Loss::kMse,
                                              data.standardization, *data.validation, arena, plan_metrics(without));
  CHECK(watch.epochs.back().valid->loss == metrics.loss);
}

TEST_CASE("a run validates the average of its parameters", "[train][threads]") {
  const Config config = config_with_average();
  StepWatch watch;
  const Album album = run(config, 2, nullptr, &watch);
  const TrainingState<float>& last = album.pages.rbegin()->second.state;
  const auto data = prepare_run_data<float>(config, samples<float>(500, 1), std::nullopt, std::nullopt);
  Arena arena(1);
  const auto loss_of = [&](const AlignedBuffer<float>& parameters) {
    return evaluate_set<float>(Network<float>(data.layout(config)), parameters.data(), Loss::kMse, data.standardization,
                               *data.validation, arena, plan_metrics(config))
        .loss;
  };
  CHECK(watch.epochs.back().valid->loss == loss_of(last.average));
  CHECK(watch.epochs.back().valid->loss != loss_of(last.parameters));
}

TEST_CASE("a complete run takes over its best epoch's state, and goes no further", "[train][threads]") {
  const Config config = config_that_restores_its_best();
  const Album album = run(config, 2);
  const auto& [last_step, last] = *album.pages.rbegin();
  const std::uint64_t best_step = last.progress.best.front().step;
  REQUIRE(best_step < last_step);
  CHECK(last.progress.restored_step == best_step);
  CHECK(last.progress.step == last_step);
  const Snapshot& best = album.pages.at(best_step);
  CHECK(same_bits(last.state.parameters, best.state.parameters));
  CHECK(same_bits(last.state.average, best.state.average));
  CHECK(same_bits(last.state.optimizer[0].second, best.state.optimizer[0].second));

  CHECK(run(config, 1, &last).pages.empty());  // it is complete
  Config longer = config;
  longer.train.epochs = 13;
  CHECK_THROWS_AS(run(longer, 1, &last), ConfigError);
  longer.train.restore_best = false;
  CHECK_THROWS_AS(run(longer, 1, &last), ConfigError);
}

TEST_CASE("limits, warm-up and averages of a run", "[train][threads]") {
  Config config = config_of_test();
  StepWatch watch;
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
  CHECK(watch.epochs.back().valid->value("r2").value() > 0.5);

  config.train.max_steps = 7;
  CHECK(run(config, 2).pages.rbegin()->first == 7);
  config.train.max_steps = 0;
  const Album nothing = run(config, 2);
  REQUIRE(nothing.pages.size() == 1);
  CHECK(nothing.pages.count(0) == 1);
}

TEST_CASE("on a plateau the next epoch takes smaller steps", "[train][threads]") {
  Config config = config_with_plateau();
  config.schedule.warmup_steps = 9;  // just the first epoch's, which does not count
  StepWatch watch;
  const Album album = run(config, 2, nullptr, &watch);
  REQUIRE(album.pages.at(9).progress.epoch == 1);
  CHECK_FALSE(album.pages.at(9).progress.plateau);
  PlateauState state = plateau_start(false);
  std::size_t falls = 0;
  for (std::size_t e = 1; e < 8; ++e) {
    CHECK(watch.epochs[e].learning_rate == 0.2 * state.scale);
    const double before = state.scale;
    enter_score(state, watch.epochs[e].valid->loss, false, config);
    falls += state.scale < before ? 1 : 0;
    CHECK(album.pages.at(watch.epochs[e].step).progress.plateau == state);
  }
  CHECK(falls >= 2);
}

TEST_CASE("another schedule forgets the plateau", "[train][threads]") {
  const Album album = run(config_with_plateau(), 1);
  const Snapshot& page = album.pages.rbegin()->second;
  REQUIRE(page.progress.plateau);
  CHECK(page.progress.plateau->scale < 1);
  Config config = config_of_test();
  config.train.epochs = 9;
  const Progress rest = run(config, 1, &page).pages.rbegin()->second.progress;
  CHECK_FALSE(rest.plateau);
  CHECK(rest.learning_rate == 0.05);
}

TEST_CASE("early stopping ends a run that no longer improves", "[train][threads]") {
  Config config = config_of_test();
  config.train.epochs = 100;
  config.early_stopping.patience = 2;
  config.early_stopping.min_delta = 10;  // no improvement is ever large enough
  StepWatch watch;
  const Album album = run(config, 1, nullptr, &watch);
  CHECK(watch.epochs.size() == 3);
  // A run that early stopping ended stays ended.
  const Album again = run(config, 1, &album.pages.rbegin()->second);
  CHECK(again.pages.empty());
}

namespace {

Config config_that_saves_best_only() {
  Config config = config_of_test();
  config.train.epochs = 12;
  config.optimizer.learning_rate = 0.2;  // rough enough that scores rise and fall
  config.checkpoint.every_steps = config.checkpoint.every_epochs = std::nullopt;
  return config;
}

}  // namespace

TEST_CASE("each of the keep-best best epochs has a snapshot", "[train][threads]") {
  Config config = config_that_saves_best_only();
  config.checkpoint.keep_best = 3;
  StepWatch watch;
  const Album album = run(config, 1, nullptr, &watch);
  const auto& best = album.pages.rbegin()->second.progress.best;
  REQUIRE(best.size() == 3);
  for (const BestEpoch& epoch : best) CHECK(album.pages.count(epoch.step) == 1);
  std::vector<double> scores;
  for (const EpochReport& epoch : watch.epochs) scores.push_back(epoch.valid->loss);
  std::sort(scores.begin(), scores.end());
  for (std::size_t i = 0; i < 3; ++i) CHECK(best[i].score == scores[i]);
}

TEST_CASE("a resume with a lower keep-best forgets all but the best", "[train][threads]") {
  Config config = config_that_saves_best_only();
  config.checkpoint.keep_best = 4;
  const Album album = run(config, 1);
  REQUIRE(album.pages.rbegin()->second.progress.best.size() == 4);
  config.checkpoint.keep_best = 1;
  config.train.epochs = 13;
  const Album rest = run(config, 1, &album.pages.rbegin()->second);
  CHECK(rest.pages.rbegin()->second.progress.best.size() == 1);
}

TEST_CASE("R2 rises, losses fall, and any number is better than NaN", "[train][threads]") {
  Config config = config_that_saves_best_only();
  config.early_stopping.monitor = *parse_monitor("valid_r2");
  StepWatch watch;
  const Album album = run(config, 1, nullptr, &watch);
  double highest = -1e300;
  for (const EpochReport& epoch : watch.epochs) {
    CHECK(epoch.best == (*epoch.valid->value("r2") > highest));
    highest = std::max(highest, *epoch.valid->value("r2"));
  }
  CHECK(album.pages.rbegin()->second.progress.best.front().score == highest);

  Snapshot page = album.pages.rbegin()->second;
  page.progress.best = {{std::nan(""), 1, 1}};
  page.progress.patience_score = std::nan("");
  config.train.epochs = 13;
  const Album rest = run(config, 1, &page);
  CHECK(rest.pages.rbegin()->second.progress.best.front().epoch == 13);
  CHECK(rest.pages.rbegin()->second.progress.patience_used == 0);
}

TEST_CASE("divergence ends the run with step, layer and rows", "[train][threads]") {
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

TEST_CASE("a checkpoint of another run is refused", "[train][threads]") {
  const Config config = config_of_test();
  Snapshot page = run(config, 1).pages.begin()->second;
  ++page.progress.training_rows;
  CHECK_THROWS_AS(run(config, 1, &page), DataError);
}
