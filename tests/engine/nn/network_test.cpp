#include "engine/nn/network.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/random.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/nn/initializer.hpp"
#include "engine/nn/loss.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

constexpr std::size_t kProblemRows = 7, kProblemInputs = 4, kProblemOutputs = 3;

LayerSpec layer_of(std::size_t units, Activation f, Slopes slopes) {
  LayerSpec layer{units, f};
  layer.slopes = slopes;
  return layer;
}

/// Two hidden layers of one activation on seven random rows, in float64.
struct Problem {
  Problem(Activation hidden, Activation output, Loss loss_, Slopes slopes = Slopes::kOne)
      : loss(loss_),
        network({kProblemInputs, std::vector<LayerSpec>{layer_of(6, hidden, slopes), layer_of(5, hidden, slopes),
                                                        layer_of(kProblemOutputs, output, slopes)}}),
        parameters(network.layout().size()),
        gradient(network.layout().size(), 0.0),
        workspace(network.layout(), kProblemRows, true),
        x(kProblemRows, kProblemInputs),
        y(kProblemRows, target_columns(loss, kProblemOutputs)) {
    initialize(Initializer::kNormal, network.layout(), 11, parameters.data());
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] *= 0.6;
    for (std::size_t l = 0; l < network.layout().depth(); ++l)  // of either sign
      for (double& slope : network.layout().slope(parameters.data(), l)) slope -= 0.1 * static_cast<double>(next++ % 4);
    const CounterRandom random(12, RandomUse::kGenerator);
    for (std::size_t i = 0; i < kProblemRows * kProblemInputs; ++i) x.data()[i] = random.normal(i);
    for (std::size_t i = 0; i < kProblemRows * y.cols(); ++i)
      y.data()[i] = loss == Loss::kCategoricalCrossEntropy ? static_cast<double>(i % kProblemOutputs)
                    : loss == Loss::kBinaryCrossEntropy    ? static_cast<double>(i % 2)
                                                           : 2 * random.normal(1000 + i);
  }

  [[nodiscard]] double terms() const {
    return static_cast<double>(kProblemRows * loss_terms_per_row(loss, kProblemOutputs));
  }

  double mean_loss() {
    network.forward(parameters.data(), x.view(), workspace, kAll);
    return loss_sum<double>(loss, network.output(workspace, kAll), y.view()) / terms();
  }

  /// Gradients of these rows alone, with the mean over all rows.
  void compute_gradient(RowRange rows) {
    const ParameterLayout& layout = network.layout();
    network.forward(parameters.data(), x.view(), workspace, rows);
    loss_and_delta<double>(loss, network.output(workspace, rows), y.view().row_range(rows.first, rows.count),
                           1 / terms(), workspace.delta.back().view().row_range(rows.first, rows.count));
    network.apply_output_derivative(parameters.data(), workspace, rows);
    for (std::size_t l = layout.depth(); l-- > 0;) {
      network.gradient(l, x.view(), workspace, rows, 0, layout.weight(gradient.data(), l),
                       layout.bias(gradient.data(), l).data());
      if (l > 0) network.backward_delta(parameters.data(), l, workspace, rows);
      if (auto& prelu = workspace.prelu[l]) {
        prelu->join_gradient(kProblemRows);
        std::copy_n(prelu->slope_gradient(), layout.layer(l).slope_count(), layout.slope(gradient.data(), l).data());
      }
    }
  }

  static constexpr RowRange kAll{0, kProblemRows};
  Loss loss;
  Network<double> network;
  AlignedBuffer<double> parameters, gradient;
  Workspace<double> workspace;
  Matrix<double> x, y;
  std::size_t next = 0;
};

/// The largest difference between the gradient and central differences, relative to the largest gradient element.
double gradient_error(Problem& problem) {
  problem.compute_gradient(Problem::kAll);
  // Balances truncation (step² times third derivatives) and rounding (1e-16 / step): about 1e-10 both.
  constexpr double kStep = 1e-5;
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < problem.parameters.size(); ++i) {
    const double kept = problem.parameters[i];
    problem.parameters[i] = kept + kStep;
    const double above = problem.mean_loss();
    problem.parameters[i] = kept - kStep;
    const double below = problem.mean_loss();
    problem.parameters[i] = kept;
    worst = std::max(worst, std::abs((above - below) / (2 * kStep) - problem.gradient[i]));
    largest = std::max(largest, std::abs(problem.gradient[i]));
  }
  REQUIRE(largest > 1e-3);
  return worst / largest;
}

}  // namespace

