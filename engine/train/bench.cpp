#include "gradloom/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include "engine/optim/schedule.hpp"
#include "engine/train/divergence.hpp"
#include "engine/train/initial_state.hpp"
#include "engine/train/run_data.hpp"
#include "engine/train/step_graph.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/version.hpp"

namespace gradloom {
namespace {

// Steps are taken before the first is timed for at least this long, and at least so many: threads and the library's
// buffers come up, and caches fill.
constexpr double kWarmUpSeconds = 0.2;
constexpr std::size_t kLeastWarmUpSteps = 3;

// Where the number of steps is not given: how long the timed ones take together, how long everything may take where
// rows or products keep them waiting, and bounds of the number.
constexpr double kSecondsOfSteps = 1, kMostSeconds = 5;
constexpr std::uint64_t kLeastSteps = 20, kMostSteps = 200000;

// Steps, products and clocked steps are timed in turns of about this length: long enough that short steps find their
// code and data in the caches, as in training, short enough that the machine's ups and downs meet all three.
constexpr double kTurnSeconds = 2e-3;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The value below which `share` of the values lie.
double quantile(std::vector<double> values, double share) {
  const auto place = values.begin() + std::lround(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

double median(const std::vector<double>& values) { return quantile(values, 0.5); }

// Three products for each layer, but no deltas for the inputs; a multiplication and an addition each.
double product_flops(const ParameterLayout& layout, std::size_t rows) {
  double weights = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    weights += (l == 0 ? 2.0 : 3.0) * static_cast<double>(layout.layer(l).units * layout.layer(l).inputs);
  return 2 * weights * static_cast<double>(rows);
}

std::string describe(const ParameterLayout& layout) {
  std::string widths = std::to_string(layout.inputs());
  std::string activations;
  for (const LayerSpec& layer : layout.specs()) {
    widths += fmt::format("-{}", layer.units);
    activations += " " + functions_of(layer) + settings_of(layer);
  }
  return widths + activations;
}

// VmHWM of /proc/self/status; 0 where the system does not tell. getrusage would count the parent's pages too.
std::uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  return 0;
}

// All sets of a run: what is streamed, and what is beside it, share data.memory.
template <class T>
std::uint64_t bytes_of(const RunData<T>& data, const Config& config) {
  std::uint64_t bytes = 0;
  bool streamed = false;
  const auto add = [&](const RunSet<T>& set) {
    streamed = streamed || set.streamed();
    bytes += bytes_in_memory({set.rows(), set.features(), set.outputs(), set.weighted()}, sizeof(T));
  };
  add(data.training);
  if (data.validation) add(*data.validation);
  if (data.test) add(*data.test);
  return streamed ? memory_limit(config) : bytes;
}

/// Takes steps as a run does, and times them. One thread calls it.
template <class T>
class StepBench {
 public:
  /// All references must outlive the bench. `initial`: parameters in place of model.init's.
  StepBench(const Config& config, const RunData<T>& data, std::optional<AlignedBuffer<T>> initial, Arena& arena);

  BenchReport run(std::uint64_t steps);

 private:
  using Clock = std::chrono::steady_clock;

  const Minibatch<T>& next();
  void take_step();
  [[nodiscard]] bool is_full() const { return minibatch_.rows() == step_.plan().batch_rows; }
  double warm_up();
  [[nodiscard]] bool enough(std::uint64_t steps, Clock::time_point begin) const;
  void time_steps(std::uint64_t count);
  void time_products(std::uint64_t count);
  void time_phases(std::uint64_t count);
  [[nodiscard]] StepSplit split(double step_seconds) const;
  [[nodiscard]] BenchMemory memory() const;
  [[nodiscard]] BenchReport report() const;

  // Constant after construction.
  const Config& config_;
  const RunData<T>& data_;
  Arena& arena_;
  const Network<T> network_;
  const std::unique_ptr<Optimizer<T>> optimizer_;
  const Schedule schedule_;

  TrainingState<T> state_;
  StepGraph<T> step_;
  std::unique_ptr<MinibatchFeed<T>> feed_;
  Minibatch<T> minibatch_;
  std::uint64_t steps_taken_ = 0;

  std::vector<double> step_seconds_, products_seconds_;
  double timed_seconds_ = 0;    ///< sum of step_seconds_
  StepTimes times_;             ///< of the clocked steps
  double clocked_seconds_ = 0;  ///< of the clocked steps, data wait included
  double data_wait_seconds_ = 0;
};

template <class T>
StepBench<T>::StepBench(const Config& config, const RunData<T>& data, std::optional<AlignedBuffer<T>> initial,
                        Arena& arena)
    : config_(config),
      data_(data),
      arena_(arena),
      network_(data.layout(config)),
      optimizer_(make_optimizer<T>(config.optimizer)),
      schedule_(config, run_length(config, data.training.rows())),
      state_(initial_state<T>(config, network_.layout(), *optimizer_)),
      step_(network_, data.objective, *optimizer_,
            plan_step(network_.layout(), std::min(config.train.batch_size, data.training.rows()),
                      config.train.shard_rows, config.train.products, arena.threads()),
            state_, arena, config.train.ema),
      feed_(make_feed(data.training, feed_options(config, step_.takes_all_cores(), step_.does_side_work(), arena))),
      times_(step_.plan()) {
  step_.set_side_work(feed_->side_work());
  if (initial) state_.parameters = std::move(*initial);
}

template <class T>
const Minibatch<T>& StepBench<T>::next() {
  minibatch_ = *feed_->next();  // there is one: the feed has no end
  return minibatch_;
}

template <class T>
void StepBench<T>::take_step() {
  const std::uint64_t step = ++steps_taken_;
  step_.run(minibatch_.x, minibatch_.y, {schedule_.rate(step), step},
            {config_.train.seed, minibatch_.epoch, minibatch_.numbers}, minibatch_.weights);
  if (const int layer = step_.diverged_layer(); layer >= 0)
    throw DivergenceError(fmt::format(
        "{}; {}", divergence_text(step, network_.layout(), static_cast<std::size_t>(layer), *feed_, minibatch_),
        kDivergenceAdvice));
}

// Returns what a step takes, about.
template <class T>
double StepBench<T>::warm_up() {
  const auto begin = Clock::now();
  std::vector<double> seconds;
  while (seconds.size() < kLeastWarmUpSteps || seconds_since(begin) < kWarmUpSeconds) {
    const auto step_begin = Clock::now();
    next();
    take_step();
    seconds.push_back(seconds_since(step_begin));
    step_.run_products(minibatch_.x);
  }
  return median(seconds);
}

template <class T>
void StepBench<T>::time_steps(std::uint64_t count) {
  auto begin = Clock::now();
  while (count > 0) {
    next();
    take_step();
    const auto end = Clock::now();
    if (is_full()) {
      step_seconds_.push_back(std::chrono::duration<double>(end - begin).count());
      timed_seconds_ += step_seconds_.back();
      --count;
    }
    begin = end;
  }
}

// On minibatches of their own, which the caches know as little as those of the steps.
template <class T>
void StepBench<T>::time_products(std::uint64_t count) {
  while (count > 0) {
    next();
    const auto begin = Clock::now();
    step_.run_products(minibatch_.x);
    const double seconds = seconds_since(begin);
    if (SideWork* const work = feed_->side_work(); work != nullptr)  // as a step would: the next one is not to find it
      while (work->do_piece()) continue;
    if (!is_full()) continue;
    products_seconds_.push_back(seconds);
    --count;
  }
}

template <class T>
void StepBench<T>::time_phases(std::uint64_t count) {
  while (count > 0) {
    const auto begin = Clock::now();
    next();
    const double wait = seconds_since(begin);
    step_.set_times(is_full() ? &times_ : nullptr);
    take_step();
    if (!is_full()) continue;
    clocked_seconds_ += seconds_since(begin);
    data_wait_seconds_ += wait;
    --count;
  }
  step_.set_times(nullptr);
}

// The shares of the clocked steps' time, of a step of `step_seconds`.
template <class T>
StepSplit StepBench<T>::split(double step_seconds) const {
  const double scale = step_seconds / clocked_seconds_;
  const double thread_scale = scale / static_cast<double>(step_.threads());
  const auto [forward, backward, reduction, update] = times_.total();
  StepSplit split;
  split.data_wait = scale * data_wait_seconds_;
  split.forward = thread_scale * forward;
  split.backward = thread_scale * backward;
  split.reduction = thread_scale * reduction;
  split.update = thread_scale * update;
  split.other = step_seconds - split.data_wait - thread_scale * (forward + backward + reduction + update);
  return split;
}

template <class T>
BenchMemory StepBench<T>::memory() const {
  constexpr std::uint64_t kSlack = std::uint64_t{64} << 20;
  const ParameterLayout& layout = network_.layout();
  BenchMemory memory;
  memory.data = bytes_of(data_, config_);
  memory.state = sizeof(T) * layout.size() * (1 + state_.optimizer.size() + (state_.average.size() > 0 ? 1 : 0));
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const std::size_t copies = layout.layer(l).normalization == Normalization::kNone ? 1 : 2;
    memory.activations += copies * sizeof(T) * layout.layer(l).units * step_.plan().batch_rows;
  }
  memory.gradient = step_.kept_gradient_bytes();
  memory.promised = memory.data + 3 * memory.state + memory.gradient + memory.activations + kSlack;
  memory.peak_resident = peak_resident_bytes();
  return memory;
}

template <class T>
BenchReport StepBench<T>::report() const {
  const StepPlan& plan = step_.plan();
  BenchReport report;
  report.network = describe(network_.layout());
  report.parameters = network_.layout().parameter_count();
  report.precision = config_.model.precision;
  report.batch_size = plan.batch_rows;
  report.shards = plan.shards;
  report.shard_rows = plan.shard_rows;
  report.threads = arena_.threads();
  report.step_threads = step_.threads();
  report.steps = step_seconds_.size();
  report.median_step_seconds = median(step_seconds_);
  report.p10_step_seconds = quantile(step_seconds_, 0.1);
  report.p90_step_seconds = quantile(step_seconds_, 0.9);
  report.samples_per_second = static_cast<double>(plan.batch_rows) * static_cast<double>(report.steps) / timed_seconds_;
  report.split = split(report.median_step_seconds);
  report.median_products_seconds = median(products_seconds_);
  const double gigaflop = 1e-9 * product_flops(network_.layout(), plan.batch_rows);
  report.step_gflops = gigaflop / report.median_step_seconds;
  report.products_gflops = gigaflop / report.median_products_seconds;
  report.gemm_fraction = report.median_products_seconds / report.median_step_seconds;
  report.memory = memory();
  return report;
}

template <class T>
bool StepBench<T>::enough(std::uint64_t steps, Clock::time_point begin) const {
  const std::uint64_t done = step_seconds_.size();
  if (steps > 0) return done == steps;
  if (done < kLeastSteps) return false;
  return done >= kMostSteps || timed_seconds_ >= kSecondsOfSteps || seconds_since(begin) >= kMostSeconds;
}

template <class T>
BenchReport StepBench<T>::run(std::uint64_t steps) {
  const auto turn = static_cast<std::uint64_t>(kTurnSeconds / warm_up()) + 1;
  step_seconds_.reserve(steps > 0 ? steps : kMostSteps);
  products_seconds_.reserve(steps > 0 ? steps : kMostSteps);
  const auto begin = Clock::now();
  while (!enough(steps, begin)) {
    const std::uint64_t count = steps > 0 ? std::min(turn, steps - step_seconds_.size()) : turn;
    time_steps(count);
    time_products(count);
    time_phases(count);
  }
  return report();
}

template <class T>
BenchReport bench_as(const Config& config, std::uint64_t steps) {
  const RunData<T> data = load_run_data<T>(config);
  auto initial = given_parameters<T>(config, data.layout(config));
  Arena arena(thread_count(config));
  StepBench<T> steps_bench(config, data, std::move(initial), arena);
  BenchReport report;
  arena.run([&] { report = steps_bench.run(steps); });
  return report;
}

}  // namespace

BenchReport bench(const Config& config, std::uint64_t steps) {
  validate(config);
  require_safe_platform();
  return config.model.precision == Precision::kFloat32 ? bench_as<float>(config, steps)
                                                       : bench_as<double>(config, steps);
}

}  // namespace gradloom
