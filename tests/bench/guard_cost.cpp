// What the divergence guard costs: the time that the check for NaN and Inf adds to the update, over the time of a step
// of 784-512-256-10 at batch 128 on one thread. The update with the check is the engine's; its twin without is a plain
// loop that the compiler vectorises for this machine. Both run over all parameters in turns; medians are taken.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "engine/core/random.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/optimizer_kernels.hpp"
#include "engine/nn/initializer.hpp"
#include "engine/optim/optimizer.hpp"
#include "engine/train/step_graph.hpp"
#include "gradloom/version.hpp"

namespace {

using namespace gradloom;

constexpr std::size_t kBatch = 128;
constexpr int kRounds = 400;

template <class Work>
double microseconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

__attribute__((noinline)) void update_without_check(float rate, float* __restrict w, const float* __restrict g,
                                                    std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) w[i] = w[i] - rate * g[i];
}

Matrix<float> random_matrix(std::size_t rows, std::size_t cols, std::uint32_t stream) {
  Matrix<float> m(rows, cols);
  const CounterRandom random(1, RandomUse::kGenerator, stream);
  for (std::size_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<float>(random.normal(i));
  return m;
}

}  // namespace

int main() {
  require_safe_platform();
  const std::vector<LayerSpec> layers = {{512, Activation::kRelu}, {256, Activation::kRelu}, {10, Activation::kLinear}};
  const Network<float> network(ParameterLayout(784, layers));
  const std::size_t n = network.layout().size();
  Config config;
  config.optimizer.learning_rate = 1e-3;
  const auto optimizer = make_optimizer<float>(config.optimizer);
  TrainingState<float> state{AlignedBuffer<float>(n), {}};
  initialize(Initializer::kAuto, network.layout(), 1, state.parameters.data());
  Arena arena(1);
  StepGraph<float> step(network, Loss::kMse, *optimizer, plan_step(network.layout(), kBatch, 0, Products::kAuto, 1),
                        state, arena);
  const Matrix<float> x = random_matrix(kBatch, 784, 1), y = random_matrix(kBatch, 10, 2);

  AlignedBuffer<float> gradient(n, 1e-6F);
  const SgdStep<float> rule{1e-3F, 0};
  std::vector<double> steps, checked, unchecked;
  bool finite = true;
  for (int round = 0; round < kRounds; ++round) {
    float* const w = state.parameters.data();
    steps.push_back(microseconds([&] { step.run(x.view(), y.view(), {1e-3, 1}, {}); }));
    finite = finite && step.diverged_layer() < 0;
    const auto with = [&] {
      checked.push_back(
          microseconds([&] { finite = sgd_update<float>(rule, {}, w, gradient.data(), nullptr, n) && finite; }));
    };
    const auto without = [&] {
      unchecked.push_back(microseconds([&] { update_without_check(1e-3F, w, gradient.data(), n); }));
    };
    update_without_check(0, w, gradient.data(), n);  // whoever comes first finds the same caches
    round % 2 == 0 ? with() : without();
    round % 2 == 0 ? without() : with();
  }
  const double cost = median(checked) - median(unchecked);
  std::printf("step %.0f us; update %.1f us with the check, %.1f us without: the guard costs %.2f %% of a step%s\n",
              median(steps), median(checked), median(unchecked), 100 * cost / median(steps),
              finite ? "" : " (diverged)");
  return finite ? 0 : 1;
}
