// Exact numbers of five small networks, computed independently in float64: tests/oracle/*.json.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/nn/loss.hpp"
#include "engine/nn/network.hpp"
#include "engine/optim/sgd.hpp"
#include "support/catch.hpp"

using namespace gradloom;
using nlohmann::json;

namespace {

json read_oracle(const std::string& name) {
  std::ifstream file(std::string(GRADLOOM_TESTS_DIR) + "/oracle/" + name + ".json");
  REQUIRE(file.good());
  return json::parse(file);
}

Matrix<double> to_matrix(const json& rows) {
  Matrix<double> m(rows.size(), rows.at(0).size());
  for (std::size_t r = 0; r < m.rows(); ++r)
    for (std::size_t c = 0; c < m.cols(); ++c) m(r, c) = rows[r][c].get<double>();
  return m;
}

Loss to_loss(const std::string& name) {
  static const std::map<std::string, Loss> kNames = {{"mse", Loss::kMse},
                                                     {"mae", Loss::kMae},
                                                     {"bce", Loss::kBinaryCrossEntropy},
                                                     {"cce", Loss::kCategoricalCrossEntropy}};
  return kNames.at(name);
}

ParameterLayout to_layout(const json& oracle) {
  std::vector<LayerSpec> layers;
  for (std::size_t l = 0; l < oracle["activations"].size(); ++l)
    layers.push_back({oracle["sizes"][l + 1].get<std::size_t>(),
                      from_string<Activation>(oracle["activations"][l].get<std::string>()).value()});
  return {oracle["sizes"][0].get<std::size_t>(), layers};
}

AlignedBuffer<double> to_block(const ParameterLayout& layout, const json& weights, const json& biases) {
  AlignedBuffer<double> block(layout.size(), 0.0);
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const MatrixView<double> weight = layout.weight(block.data(), l);
    for (std::size_t u = 0; u < weight.rows; ++u) {
      for (std::size_t i = 0; i < weight.cols; ++i) weight(u, i) = weights[l][u][i].get<double>();
      layout.bias(block.data(), l)[u] = biases[l][u].get<double>();
    }
  }
  return block;
}

/// The largest |a - b| / max(1, |b|).
double distance(const AlignedBuffer<double>& a, const AlignedBuffer<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
    largest = d > largest || std::isnan(d) ? d : largest;
  }
  return largest;
}

/// Full-batch training of an oracle's network.
struct Training {
  explicit Training(const json& oracle)
      : loss(to_loss(oracle["loss"])),
        network(to_layout(oracle)),
        x(to_matrix(oracle["x"])),
        y(to_matrix(oracle["y"])),
        parameters(to_block(network.layout(), oracle["weights"], oracle["biases"])),
        gradient(network.layout().size(), 0.0),
        workspace(network.layout(), x.rows(), true) {}

  /// Fills output and gradient; returns the mean loss.
  double compute() {
    const RowRange all{0, x.rows()};
    const ParameterLayout& layout = network.layout();
    const auto terms = static_cast<double>(x.rows() * loss_terms_per_row(loss, layout.outputs()));
    network.forward(parameters.data(), x.view(), workspace, all);
    const double sum = loss_and_delta<double>(loss, network.output(workspace, all), y.view(), 1 / terms,
                                              workspace.delta.back().view());
    network.apply_output_derivative(parameters.data(), workspace, all);
    for (std::size_t l = layout.depth(); l-- > 0;) {
      network.gradient(l, x.view(), workspace, all, 0, layout.weight(gradient.data(), l),
                       layout.bias(gradient.data(), l).data());
      if (l > 0) network.backward_delta(parameters.data(), l, workspace, all);
    }
    return sum / terms;
  }

  Loss loss;
  Network<double> network;
  Matrix<double> x, y;
  AlignedBuffer<double> parameters, gradient;
  Workspace<double> workspace;
};

}  // namespace

TEST_CASE("networks reproduce the oracle's losses, outputs and gradients", "[nn][oracle]") {
  const auto name = GENERATE(as<std::string>{}, "figure_1a", "regression_net", "binary_cross_entropy",
                             "categorical_cross_entropy", "mean_absolute_error");
  INFO(name);
  const json oracle = read_oracle(name);
  Training training(oracle);
  CHECK(std::abs(training.compute() - oracle["loss_value"].get<double>()) < 1e-12);
  const Matrix<double> output = to_matrix(oracle["output"]);
  for (std::size_t r = 0; r < output.rows(); ++r)
    for (std::size_t c = 0; c < output.cols(); ++c)
      CHECK(std::abs(training.workspace.activation.back()(r, c) - output(r, c)) < 1e-12);
  const auto gradient = to_block(training.network.layout(), oracle["weight_gradients"], oracle["bias_gradients"]);
  CHECK(distance(training.gradient, gradient) < 1e-12);
}

TEST_CASE("full-batch SGD reproduces the oracle's parameters after 1, 10 and 100 steps", "[nn][optim][oracle]") {
  const auto name = GENERATE(as<std::string>{}, "figure_1a", "regression_net", "binary_cross_entropy",
                             "categorical_cross_entropy", "mean_absolute_error");
  const json oracle = read_oracle(name);
  Training training(oracle);
  const Sgd<double> sgd(Config::Optimizer{});
  UpdateContext context{oracle["learning_rate"].get<double>(), 1};
  for (; context.step <= 100; ++context.step) {
    training.compute();
    REQUIRE(sgd.update(context, training.parameters.data(), training.gradient.data(), {}, training.parameters.size()));
    const std::string key = fmt::format("after_{}", context.step);
    if (!oracle.contains(key)) continue;
    INFO(name << " " << key);
    const auto expected = to_block(training.network.layout(), oracle[key]["weights"], oracle[key]["biases"]);
    CHECK(distance(training.parameters, expected) < 1e-11);
  }
}
