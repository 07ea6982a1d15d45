#include "engine/train/step_graph.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "engine/core/random.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/nn/initializer.hpp"
#include "engine/nn/loss.hpp"
#include "engine/optim/sgd.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::same_bits;

namespace {

template <class T>
Matrix<T> random_matrix(std::size_t rows, std::size_t cols, std::uint32_t stream) {
  Matrix<T> m(rows, cols);
  const CounterRandom random(99, RandomUse::kGenerator, stream);
  for (std::size_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<T>(random.normal(i));
  return m;
}

template <class T>
TrainingState<T> fresh_state(const ParameterLayout& layout, const Optimizer<T>& optimizer) {
  TrainingState<T> state{AlignedBuffer<T>(layout.size()), {}};
  initialize(Initializer::kAuto, layout, 5, state.parameters.data());
  for (const auto& name : optimizer.state_names())
    state.optimizer.emplace_back(name, AlignedBuffer<T>(layout.size(), T{0}));
  return state;
}

constexpr double kDecay = 0.75;

Config::Optimizer nesterov() {
  Config::Optimizer options;
  options.learning_rate = 0.1;
  options.momentum = 0.9;
  options.nesterov = true;
  options.weight_decay = 1e-3;
  return options;
}

Config::Optimizer adam() {
  Config::Optimizer options;
  options.type = OptimizerType::kAdam;
  return options;
}

struct Job {
  std::vector<LayerSpec> layers = {{64, Activation::kRelu}, {33, Activation::kTanh}, {5, Activation::kLinear}};
  std::size_t inputs = 40;
  std::size_t rows = 200;
  Config::Optimizer optimizer = nesterov();
  bool averaged = false;  // with kDecay
};

Job job_with_dropout() {
  Job job;
  job.layers = {{64, Activation::kRelu, 0.2}, {33, Activation::kTanh, 0.5}, {5, Activation::kLinear}};
  return job;
}

// Both kinds in both places, with and without units that are dropped behind them.
Job job_with_normalization() {
  using enum Normalization;
  using enum NormPlace;
  Job job;
  job.layers = {{64, Activation::kRelu, 0.2, kBatchNorm, kBeforeActivation},
                {33, Activation::kTanh, 0, kLayerNorm, kBehindActivation},
                {20, Activation::kGelu, 0, kBatchNorm, kBehindActivation},
                {24, Activation::kSilu, 0.3, kLayerNorm, kBeforeActivation},
                {5, Activation::kLinear}};
  return job;
}

// Both kinds of slopes, behind either normalization, before dropout, and of the output.
Job job_with_prelu() {
  using enum Normalization;
  using enum NormPlace;
  Job job;
  job.layers = {{64, Activation::kPrelu, 0.2, kNone, kBeforeActivation, Slopes::kUnits},
                {33, Activation::kPrelu, 0, kLayerNorm, kBehindActivation, Slopes::kOne},
                {20, Activation::kPrelu, 0, kBatchNorm, kBehindActivation, Slopes::kUnits},
                {24, Activation::kPrelu, 0.3, kBatchNorm, kBeforeActivation, Slopes::kOne},
                {5, Activation::kPrelu, 0, kNone, kBeforeActivation, Slopes::kUnits}};
  return job;
}

Job wide_job() {
  Job job;
  job.layers = {{200, Activation::kTanh}, {90, Activation::kRelu}, {7, Activation::kLinear}};
  job.inputs = 70;
  return job;
}

// Of more inputs than a tile's gradient is computed for at once.
Job many_inputs() {
  Job job;
  job.layers = {{70, Activation::kTanh}, {3, Activation::kLinear}};
  job.inputs = 9001;
  job.rows = 24;
  return job;
}

// So much work that tiles are cut by inputs.
Job large_tiles() {
  Job job = many_inputs();
  job.rows = 80;
  return job;
}

// A part of a tile has a longer gradient than all of its units, of some of the inputs.
Job few_rows_of_many_inputs() {
  Job job;
  job.layers = {{50, Activation::kTanh}, {1, Activation::kLinear}};
  job.inputs = 21'800;
  job.rows = 3;
  return job;
}

Job narrow_job() {
  Job job;
  job.rows = 1100;
  return job;
}

// The norm of the whole gradient before any update, two states, and biases that are treated in their own way. The
// gradient's norm is about 1 here.
Job clipping_job(Job job = {}) {
  job.optimizer = adam();
  job.optimizer.weight_decay = 0.01;
  job.optimizer.l1 = 1e-3;
  job.optimizer.decay_biases = false;
  job.optimizer.clip_grad_norm = 0.1;
  job.optimizer.clip_grad_value = 0.05;
  return job;
}

// By SGD: of a bias before a batch-norm, whose gradient is rounding alone, Adam would make whole steps.
Job clipping_job_by_sgd(Job job) {
  job = clipping_job(std::move(job));
  job.optimizer.type = OptimizerType::kSgd;
  job.optimizer.momentum = 0.9;
  return job;
}

// Two steps of each epoch, on rows that stand in the set one after the other.
DropoutContext dropout_of(std::uint64_t step) { return {3, step / 2, {step % 2 * 1000, nullptr}}; }

// Five steps, the third of them on a smaller minibatch.
template <class T>
TrainingState<T> train(const Job& job, StepPlan plan, std::size_t threads) {
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<T> network(layout);
  const auto optimizer = make_optimizer<T>(job.optimizer);
  TrainingState<T> state = fresh_state<T>(layout, *optimizer);
  if (job.averaged) state.average = AlignedBuffer<T>(layout.size(), T{0});  // the first step sets it
  Arena arena(threads);
  StepGraph<T> step(network, Loss::kMse, *optimizer, std::move(plan), state, arena,
                    job.averaged ? std::optional(kDecay) : std::nullopt);
  const auto x = random_matrix<T>(job.rows, job.inputs, 1);
  const auto y = random_matrix<T>(job.rows, layout.outputs(), 2);
  for (std::uint64_t k = 1; k <= 5; ++k) {
    const std::size_t rows = k == 3 ? job.rows / 3 : job.rows;
    const double loss = step.run(x.view().row_range(0, rows), y.view().row_range(0, rows), {0.1, k}, dropout_of(k));
    REQUIRE(std::isfinite(loss));
    REQUIRE(step.diverged_layer() == -1);
  }
  return state;
}

// clip_grad_norm_ over gaps too, which hold zeros.
template <class T>
double naive_scale(const Config::Optimizer& options, const AlignedBuffer<T>& gradient) {
  if (!options.clip_grad_norm) return 1;
  const double most = options.clip_grad_value.value_or(std::numeric_limits<double>::infinity());
  double squares = 0;
  for (const T g : gradient.span()) squares += std::pow(std::clamp(static_cast<double>(g), -most, most), 2);
  return std::min(1.0, *options.clip_grad_norm / (std::sqrt(squares) + 1e-6));
}

// One tensor after the other.
template <class T>
void update_naively(const Optimizer<T>& optimizer, const ParameterLayout& layout, std::uint64_t k,
                    const AlignedBuffer<T>& gradient, TrainingState<T>& state) {
  UpdateContext context{0.1, k, naive_scale(optimizer.options(), gradient)};
  for (std::size_t l = 0; l < layout.depth(); ++l)
    for (const LayerTensor& tensor : layout.layer(l).tensors) {
      if (!tensor.learned) continue;
      std::vector<T*> states;
      for (auto& [name, block] : state.optimizer) states.push_back(block.data() + tensor.offset);
      context.penalized = tensor.cols || optimizer.options().decay_biases;
      REQUIRE(optimizer.update(context, state.parameters.data() + tensor.offset, gradient.data() + tensor.offset,
                               states, tensor.size()));
    }
}

// Running averages have no average of their own.
template <class T>
void average_naively(const ParameterLayout& layout, std::uint64_t k, TrainingState<T>& state) {
  if (k == 1) state.average = state.parameters;
  for (std::size_t l = 0; l < layout.depth(); ++l)
    for (const LayerTensor& tensor : layout.layer(l).tensors)
      for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size() && k > 1; ++i)
        state.average[i] = tensor.learned ? static_cast<T>(kDecay) * state.average[i] +
                                                static_cast<T>(1 - kDecay) * state.parameters[i]
                                          : state.parameters[i];
}

// The passes of a training workspace over these rows as one shard, which are the whole minibatch.
template <class T>
void forward_whole(const Network<T>& network, T* parameters, MatrixView<const T> x, Workspace<T>& w, RowRange rows) {
  for (std::size_t l = 0; l < network.layout().depth(); ++l) {
    network.forward_to_normalization(parameters, l, x, w, rows);
    if (w.normalization[l] && w.normalization[l]->joins_rows()) {
      network.take_moments(l, w, 0, rows);
      w.normalization[l]->join_moments(parameters);
    }
    network.forward_from_normalization(parameters, l, w, rows);
  }
}

template <class T>
void backward_whole(const Network<T>& network, const T* parameters, MatrixView<const T> x, Workspace<T>& w,
                    RowRange rows, T* gradient) {
  const ParameterLayout& layout = network.layout();
  for (std::size_t l = layout.depth(); l-- > 0;) {
    if (auto& norm = w.normalization[l]) {
      network.take_normalization_gradient(l, w, 0, rows);
      norm->join_gradient();
      std::copy_n(norm->weight_gradient(), layout.layer(l).units, gradient + layout.layer(l).norm_weight_offset);
      std::copy_n(norm->bias_gradient(), layout.layer(l).units, gradient + layout.layer(l).norm_bias_offset);
      network.backward_through_normalization(parameters, l, w, rows);
    }
    if (auto& prelu = w.prelu[l]) {
      prelu->join_gradient(rows.count);
      std::copy_n(prelu->slope_gradient(), layout.layer(l).slope_count(), layout.slope(gradient, l).data());
    }
    network.gradient(l, x, w, rows, 0, layout.weight(gradient, l), layout.bias(gradient, l).data());
    if (l > 0) network.backward_delta(parameters, l, w, rows);
  }
}

// The naive twin: one shard, no graph, no tiles, gradient of the whole minibatch at once, written out.
template <class T>
TrainingState<T> train_naively(const Job& job) {
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<T> network(layout);
  const auto optimizer = make_optimizer<T>(job.optimizer);
  TrainingState<T> state = fresh_state<T>(layout, *optimizer);
  const auto x = random_matrix<T>(job.rows, job.inputs, 1);
  const auto y = random_matrix<T>(job.rows, layout.outputs(), 2);
  Workspace<T> w(layout, job.rows, true);
  AlignedBuffer<T> gradient(layout.size(), T{0});
  for (std::uint64_t k = 1; k <= 5; ++k) {
    const RowRange rows{0, k == 3 ? job.rows / 3 : job.rows};
    w.dropout = dropout_of(k);
    forward_whole<T>(network, state.parameters.data(), x.view(), w, rows);
    loss_and_delta<T>(Loss::kMse, network.output(w, rows), y.view().row_range(0, rows.count),
                      static_cast<T>(1.0 / static_cast<double>(rows.count * layout.outputs())),
                      w.delta.back().view().row_range(0, rows.count));
    network.apply_output_derivative(state.parameters.data(), w, rows);
    backward_whole<T>(network, state.parameters.data(), x.view(), w, rows, gradient.data());
    update_naively(*optimizer, layout, k, gradient, state);
    average_naively(layout, k, state);
  }
  return state;
}

// How a step may be computed: every kind of passes with every reduction that it knows.
struct Way {
  Passes passes;
  Reduction reduction;
};
constexpr std::array<Way, 5> kWays = {{{Passes::kBlas, Reduction::kShardGradients},
                                       {Passes::kBlas, Reduction::kWholeMinibatch},
                                       {Passes::kPanels, Reduction::kShardGradients},
                                       {Passes::kPanels, Reduction::kWholeMinibatch},
                                       {Passes::kNarrow, Reduction::kShardGradients}}};

bool knows(const Way& way, const ParameterLayout& layout) {
  return way.passes != Passes::kNarrow || suits_narrow_network(layout);
}

StepPlan plan_with(const ParameterLayout& layout, std::size_t rows, std::size_t shard_rows, const Way& way) {
  const Products products = way.passes == Passes::kBlas ? Products::kBlas : Products::kPanels;
  StepPlan plan = plan_step(layout, rows, shard_rows, products, 16);
  plan.worth_spreading = true;
  plan.passes = way.passes;
  plan.row_nodes = divide_up(plan.shards, 2);  // some with two shards
  for (auto& r : plan.reductions) r = way.reduction;
  for (std::size_t l = 0; l < plan.tiles.size(); ++l) {  // several uneven tiles a layer
    const std::size_t units = layout.layer(l).units;
    const std::size_t first = units / 2;
    const std::size_t second = std::min<std::size_t>(units - first, 1);
    plan.tiles[l] = {{l, 0, first}, {l, first, second}, {l, first + second, units - first - second}};
    std::erase_if(plan.tiles[l], [](const Tile& tile) { return tile.units == 0; });
  }
  return plan;
}

StepPlan plan_with(const Job& job, std::size_t shard_rows, const Way& way) {
  return plan_with(ParameterLayout(job.inputs, job.layers), job.rows, shard_rows, way);
}

template <class T>
double largest_difference(const AlignedBuffer<T>& a, const AlignedBuffer<T>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(static_cast<double>(a[i] - b[i])));
  return most;
}

}  // namespace

