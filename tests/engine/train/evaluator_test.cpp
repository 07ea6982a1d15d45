#include "engine/train/evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "engine/core/random.hpp"
#include "engine/linalg/blas.hpp"
#include "support/catch.hpp"

namespace gradloom {
namespace {

struct NetworkCase {
  Network<double> network;
  AlignedBuffer<double> parameters;
  Dataset<double> data;
};

// A 3-5-2 tanh network and rows that fill two blocks and a part of a third; targets near its outputs.
NetworkCase make_network_case() {
  require_safe_blas();
  const std::vector<LayerSpec> layers = {{5, Activation::kTanh}, {2, Activation::kLinear}};
  NetworkCase c{Network<double>(ParameterLayout(3, layers)), {}, {}};
  const CounterRandom random(7, RandomUse::kGenerator);
  c.parameters = AlignedBuffer<double>(c.network.layout().size());
  for (std::size_t i = 0; i < c.parameters.size(); ++i) c.parameters[i] = random.normal(i);
  const std::size_t rows = 2 * evaluation_block_rows(3) + 77;
  c.data.x = Matrix<double>(rows, 3);
  c.data.y = Matrix<double>(rows, 2);
  for (std::size_t i = 0; i < rows * 3; ++i) c.data.x.data()[i] = random.normal(1000 + i);
  for (std::size_t i = 0; i < rows * 2; ++i) c.data.y.data()[i] = random.normal(100000 + i);
  return c;
}

// One row's outputs by loops over the definition.
std::vector<double> naive_outputs(const NetworkCase& c, std::size_t row) {
  std::vector<double> a(c.data.x.row(row).begin(), c.data.x.row(row).end());
  for (std::size_t l = 0; l < 2; ++l) {
    const auto weight = c.network.layout().weight(c.parameters.data(), l);
    const auto bias = c.network.layout().bias(c.parameters.data(), l);
    std::vector<double> next(weight.rows);
    for (std::size_t u = 0; u < weight.rows; ++u) {
      double z = bias[u];
      for (std::size_t i = 0; i < weight.cols; ++i) z += weight(u, i) * a[i];
      next[u] = l == 0 ? std::tanh(z) : z;
    }
    a = next;
  }
  return a;
}

Matrix<double> predict(const NetworkCase& c, Loss loss, const Standardization& s, std::size_t threads) {
  Arena arena(threads);
  return predict_rows<double>(c.network, c.parameters.data(), loss, s, c.data.x.view(), arena);
}

}  // namespace

TEST_CASE("predictions are the network's outputs in the target's units", "[evaluator][threads]") {
  const NetworkCase c = make_network_case();
  const Standardization s{{}, {}, {10, -1}, {2, 0.5}};
  const Matrix<double> plain = predict(c, Loss::kMse, {}, 2), restored = predict(c, Loss::kMse, s, 2);
  double difference = 0;
  for (std::size_t r = 0; r < c.data.rows(); ++r) {
    const std::vector<double> expected = naive_outputs(c, r);
    for (std::size_t o = 0; o < 2; ++o) {
      difference = std::max(difference, std::abs(plain(r, o) - expected[o]));
      difference = std::max(difference, std::abs(restored(r, o) - (expected[o] * s.y_scale[o] + s.y_mean[o])));
    }
  }
  CHECK(difference < 1e-13);  // about ten operations on numbers of size 10
}

TEST_CASE("cross-entropies predict probabilities", "[evaluator][threads]") {
  const NetworkCase c = make_network_case();
  const Matrix<double> categorical = predict(c, Loss::kCategoricalCrossEntropy, {}, 1);
  const Matrix<double> binary = predict(c, Loss::kBinaryCrossEntropy, {}, 1);
  const Matrix<double> logits = predict(c, Loss::kMse, {}, 1);
  double difference = 0;
  for (std::size_t r = 0; r < c.data.rows(); ++r) {
    difference = std::max(difference, std::abs(categorical(r, 0) + categorical(r, 1) - 1));
    difference = std::max(difference, std::abs(categorical(r, 1) - 1 / (1 + std::exp(logits(r, 0) - logits(r, 1)))));
    difference = std::max(difference, std::abs(binary(r, 0) - 1 / (1 + std::exp(-logits(r, 0)))));
  }
  CHECK(difference < 1e-14);
}

TEST_CASE("loss and metrics are those of all rows at once", "[evaluator][threads]") {
  const NetworkCase c = make_network_case();
  const Standardization s{{}, {}, {10, -1}, {2, 0.5}};
  Arena arena(2);
  const Metrics m =
      evaluate_rows<double>(c.network, c.parameters.data(), Loss::kMse, s, c.data, arena, {usual_metrics(Loss::kMse)});
  double loss = 0, absolute = 0;
  for (std::size_t r = 0; r < c.data.rows(); ++r)
    for (std::size_t o = 0; o < 2; ++o) {
      const double error = naive_outputs(c, r)[o] - c.data.y(r, o);
      loss += error * error;
      absolute += std::abs(error) * s.y_scale[o];
    }
  const auto terms = static_cast<double>(2 * c.data.rows());
  CHECK(m.rows == c.data.rows());
  CHECK(m.loss == Approx(loss / terms).epsilon(1e-12));
  CHECK(*m.value("mae") == Approx(absolute / terms).epsilon(1e-12));
}

TEST_CASE("every metric has the same bits for any threads, whatever is left to a file", "[evaluator][threads]") {
  const Loss loss = GENERATE(Loss::kMse, Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy);
  NetworkCase c = make_network_case();
  const std::size_t columns = loss == Loss::kCategoricalCrossEntropy ? 1 : 2;
  if (is_classification(loss)) c.data.y = Matrix<double>(c.data.rows(), columns);
  for (std::size_t i = 0; is_classification(loss) && i < c.data.rows() * columns; ++i) c.data.y.data()[i] = i % 3 == 0;
  c.data.weights.assign(c.data.rows(), 1.0 / 3);
  std::vector<Metrics> metrics;
  for (const std::size_t threads : {1, 2, 4}) {
    Arena arena(threads);
    const MetricPlan plan{all_metrics(loss, 2), true, threads == 2 ? 1ULL : 1ULL << 20};
    metrics.push_back(evaluate_rows<double>(c.network, c.parameters.data(), loss, {}, c.data, arena, plan));
    CHECK(metrics.back().values == metrics.front().values);
    CHECK(metrics.back().classes.size() == (is_classification(loss) ? 2 : 0));
    CHECK(metrics.back().confusions.size() == (loss == Loss::kCategoricalCrossEntropy ? 4 : 0));
  }
}

TEST_CASE("one, two and four threads give the same bits", "[evaluator][threads]") {
  const NetworkCase c = make_network_case();
  std::vector<Metrics> metrics;
  std::vector<Matrix<double>> predictions;
  for (const std::size_t threads : {1, 2, 4}) {
    Arena arena(threads);
    metrics.push_back(evaluate_rows<double>(c.network, c.parameters.data(), Loss::kMse, {}, c.data, arena,
                                            {usual_metrics(Loss::kMse)}));
    predictions.push_back(predict(c, Loss::kMse, {}, threads));
  }
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(metrics[i].loss == metrics[0].loss);
    CHECK(*metrics[i].value("rmse") == *metrics[0].value("rmse"));
    CHECK(*metrics[i].value("mae") == *metrics[0].value("mae"));
    CHECK(*metrics[i].value("r2") == *metrics[0].value("r2"));
    CHECK(std::equal(predictions[0].data(), predictions[0].data() + 2 * c.data.rows(), predictions[i].data()));
  }
}

}  // namespace gradloom
