// No allocation in a step after warm-up: StepGraph, feed, and the loop that joins them.

#include <tbb/task_group.h>

#include <barrier>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/data/feed.hpp"
#include "engine/linalg/panels.hpp"
#include "engine/optim/optimizer.hpp"
#include "engine/train/initial_state.hpp"
#include "engine/train/step_graph.hpp"
#include "engine/train/training_run.hpp"
#include "gradloom/version.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/regression_samples.hpp"

using namespace gradloom;
using namespace gradloom::testing;

namespace {

constexpr std::uint64_t kNoEnd = 1000000;

/// Allocations of `work`; tells where they were made.
template <class Work>
std::uint64_t allocations_in(const Work& work) {
  watch_allocations();
  const std::uint64_t before = allocations();
  work();
  const std::uint64_t made = allocations() - before;
  print_watched_allocations();
  return made;
}

/// Every thread of the arena gets room for as many tasks as any step here has nodes, and for its products. Else a
/// thread that sleeps through the warm-up would ask for it later: once, but at a time that nobody can foretell.
void warm_up_threads(Arena& arena) {
  constexpr int kTasks = 200;
  std::barrier all(static_cast<std::ptrdiff_t>(arena.threads()));
  arena.for_each(arena.threads(), [&](std::size_t) {
    all.arrive_and_wait();  // so that every thread has one of these calls
    Matrix<float> one(1, 1, 1.0F), product(1, 1);
    multiply<float>(one.view(), Transpose::kNo, one.view(), product.view());
    tbb::task_group tasks;
    for (int i = 0; i < kTasks; ++i) tasks.run([] {});
    all.arrive_and_wait();  // so that none has given a task back yet
    tasks.wait();
  });
}

struct StepCase {
  std::size_t threads;
  bool spread;
  Passes passes;
  Reduction reduction;
  Config::Optimizer optimizer;
};

Config::Optimizer nesterov() {
  Config::Optimizer options;
  options.momentum = 0.9;
  options.nesterov = true;
  options.weight_decay = 1e-3;
  return options;
}

// The rule with the most state, and a norm that every step waits for.
Config::Optimizer clipping_optimizer() {
  Config::Optimizer options;
  options.type = OptimizerType::kAdam;
  options.decay_biases = false;
  options.clip_grad_norm = 0.1;
  return options;
}

ParameterLayout layout_for(Passes passes) {
  if (passes == Passes::kNarrow)
    return {4, std::vector<LayerSpec>{{8, Activation::kGelu}, {5, Activation::kRelu}, {1, Activation::kLinear}}};
  return {4, std::vector<LayerSpec>{
                 {64, Activation::kGelu, 0.2, Normalization::kBatchNorm},
                 {33, Activation::kRelu, 0, Normalization::kLayerNorm},
                 {20, Activation::kPrelu, 0, Normalization::kBatchNorm, NormPlace::kBehindActivation, Slopes::kUnits},
                 {10, Activation::kPrelu},
                 {1, Activation::kLinear}}};
}

std::uint64_t allocations_of_steps(const StepCase& c) {
  require_safe_platform();  // one BLAS thread
  const ParameterLayout layout = layout_for(c.passes);
  const Network<float> network(layout);
  const auto rule = make_optimizer<float>(c.optimizer);
  const Optimizer<float>& optimizer = *rule;
  Config config;
  config.train.ema = 0.9;
  TrainingState<float> state = initial_state<float>(config, layout, optimizer);
  const Dataset<float> data = samples<float>(100, 1);
  const Products products = c.passes == Passes::kBlas ? Products::kBlas : Products::kPanels;
  StepPlan plan = plan_step(layout, 100, 16, products, c.threads);
  REQUIRE(plan.passes == c.passes);
  plan.worth_spreading = c.spread;
  for (auto& r : plan.reductions) r = c.reduction;
  Arena arena(c.threads);
  warm_up_threads(arena);
  StepGraph<float> step(network, Loss::kMse, optimizer, plan, state, arena, config.train.ema);
  const auto take = [&](std::uint64_t steps) {
    arena.run([&] {
      for (std::uint64_t k = 1; k <= steps; ++k) {
        step.run(data.x.view(), data.y.view(), {0.01, k}, {1, 0, {0, nullptr}});
        REQUIRE(step.diverged_layer() == -1);
      }
    });
  };
  take(100);
  return allocations_in([&] { take(2000); });
}

std::uint64_t allocations_of_feed(Shuffle shuffle, std::size_t groups_ahead, std::size_t threads,
                                  bool beside_steps = false) {
  const Dataset<float> data = samples<float>(20000, 1);
  Arena arena(threads);
  warm_up_threads(arena);
  MinibatchFeed<float> feed(data, {32, shuffle, 1, groups_ahead, 0, 0, kNoEnd, &arena, beside_steps});
  SideWork* const work = feed.side_work();
  const auto take = [&](std::uint64_t epochs) {
    for (std::uint64_t i = 0; i < epochs * feed.steps_per_epoch(); ++i) {
      REQUIRE(feed.next()->rows() > 0);
      while (work != nullptr && i % 2 == 0 && work->do_piece()) continue;
    }
  };
  take(4);
  return allocations_in([&] { take(20); });
}

/// Notes how many allocations there are from one logged step to the next; does not allocate itself.
class CountingObserver final : public TrainingObserver {
 public:
  void on_step(const StepReport& report, bool logged) override {
    if (!logged) return;
    if (last_step_ > 0 && report.epoch == epoch_) {
      ++stretches_;
      made_ += allocations() - at_last_;
    }
    last_step_ = report.step;
    epoch_ = report.epoch;
    at_last_ = allocations();
  }