// ThreadSanitizer makes these steps fifty times as long; it looks for races, and bits are compared by the other builds.
#if defined(__SANITIZE_THREAD__)
constexpr std::array<std::size_t, 1> kThreadCounts = {2};
constexpr std::array<std::size_t, 1> kShardRows = {64};
#else
constexpr std::array<std::size_t, 4> kThreadCounts = {2, 3, 4, 8};
constexpr std::array<std::size_t, 3> kShardRows = {7, 64, 200};
#endif

TEMPLATE_TEST_CASE("a step gives the same bits for any number of threads", "[train][threads]", float, double) {
  const Job job = GENERATE(Job{}, job_with_dropout(), job_with_normalization(), job_with_prelu(), clipping_job(),
                           clipping_job(job_with_normalization()), clipping_job(job_with_prelu()));
  for (const Way& way : kWays) {
    if (!knows(way, {job.inputs, job.layers})) continue;
    for (const std::size_t shard_rows : kShardRows) {
      const StepPlan plan = plan_with(job, shard_rows, way);
      const auto one = train<TestType>(job, plan, 1);
      for (const std::size_t threads : kThreadCounts) {
        const auto many = train<TestType>(job, plan, threads);
        CHECK(same_bits(one.parameters, many.parameters));
        CHECK(same_bits(one.optimizer[0].second, many.optimizer[0].second));
      }
    }
  }
}