TEST_CASE("gradients agree with central differences for every activation and loss", "[nn]") {
  const auto activation =
      GENERATE(Activation::kLinear, Activation::kSigmoid, Activation::kTanh, Activation::kRelu, Activation::kLeakyRelu,
               Activation::kElu, Activation::kGelu, Activation::kSilu, Activation::kSoftplus, Activation::kSelu,
               Activation::kMish, Activation::kHardswish, Activation::kSoftsign);
  const auto loss =
      GENERATE(Loss::kMse, Loss::kMae, Loss::kHuber, Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy);
  INFO(to_string(activation) << " " << to_string(loss));
  Problem behind_linear_output(activation, Activation::kLinear, loss);
  CHECK(gradient_error(behind_linear_output) < 1e-6);
  if (is_classification(loss)) return;  // they take logits
  Problem all_the_same(activation, activation, loss);
  CHECK(gradient_error(all_the_same) < 1e-6);
}

TEST_CASE("gradients agree with central differences for learned slopes", "[nn]") {
  const auto slopes = GENERATE(Slopes::kOne, Slopes::kUnits);
  const auto loss =
      GENERATE(Loss::kMse, Loss::kMae, Loss::kHuber, Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy);
  INFO(to_string(slopes) << " " << to_string(loss));
  Problem behind_linear_output(Activation::kPrelu, Activation::kLinear, loss, slopes);
  CHECK(gradient_error(behind_linear_output) < 1e-6);
  if (is_classification(loss)) return;
  Problem all_the_same(Activation::kPrelu, Activation::kPrelu, loss, slopes);
  CHECK(gradient_error(all_the_same) < 1e-6);
}

TEST_CASE("gradients of row ranges add up to the gradient of all rows", "[nn]") {
  const bool learned = GENERATE(false, true);
  Problem problem(learned ? Activation::kPrelu : Activation::kGelu, learned ? Activation::kPrelu : Activation::kSilu,
                  Loss::kMse, Slopes::kUnits);
  problem.compute_gradient({0, 3});
  AlignedBuffer<double> sum = problem.gradient;
  problem.compute_gradient({3, 4});
  add_to(sum.data(), problem.gradient.data(), sum.size());
  problem.compute_gradient(Problem::kAll);
  for (std::size_t i = 0; i < sum.size(); ++i)
    CHECK(sum[i] == Approx(problem.gradient[i]).epsilon(1e-12).margin(1e-15));
}

TEST_CASE("a tile of units has the same gradient as in the whole layer", "[nn]") {
  Problem problem(Activation::kTanh, Activation::kLinear, Loss::kMse);
  problem.compute_gradient(Problem::kAll);
  Matrix<double> dweight(2, 6);
  double dbias[2];
  problem.network.gradient(1, problem.x.view(), problem.workspace, Problem::kAll, 3, dweight.view(), dbias);
  const ParameterLayout& layout = problem.network.layout();
  for (std::size_t u = 0; u < 2; ++u) {
    CHECK(dbias[u] == layout.bias(problem.gradient.data(), 1)[3 + u]);
    for (std::size_t i = 0; i < 6; ++i)
      CHECK(dweight(u, i) == Approx(layout.weight(problem.gradient.data(), 1)(3 + u, i)).epsilon(1e-12).margin(1e-15));
  }
}

TEST_CASE("the forward pass is X W' + b through the activation", "[nn]") {
  const Network<float> network({2, std::vector<LayerSpec>{{2, Activation::kRelu}, {1, Activation::kLinear}}});
  AlignedBuffer<float> parameters(network.layout().size(), 0.0F);
  const MatrixView<float> w = network.layout().weight(parameters.data(), 0);
  w(0, 0) = 1, w(0, 1) = 2, w(1, 0) = -1, w(1, 1) = 0.5F;
  network.layout().bias(parameters.data(), 0)[1] = -10;
  network.layout().weight(parameters.data(), 1)(0, 0) = 3;
  network.layout().weight(parameters.data(), 1)(0, 1) = 100;
  network.layout().bias(parameters.data(), 1)[0] = 0.25F;
  Matrix<float> x(2, 2);
  x(0, 0) = 1, x(0, 1) = 1, x(1, 0) = 2, x(1, 1) = -4;
  Workspace<float> workspace(network.layout(), 2, false);
  network.forward(parameters.data(), x.view(), workspace, {0, 2});
  CHECK(network.output(workspace, {0, 2})(0, 0) == 9.25F);
  CHECK(network.output(workspace, {1, 1})(0, 0) == 0.25F);
}