  /// From a logged step to the next of the same epoch, once each.
  [[nodiscard]] std::uint64_t stretches() const { return stretches_; }
  [[nodiscard]] std::uint64_t allocations_made() const { return made_; }

 private:
  std::uint64_t stretches_ = 0, made_ = 0;
  std::uint64_t last_step_ = 0, epoch_ = 0, at_last_ = 0;
};

template <class T>
class NoSnapshots final : public SnapshotSink<T> {
  void save(const TrainingState<T>&, const Progress& progress, double, bool) override {
    this->set_safe_step(progress.step);
  }
  std::optional<Checkpoint<T>> recall() override { return std::nullopt; }
  Checkpoint<T> recall_best(std::uint64_t) override { return {}; }
};

}  // namespace

TEST_CASE("allocations are counted", "[allocations]") {
  const std::uint64_t before = allocations();
  int* volatile kept = new int(3);
  delete kept;
  const std::uint64_t after = allocations();
  CHECK(after - before == 1);
}

TEST_CASE("a step allocates nothing", "[allocations]") {
  for (const std::size_t threads : {4, 2, 1})  // workers outlive arenas: the largest comes first
    for (const bool spread : {false, true})
      for (const auto& [passes, reduction] :
           {std::pair{Passes::kBlas, Reduction::kShardGradients}, std::pair{Passes::kBlas, Reduction::kWholeMinibatch},
            std::pair{Passes::kPanels, Reduction::kShardGradients},
            std::pair{Passes::kPanels, Reduction::kWholeMinibatch},
            std::pair{Passes::kNarrow, Reduction::kShardGradients}}) {
        CAPTURE(threads, spread, static_cast<int>(passes), static_cast<int>(reduction));
        for (const Config::Optimizer& options : {nesterov(), clipping_optimizer()})
          CHECK(allocations_of_steps({threads, spread, passes, reduction, options}) == 0);
      }
}

TEST_CASE("a feed allocates nothing", "[allocations]") {
  for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kFull})
    for (const std::size_t groups_ahead : {0, 2})
      for (const std::size_t threads : {4, 1}) {
        CAPTURE(static_cast<int>(shuffle), groups_ahead, threads);
        CHECK(allocations_of_feed(shuffle, groups_ahead, threads) == 0);
        if (groups_ahead == 0) CHECK(allocations_of_feed(shuffle, 0, threads, true) == 0);
      }
}

TEST_CASE("training allocates nothing between the steps that it logs", "[allocations]") {
  require_safe_platform();  // one BLAS thread
  Config config;
  config.model.layers = {{512, Activation::kTanh}, {256, Activation::kRelu}, {1, Activation::kLinear}};
  config.train.epochs = 4;
  config.train.batch_size = 64;
  config.train.log_every = 10;
  config.train.shard_rows = 16;
  RunData<float> data;
  data.training = samples<float>(3840, 1);  // 60 steps an epoch
  for (const std::size_t threads : {2, 1})
    for (const Shuffle shuffle : {Shuffle::kNone, Shuffle::kFull}) {
      CAPTURE(threads, static_cast<int>(shuffle));
      config.data.shuffle = shuffle;
      Arena arena(threads);
      warm_up_threads(arena);
      CountingObserver observer;
      NoSnapshots<float> sink;
      TrainingRun<float> run(config, data, arena, observer, sink);
      CHECK(run.start_report().shards == 4);
      arena.run([&] { run.run(); });
      CHECK(observer.stretches() == 4 * 5);
      CHECK(observer.allocations_made() == 0);
    }
}