TEST_CASE("every way to compute a step agrees with the naive twin", "[train][threads]") {
  // In float64, five steps of a well-scaled network: rounding of sums of 200 terms stays below 1e-13.
  const Job job = GENERATE(Job{}, job_with_dropout(), job_with_normalization(), job_with_prelu(), many_inputs(),
                           clipping_job(), clipping_job(job_with_dropout()),
                           clipping_job_by_sgd(job_with_normalization()), clipping_job_by_sgd(job_with_prelu()));
  const auto naive = train_naively<double>(job);
  for (const Way& way : kWays) {
    if (!knows(way, {job.inputs, job.layers})) continue;
    for (const std::size_t shard_rows : {1, 7, 64, 200}) {
      if (shard_rows > job.rows) continue;
      const auto state = train<double>(job, plan_with(job, shard_rows, way), 2);
      CHECK(largest_difference(state.parameters, naive.parameters) < 1e-13);
      CHECK(largest_difference(state.optimizer[0].second, naive.optimizer[0].second) < 1e-13);
    }
  }
}

TEST_CASE("every way to compute a step averages the parameters as the naive twin does", "[train][threads][slow]") {
  Job job = GENERATE(Job{}, many_inputs(), job_with_prelu());
  job.averaged = true;
  const auto naive = train_naively<double>(job);
  for (const Way& way : kWays) {
    if (!knows(way, {job.inputs, job.layers})) continue;
    const StepPlan plan = plan_with(job, job.rows / 3, way);
    const auto state = train<double>(job, plan, 3);
    CHECK(largest_difference(state.average, naive.average) < 1e-13);
    CHECK(largest_difference(state.average, state.parameters) > 1e-4);
    CHECK(same_bits(state.average, train<double>(job, plan, 1).average));
    CHECK(&state.judged() == &state.average);
    Job plain = job;
    plain.averaged = false;
    const auto without = train<double>(plain, plan, 2);
    CHECK(same_bits(without.parameters, state.parameters));
    CHECK(&without.judged() == &without.parameters);
  }
}

TEMPLATE_TEST_CASE("with panels, how rows and units are cut leaves no trace in the bits", "[train][threads]", float,
                   double) {
  const Job job = GENERATE(Job{}, job_with_dropout());
  const Way way{Passes::kPanels, Reduction::kWholeMinibatch};
  StepPlan uncut = plan_with(job, job.rows, way);
  for (std::size_t l = 0; l < job.layers.size(); ++l) uncut.tiles[l] = {{l, 0, job.layers[l].units}};
  const auto expected = train<TestType>(job, uncut, 1);
  for (const std::size_t shard_rows : {1, 5, 32, 200})
    CHECK(same_bits(train<TestType>(job, plan_with(job, shard_rows, way), 2).parameters, expected.parameters));
}

// Parameters and losses of five steps planned for so many threads, run on as many.
std::pair<AlignedBuffer<float>, std::vector<double>> train_as_planned(const Job& job, Products products,
                                                                      std::size_t threads) {
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const auto optimizer = make_optimizer<float>(job.optimizer);
  TrainingState<float> state = fresh_state<float>(layout, *optimizer);
  Arena arena(threads);
  StepGraph<float> step(network, Loss::kMse, *optimizer, plan_step(layout, job.rows, 0, products, threads), state,
                        arena);
  const auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  std::vector<double> losses;
  for (std::uint64_t k = 1; k <= 5; ++k) {
    const std::size_t rows = k == 3 ? job.rows / 3 : job.rows;
    losses.push_back(step.run(x.view().row_range(0, rows), y.view().row_range(0, rows), {0.1, k}, dropout_of(k)));
  }
  return {state.parameters, losses};
}

TEST_CASE("plans for any number of threads give the same parameters and losses", "[train][threads]") {
  const auto products = GENERATE(Products::kPanels, Products::kBlas);
  const Job job = GENERATE(wide_job(), narrow_job(), many_inputs(), large_tiles(), few_rows_of_many_inputs(),
                           clipping_job(wide_job()), clipping_job(narrow_job()), clipping_job(large_tiles()));
  const auto one = train_as_planned(job, products, 1);
  for (const std::size_t threads : kThreadCounts) {
    const auto many = train_as_planned(job, products, threads);
    CHECK(same_bits(many.first, one.first));
    CHECK(many.second == one.second);
  }
}

TEST_CASE("a norm that is never reached leaves no trace in the bits", "[train][threads]") {
  const auto products = GENERATE(Products::kPanels, Products::kBlas);
  const Job job = GENERATE(Job{}, narrow_job(), large_tiles());
  Job kept = job;
  kept.optimizer.clip_grad_norm = 1e9;
  for (const std::size_t threads : {1, 2})
    CHECK(same_bits(train_as_planned(kept, products, threads).first, train_as_planned(job, products, threads).first));
}

// Parameters after three steps on the first rows of a job, whose weights are as `weights` says.
AlignedBuffer<double> train_weighted(const Job& job, const Objective& objective, const Matrix<double>& x,
                                     const Matrix<double>& y, const std::vector<double>& weights, std::size_t threads,
                                     std::size_t shard_rows = 0) {
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<double> network(layout);
  const Sgd<double> optimizer(job.optimizer);
  TrainingState<double> state = fresh_state<double>(layout, optimizer);
  Arena arena(threads);
  StepGraph<double> step(network, objective, optimizer,
                         plan_step(layout, x.rows(), shard_rows, Products::kAuto, threads), state, arena);
  for (std::uint64_t k = 1; k <= 3; ++k) {
    step.run(x.view(), y.view(), {0.1, k}, {}, weights.empty() ? nullptr : weights.data());
    const double expected =
        weights.empty() ? static_cast<double>(x.rows()) : std::accumulate(weights.begin(), weights.end(), 0.0);
    REQUIRE(step.weight() == expected);
  }
  return state.parameters;
}

TEST_CASE("a weight of k is the row k times, for any threads and shards", "[train][threads]") {
  const Job job = GENERATE(Job{}, narrow_job(), wide_job());
  constexpr std::size_t kRows = 90;
  const auto x = random_matrix<double>(kRows, job.inputs, 1),
             y = random_matrix<double>(kRows, job.layers.back().units, 2);
  std::vector<double> weights(kRows);
  std::vector<std::size_t> repeated;
  for (std::size_t r = 0; r < kRows; ++r) {
    weights[r] = static_cast<double>(r % 3);
    repeated.insert(repeated.end(), r % 3, r);
  }
  Matrix<double> many_x(repeated.size(), x.cols()), many_y(repeated.size(), y.cols());
  for (std::size_t i = 0; i < repeated.size(); ++i) {
    std::copy_n(x.row(repeated[i]).data(), x.cols(), many_x.row(i).data());
    std::copy_n(y.row(repeated[i]).data(), y.cols(), many_y.row(i).data());
  }
  const auto expected = train_weighted(job, Loss::kMse, many_x, many_y, {}, 1);
  const auto one = train_weighted(job, Loss::kMse, x, y, weights, 1);
  // Additions in another order, over three steps.
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(one.data()[i] == Approx(expected.data()[i]).margin(1e-12));
  for (const std::size_t threads : {2, 8})
    CHECK(same_bits(train_weighted(job, Loss::kMse, x, y, weights, threads), one));
  const auto cut = train_weighted(job, Loss::kMse, x, y, weights, 2, 7);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(cut.data()[i] == Approx(expected.data()[i]).margin(1e-12));
}

TEST_CASE("a minibatch that weighs nothing has no loss and no gradient", "[train]") {
  const Job job = GENERATE(Job{}, narrow_job());
  Job plain = job;
  plain.optimizer = {};
  const auto x = random_matrix<double>(20, job.inputs, 1), y = random_matrix<double>(20, job.layers.back().units, 2);
  const ParameterLayout layout(plain.inputs, plain.layers);
  const auto before = fresh_state<double>(layout, Sgd<double>(plain.optimizer)).parameters;
  CHECK(same_bits(train_weighted(plain, Loss::kMse, x, y, std::vector<double>(20, 0.0), 1), before));
}

TEMPLATE_TEST_CASE("own products give the same bits with any vectors that multiply and add at once", "[train][threads]",
                   float, double) {
  const Job job = GENERATE(Job{}, job_with_dropout(), job_with_normalization(), job_with_prelu());
  for (const Way& way : kWays) {
    if (way.passes == Passes::kBlas || !knows(way, {job.inputs, job.layers})) continue;
    std::vector<TrainingState<TestType>> states;
    on_every_instruction_set([&] {
      if (has_fused_multiply_add()) states.push_back(train<TestType>(job, plan_with(job, 64, way), 2));
    });
    for (const auto& state : states) CHECK(same_bits(state.parameters, states.front().parameters));
  }
}

TEST_CASE("steps that are not spread give the bits of spread ones", "[train][threads]") {
  const Job job = GENERATE(Job{}, job_with_normalization(), job_with_prelu());
  for (const Way& way : kWays) {
    if (!knows(way, {job.inputs, job.layers})) continue;
    StepPlan plan = plan_with(job, 16, way);
    const auto spread = train<float>(job, plan, 4);
    plan.worth_spreading = false;
    CHECK(same_bits(train<float>(job, plan, 4).parameters, spread.parameters));
  }
}

namespace {

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws in the update of the last tile until told otherwise.
class ThrowingOptimizer final : public Optimizer<float> {
 public:
  using Optimizer::Optimizer;
  [[nodiscard]] std::vector<std::string> state_names() const override { return {}; }
  [[nodiscard]] bool update(const UpdateContext&, float*, const float*, std::span<float* const>,
                            std::size_t) const override {
    if (armed) throw Refusal("no update today");
    return true;
  }
  std::atomic<bool> armed = true;
};

}  // namespace

TEST_CASE("an exception in a node comes out as itself and the graph runs again", "[train][threads]") {
  const Job job;
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  ThrowingOptimizer optimizer(GENERATE(Job{}, clipping_job()).optimizer);
  TrainingState<float> state = fresh_state<float>(layout, optimizer);
  const auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  for (const std::size_t threads : {1, 4}) {
    Arena arena(threads);
    StepGraph<float> step(network, Loss::kMse, optimizer, plan_with(job, 7, way), state, arena);
    optimizer.armed = true;
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(step.run(x.view(), y.view(), {0.1, 1}, {}), Refusal);
    optimizer.armed = false;
    CHECK(std::isfinite(step.run(x.view(), y.view(), {0.1, 1}, {})));
  }
}

namespace {

// A small network, with dropout or without, whose step is taken in shards of three rows; its optimizer is w <- w - rate
// * gradient.
struct SmallStep {
  static constexpr std::size_t kRows = 11, kInputs = 4;

  SmallStep(Activation hidden, bool drop, const Way& way, Normalization norm = Normalization::kNone,
            NormPlace place = NormPlace::kBeforeActivation)
      : layout(kInputs, std::vector<LayerSpec>{{9, hidden, drop ? 0.3 : 0, norm, place, Slopes::kUnits},
                                               {8, hidden, drop ? 0.6 : 0, norm, place, Slopes::kOne},
                                               {2, Activation::kLinear}}),
        network(layout),
        optimizer(Config::Optimizer{}),
        state(fresh_state<double>(layout, optimizer)),
        arena(2),
        step(network, Loss::kMse, optimizer, plan_with(layout, kRows, 3, way), state, arena) {}

  double run(RowRange rows, double rate) {
    return step.run(x.view().row_range(rows.first, rows.count), y.view().row_range(rows.first, rows.count), {rate, 1},
                    {17, 2, RowNumbers{0, numbers}.after(rows.first)});
  }

  ParameterLayout layout;
  Network<double> network;
  Sgd<double> optimizer;
  TrainingState<double> state;
  Arena arena;
  StepGraph<double> step;
  Matrix<double> x = random_matrix<double>(kRows, kInputs, 1), y = random_matrix<double>(kRows, 2, 2);
  std::uint64_t numbers[kRows] = {40, 3, 7, 100000000000, 1, 0, 25, 26, 9, 12, 11};
};

}  // namespace

namespace {

/// The largest difference between what a step follows and central differences, relative to the largest of either.
double gradient_error(SmallStep& job) {
  const AlignedBuffer<double> start = job.state.parameters;
  job.run({0, SmallStep::kRows}, 1);
  const AlignedBuffer<double> after = job.state.parameters;
  job.state.parameters = start;
  // Balances truncation (step² times third derivatives) and rounding (1e-16 / step): about 1e-10 both.
  constexpr double kStep = 1e-5;
  double worst = 0, largest = 0;
  const auto check = [&](std::size_t i) {
    job.state.parameters[i] = start[i] + kStep;
    const double above = job.run({0, SmallStep::kRows}, 0);
    job.state.parameters[i] = start[i] - kStep;
    const double below = job.run({0, SmallStep::kRows}, 0);
    job.state.parameters[i] = start[i];
    worst = std::max(worst, std::abs((above - below) / (2 * kStep) - (start[i] - after[i])));
    largest = std::max(largest, std::abs(start[i] - after[i]));
  };
  for (std::size_t l = 0; l < job.layout.depth(); ++l)
    for (const LayerTensor& tensor : job.layout.layer(l).tensors)
      for (std::size_t i = 0; i < tensor.size() && tensor.learned; ++i) check(tensor.offset + i);
  REQUIRE(largest > 1e-3);
  return worst / largest;
}

}  // namespace

TEST_CASE("a step follows the gradient of the loss, with dropout that of the network that its masks leave",
          "[train][threads]") {
  const auto activation =
      GENERATE(Activation::kLinear, Activation::kTanh, Activation::kRelu, Activation::kElu, Activation::kGelu,
               Activation::kSilu, Activation::kSoftplus, Activation::kMish, Activation::kSoftsign, Activation::kPrelu);
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const bool drop = GENERATE(false, true);
  if (way.passes == Passes::kNarrow && (drop || activation == Activation::kPrelu)) return;
  SmallStep job(activation, drop, way);
  CHECK(gradient_error(job) < 1e-6);
}

TEST_CASE("a step follows the gradient of the loss through normalizations", "[train][threads]") {
  const auto activation = GENERATE(Activation::kTanh, Activation::kRelu, Activation::kGelu, Activation::kPrelu);
  const auto norm = GENERATE(Normalization::kBatchNorm, Normalization::kLayerNorm);
  const auto place = GENERATE(NormPlace::kBeforeActivation, NormPlace::kBehindActivation);
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const bool drop = GENERATE(false, true);
  if (way.passes == Passes::kNarrow) return;
  SmallStep job(activation, drop, way, norm, place);
  CHECK(gradient_error(job) < 1e-6);
}

TEST_CASE("a row's mask does not depend on the minibatch it is in", "[train][threads]") {
  SmallStep job(Activation::kTanh, true, GENERATE(kWays[1], kWays[3]));
  const double whole = job.run({0, 11}, 0);
  const double parts = (4 * job.run({0, 4}, 0) + 7 * job.run({4, 7}, 0)) / 11;
  CHECK(parts == Approx(whole).epsilon(1e-14));  // sums of 22 terms in another order
  job.numbers[4] += 1;
  CHECK(std::abs(job.run({0, 11}, 0) - whole) > 1e-6);
}

TEST_CASE("divergence is traced to its layer", "[train][threads]") {
  const Job job;
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const Sgd<float> optimizer(job.optimizer);
  TrainingState<float> state = fresh_state<float>(layout, optimizer);
  Arena arena(2);
  StepGraph<float> step(network, Loss::kMse, optimizer, plan_with(job, 50, way), state, arena);
  auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  step.run(x.view(), y.view(), {0.1, 1}, {});
  CHECK(step.diverged_layer() == -1);
  const TrainingState<float> good = state;
  layout.weight(state.parameters.data(), 1)(3, 4) = std::numeric_limits<float>::quiet_NaN();
  step.run(x.view(), y.view(), {0.1, 2}, {});
  CHECK(step.diverged_layer() == 1);
  state.parameters = good.parameters;
  x(120, 7) = std::numeric_limits<float>::infinity();  // in one shard of four
  step.run(x.view(), y.view(), {0.1, 2}, {});
  CHECK(step.diverged_layer() == 0);
}

TEST_CASE("divergence of slopes is that of their layer", "[train][threads]") {
  Job job = job_with_prelu();
  job.optimizer = {};
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  if (way.passes == Passes::kNarrow) return;
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const Sgd<float> optimizer(job.optimizer);
  TrainingState<float> state = fresh_state<float>(layout, optimizer);
  Arena arena(2);
  StepGraph<float> step(network, Loss::kHuber, optimizer, plan_with(job, 50, way), state, arena);
  const auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  step.run(x.view(), y.view(), {0.1, 1}, dropout_of(1));
  REQUIRE(step.diverged_layer() == -1);
  layout.slope(state.parameters.data(), 3)[0] = std::numeric_limits<float>::infinity();
  step.run(x.view(), y.view(), {0.1, 2}, dropout_of(2));
  CHECK(step.diverged_layer() == 3);
}

TEST_CASE("plans depend on shapes and cover every row and unit once", "[train]") {
  const Products products = GENERATE(Products::kBlas, Products::kPanels);
  const std::size_t threads = GENERATE(1, 2, 5, 64);
  for (const std::size_t batch : {1, 7, 32, 100, 256, 1000, 1024, 65536}) {
    for (const auto& layers : std::vector<std::vector<LayerSpec>>{
             {{30, Activation::kSigmoid}, {10, Activation::kSigmoid}, {3, Activation::kRelu}, {1, Activation::kLinear}},
             {{512, Activation::kRelu}, {256, Activation::kRelu}, {10, Activation::kLinear}},
             {{2048, Activation::kRelu}, {2048, Activation::kRelu}, {10, Activation::kLinear}}}) {
      const ParameterLayout layout(layers.size() == 4 ? 3 : 784, layers);
      for (const std::size_t shard_rows : {0, 1, 5, 64, 100000}) {
        const StepPlan plan = plan_step(layout, batch, shard_rows, products, threads);
        const StepPlan for_one = plan_step(layout, batch, shard_rows, products, 1);
        REQUIRE(plan.shard_rows == for_one.shard_rows);
        REQUIRE(plan.reductions == for_one.reductions);
        std::size_t in_nodes = 0;
        for (std::size_t n = 0; n < plan.row_nodes; ++n) in_nodes += plan.node_rows(n, batch).count;
        REQUIRE(in_nodes == batch);
        std::size_t next = 0;
        for (std::size_t s = 0; s < plan.shards; ++s) {
          const RowRange rows = plan.shard(s, batch);
          REQUIRE(rows.first == next);
          REQUIRE(rows.count > 0);
          next += rows.count;
        }
        REQUIRE(next == batch);
        const bool narrow = layers.size() == 4 && std::min<std::size_t>(shard_rows, batch) <= 1024;
        REQUIRE((plan.passes == Passes::kNarrow) == (products == Products::kPanels && narrow));
        REQUIRE(plan.shard(plan.shards - 1, 1).count == (plan.shards == 1 ? 1 : 0));
        for (std::size_t l = 0; l < layers.size(); ++l) {
          const std::size_t inputs = layout.layer(l).inputs;
          std::size_t unit = 0, input = 0;
          for (const Tile& tile : plan.tiles[l]) {
            REQUIRE(tile.layer == l);
            REQUIRE(tile.first_unit == unit);
            REQUIRE(tile.units > 0);
            REQUIRE(tile.first_input == input);
            REQUIRE(tile.end_input > input);
            input = tile.end(inputs);
            if (input < inputs) {
              REQUIRE(plan.passes == Passes::kPanels);
              continue;
            }
            input = 0;
            unit += tile.units;
          }
          REQUIRE(input == 0);
          REQUIRE(unit == layers[l].units);
        }
      }
    }
  }
}

TEST_CASE("tiles of much work are cut by inputs", "[train]") {
  const Job job = large_tiles();
  const ParameterLayout layout(job.inputs, job.layers);
  const std::size_t threads = GENERATE(1, 2);
  const auto tiles = [&](std::size_t rows) {
    return plan_step(layout, rows, 0, Products::kPanels, threads).tiles[0].size();
  };
  CHECK(tiles(job.rows) == tiles(job.rows / 2) + 1);
}

TEST_CASE("rows of panels are cut into a node for each thread, or more of few rows", "[train]") {
  const ParameterLayout layout(28, std::vector<LayerSpec>{{300, Activation::kTanh}, {1, Activation::kLinear}});
  const auto rows_of_nodes = [&](std::size_t batch, std::size_t rows, std::size_t threads) {
    const StepPlan plan = plan_step(layout, batch, 0, Products::kPanels, threads);
    std::vector<std::size_t> counts;
    std::size_t end = 0, shard = 0;
    for (std::size_t n = 0; n < plan.row_nodes; ++n) {
      const RowRange own = plan.node_rows(n, rows);
      CHECK(own.first == end);
      CHECK(plan.first_shard(n, rows) == shard);
      end += own.count;
      shard = plan.first_shard(n + 1, rows);
      counts.push_back(own.count);
    }
    CHECK(end == rows);
    CHECK(shard == plan.shards);  // those without rows, too
    return counts;
  };
  using Rows = std::vector<std::size_t>;
  CHECK(rows_of_nodes(1024, 1024, 2) == Rows{256, 256, 256, 256});
  CHECK(rows_of_nodes(960, 960, 2) == Rows{224, 256, 224, 256});
  CHECK(rows_of_nodes(480, 480, 2) == Rows{240, 240});
  CHECK(rows_of_nodes(480, 480, 3) == Rows{150, 150, 180});
  CHECK(rows_of_nodes(480, 480, 1) == Rows{240, 240});
  CHECK(rows_of_nodes(240, 240, 1) == Rows{240});
  CHECK(rows_of_nodes(100, 100, 2) == Rows{50, 50});
  CHECK(rows_of_nodes(10, 10, 2) == Rows{10});  // too little work to be spread
  CHECK(rows_of_nodes(65'536, 65'536, 2) == Rows(256, 256));
  CHECK(rows_of_nodes(480, 120, 2) == Rows{60, 60});  // a short last minibatch is shared, too
  CHECK(rows_of_nodes(480, 20, 2) == Rows{0, 20});
}

TEST_CASE("clocks and bare products leave a step's results as they are", "[train][threads]") {
  const Job job = GENERATE(Job{}, clipping_job());
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const auto rule = make_optimizer<float>(job.optimizer);
  const Optimizer<float>& optimizer = *rule;
  const auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const std::size_t threads = GENERATE(1, 2);
  Arena arena(threads);
  TrainingState<float> plain = fresh_state<float>(layout, optimizer), timed = fresh_state<float>(layout, optimizer);
  StepGraph<float> one(network, Loss::kMse, optimizer, plan_with(job, 50, way), plain, arena);
  StepGraph<float> other(network, Loss::kMse, optimizer, plan_with(job, 50, way), timed, arena);
  StepTimes times(other.plan());
  double wall = 0;
  for (std::uint64_t k = 1; k <= 5; ++k) {
    const double expected = one.run(x.view(), y.view(), {0.1, k}, dropout_of(k));
    other.set_times(&times);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(other.run(x.view(), y.view(), {0.1, k}, dropout_of(k)) == expected);
    wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    other.set_times(nullptr);
    other.run_products(x.view());
    CHECK(other.diverged_layer() == -1);
  }
  CHECK(same_bits(plain.parameters, timed.parameters));
  const auto [forward, backward, reducing, update] = times.total();
  CHECK(forward > 0);
  CHECK(backward > 0);
  const bool clips = job.optimizer.clip_grad_norm.has_value();
  CHECK((reducing > 0) == (clips || way.reduction == Reduction::kShardGradients));
  CHECK(update > 0);
  CHECK(forward + backward + reducing + update <= wall * static_cast<double>(threads));
}

namespace {

class CountedPieces final : public SideWork {
 public:
  explicit CountedPieces(std::size_t pieces) : done_(pieces) {}
  [[nodiscard]] bool has_pieces() const noexcept override { return next_ < done_.size(); }
  bool do_piece() noexcept override {
    const std::size_t piece = next_.fetch_add(1);
    if (piece >= done_.size()) return false;
    ++done_[piece];
    return true;
  }
  [[nodiscard]] bool all_done_once() const {
    return std::ranges::all_of(done_, [](int d) { return d == 1; });
  }

 private:
  std::atomic<std::size_t> next_{0};
  std::vector<int> done_;  ///< [piece]: how often
};

}  // namespace

TEST_CASE("a step does side work once, and has the same results", "[train][threads]") {
  const Job job = GENERATE(Job{}, clipping_job());
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const auto rule = make_optimizer<float>(job.optimizer);
  const auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const std::size_t threads = GENERATE(1, 2, 3);
  Arena arena(threads);
  TrainingState<float> plain = fresh_state<float>(layout, *rule), beside = fresh_state<float>(layout, *rule);
  StepGraph<float> one(network, Loss::kMse, *rule, plan_with(job, 50, way), plain, arena);
  StepGraph<float> other(network, Loss::kMse, *rule, plan_with(job, 50, way), beside, arena);
  for (std::uint64_t k = 1; k <= 5; ++k) {
    CountedPieces work(k == 3 ? 0 : 10);
    other.set_side_work(&work);
    CHECK(other.run(x.view(), y.view(), {0.1, k}, dropout_of(k)) ==
          one.run(x.view(), y.view(), {0.1, k}, dropout_of(k)));
    if (way.passes == Passes::kNarrow)
      CHECK((k == 3 || work.has_pieces()));
    else
      CHECK(work.all_done_once());
    CountedPieces more(10);
    other.set_side_work(&more);
    other.run_products(x.view());
    CHECK(more.has_pieces());
  }
  CHECK(same_bits(beside.parameters, plain.parameters));
}

TEST_CASE("a gradient whose norm is no number moves nothing, and the next step is judged anew", "[train][threads]") {
  const Job job = clipping_job();
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const std::size_t threads = GENERATE(1, 2);
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  Config::Optimizer options = job.optimizer;
  if (GENERATE(false, true)) options.clip_grad_value = std::nullopt;
  const auto optimizer = make_optimizer<float>(options);
  TrainingState<float> state = fresh_state<float>(layout, *optimizer);
  Arena arena(threads);
  StepGraph<float> step(network, Loss::kMse, *optimizer, plan_with(job, 50, way), state, arena);
  auto x = random_matrix<float>(job.rows, job.inputs, 1);
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  step.run(x.view(), y.view(), {0.1, 1}, {});
  REQUIRE(step.diverged_layer() == -1);
  const TrainingState<float> good = state;
  // The hidden units of this input saturate at 0 (relu), so that all activations are finite; its weights' gradients
  // are 0 * Inf.
  float* const weights = layout.weight(state.parameters.data(), 0).data;
  for (std::size_t u = 0; u < 64; ++u) weights[u * job.inputs + 7] = -1;
  const AlignedBuffer<float> before = state.parameters;
  x(120, 7) = std::numeric_limits<float>::infinity();
  step.run(x.view(), y.view(), {0.1, 2}, {});
  CHECK(step.diverged_layer() == 0);
  CHECK(same_bits(state.parameters, before));
  x(120, 7) = 0;
  state.parameters = good.parameters;
  step.run(x.view(), y.view(), {0.1, 2}, {});
  CHECK(step.diverged_layer() == -1);
}

TEST_CASE("a state that overflows beside finite parameters is divergence", "[train][threads]") {
  // Gradients of about 1e25, whose squares float32 does not hold.
  const Job job;
  const Way way = GENERATE(from_range(kWays.begin(), kWays.end()));
  const ParameterLayout layout(job.inputs, job.layers);
  const Network<float> network(layout);
  const auto optimizer = make_optimizer<float>(adam());
  TrainingState<float> state = fresh_state<float>(layout, *optimizer);
  Arena arena(2);
  StepGraph<float> step(network, Loss::kHuber, *optimizer, plan_with(job, 50, way), state, arena);
  auto x = random_matrix<float>(job.rows, job.inputs, 1);
  for (std::size_t r = 0; r < job.rows; ++r) x(r, 7) *= 1e25F;
  for (std::size_t u = 0; u < 64; ++u) layout.weight(state.parameters.data(), 0).data[u * job.inputs + 7] = 1e-25F;
  const auto y = random_matrix<float>(job.rows, layout.outputs(), 2);
  CHECK(std::isfinite(step.run(x.view(), y.view(), {0.01, 1}, {})));
  CHECK(step.diverged_layer() == 0);
  CHECK(all_finite(state.parameters.data(), layout.size()));
}
