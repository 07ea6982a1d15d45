#include "engine/nn/layer_normalization.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace gradloom;

namespace {

constexpr std::size_t kNormRows = 11, kNormUnits = 37;  // no whole number of vectors
constexpr std::size_t kFirstRow = 2;                    // of the minibatch's rows in a matrix of more

template <class T>
Matrix<T> random_norm_rows(std::uint32_t stream, double mean, double deviation) {
  Matrix<T> m(kNormRows, kNormUnits);
  const CounterRandom random(7, RandomUse::kGenerator, stream);
  for (std::size_t i = 0; i < kNormRows * kNormUnits; ++i)
    m.data()[i] = static_cast<T>(mean + deviation * random.normal(i));
  return m;
}

ParameterLayout layout_of(Normalization kind) {
  return {3, std::vector<LayerSpec>{{kNormUnits, Activation::kRelu, 0, kind}, {1, Activation::kLinear}}};
}

/// A layer of random x, dy, weight and bias, on which all passes are run in shards.
template <class T>
struct Passes {
  Passes(Normalization kind, const std::vector<std::size_t>& shard_rows)
      : layout(layout_of(kind)), parameters(layout.size(), T{0}), y(kNormRows, kNormUnits) {
    const CounterRandom random(8, RandomUse::kGenerator);
    for (std::size_t i = 0; i < layout.size(); ++i) parameters[i] = static_cast<T>(1 + 0.3 * random.normal(i));
    before = parameters;
    LayerNormalization<T> norm(layout.layer(0), kNormRows + kFirstRow, shard_rows.size());
    const auto for_shards = [&](const auto& use) {
      std::size_t first = 0;
      for (std::size_t s = 0; s < shard_rows.size(); ++s) {
        use(s, first, shard_rows[s]);
        first += shard_rows[s];
      }
    };
    if (norm.joins_rows()) {
      for_shards([&](std::size_t s, std::size_t first, std::size_t rows) {
        norm.take_moments(s, std::as_const(x).view().row_range(first, rows));
      });
      norm.join_moments(parameters.data());
    }
    for_shards([&](std::size_t s, std::size_t first, std::size_t rows) {
      const MatrixView<const T> own = x.view().row_range(first, rows);
      norm.normalize(parameters.data(), kFirstRow + first, own, y.view().row_range(first, rows));
      norm.take_gradient(s, kFirstRow + first, own, std::as_const(dy).view().row_range(first, rows));
    });
    norm.join_gradient();
    for_shards([&](std::size_t, std::size_t first, std::size_t rows) {
      norm.differentiate(parameters.data(), kFirstRow + first, x.view().row_range(first, rows),
                         dy.view().row_range(first, rows));
    });
    dweight.assign(norm.weight_gradient(), norm.weight_gradient() + kNormUnits);
    dbias.assign(norm.bias_gradient(), norm.bias_gradient() + kNormUnits);
  }

  [[nodiscard]] const LayerLayout& layer() const { return layout.layer(0); }
  [[nodiscard]] double weight(std::size_t u) const { return before[layer().norm_weight_offset + u]; }
  [[nodiscard]] double bias(std::size_t u) const { return before[layer().norm_bias_offset + u]; }

  ParameterLayout layout;
  AlignedBuffer<T> parameters, before;
  Matrix<T> x = random_norm_rows<T>(1, 3, 2), dy = random_norm_rows<T>(2, 0, 1), y;
  std::vector<T> dweight, dbias;
};

/// The naive twin: one group of numbers that are normalized together, written out.
struct Group {
  std::vector<double> x, g;  ///< g: d(loss)/d(normalized x)

  [[nodiscard]] double mean(const std::vector<double>& values) const {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
  [[nodiscard]] double squares() const {
    double sum = 0;
    for (const double v : x) sum += (v - mean(x)) * (v - mean(x));
    return sum;
  }
  [[nodiscard]] double rate() const { return 1 / std::sqrt(squares() / static_cast<double>(x.size()) + 1e-5); }
  [[nodiscard]] double normalized(std::size_t i) const { return (x[i] - mean(x)) * rate(); }
  [[nodiscard]] double derivative(std::size_t i) const {
    std::vector<double> products;
    for (std::size_t k = 0; k < x.size(); ++k) products.push_back(g[k] * normalized(k));
    return rate() * (g[i] - mean(g) - normalized(i) * mean(products));
  }
};

template <class T>
void compare_with_naive(Normalization kind, const std::vector<std::size_t>& shard_rows) {
  const Passes<T> passes(kind, shard_rows);
  const Matrix<T> dy = random_norm_rows<T>(2, 0, 1);
  const bool by_columns = kind == Normalization::kBatchNorm;
  const auto group_of = [&](std::size_t r, std::size_t u) {
    Group group;
    for (std::size_t k = 0; k < (by_columns ? kNormRows : kNormUnits); ++k) {
      const std::size_t row = by_columns ? k : r, unit = by_columns ? u : k;
      group.x.push_back(passes.x(row, unit));
      group.g.push_back(dy(row, unit) * passes.weight(unit));
    }
    return group;
  };
  // Values of about 1 to 5; float32 loses some roundings of x - mean and of each product.
  const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
  std::vector<double> dweight(kNormUnits, 0), dbias(kNormUnits, 0);
  double worst = 0;
  for (std::size_t r = 0; r < kNormRows; ++r)
    for (std::size_t u = 0; u < kNormUnits; ++u) {
      const Group group = group_of(r, u);
      const std::size_t i = by_columns ? r : u;
      const double y = group.normalized(i) * passes.weight(u) + passes.bias(u);
      worst = std::max(worst, std::abs(passes.y(r, u) - y));
      worst = std::max(worst, std::abs(passes.dy(r, u) - group.derivative(i)));
      dweight[u] += dy(r, u) * group.normalized(i);
      dbias[u] += dy(r, u);
    }
  for (std::size_t u = 0; u < kNormUnits; ++u) {
    worst = std::max(worst, std::abs(passes.dweight[u] - dweight[u]) / kNormRows);
    worst = std::max(worst, std::abs(passes.dbias[u] - dbias[u]) / kNormRows);
  }
  CHECK(worst < tolerance);
  if (!by_columns) return;
  for (std::size_t u = 0; u < kNormUnits; ++u) {
    const Group group = group_of(0, u);
    const auto carried_on = [&](std::size_t offset, double value) {
      CHECK(passes.parameters[offset + u] == Approx(0.9 * passes.before[offset + u] + 0.1 * value).epsilon(tolerance));
    };
    carried_on(passes.layer().running_mean_offset, group.mean(group.x));
    carried_on(passes.layer().running_var_offset, group.squares() / (kNormRows - 1));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("normalizations agree with their naive twin, however rows are cut", "[nn]", float, double) {
  const auto kind = GENERATE(Normalization::kBatchNorm, Normalization::kLayerNorm);
  for (const auto& shard_rows :
       std::vector<std::vector<std::size_t>>{{kNormRows}, {4, 4, 3}, {5, 5, 1, 0}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}})
    compare_with_naive<TestType>(kind, shard_rows);
}

TEMPLATE_TEST_CASE("normalizations have the same bits with any vectors", "[nn]", float, double) {
  const auto kind = GENERATE(Normalization::kBatchNorm, Normalization::kLayerNorm);
  std::vector<Passes<TestType>> runs;
  on_every_instruction_set([&] { runs.emplace_back(kind, std::vector<std::size_t>{5, 6}); });
  const auto same = [](const TestType* a, const TestType* b, std::size_t n) {
    return std::memcmp(a, b, n * sizeof(TestType)) == 0;
  };
  for (const auto& run : runs) {
    CHECK(same(run.y.data(), runs[0].y.data(), kNormRows * kNormUnits));
    CHECK(same(run.dy.data(), runs[0].dy.data(), kNormRows * kNormUnits));
    CHECK(same(run.dweight.data(), runs[0].dweight.data(), kNormUnits));
    CHECK(same(run.dbias.data(), runs[0].dbias.data(), kNormUnits));
    CHECK(same(run.parameters.data(), runs[0].parameters.data(), run.parameters.size()));
  }
}

TEST_CASE("moments are right where the mean is a million deviations away", "[nn]") {
  const ParameterLayout layout = layout_of(Normalization::kBatchNorm);
  AlignedBuffer<double> parameters(layout.size(), 0.0);
  LayerNormalization<double> norm(layout.layer(0), 4, 2);
  Matrix<double> x(4, kNormUnits);
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t u = 0; u < kNormUnits; ++u) x(r, u) = 1e6 + static_cast<double>(r);  // variance 5/3
  norm.take_moments(0, std::as_const(x).view().row_range(0, 2));
  norm.take_moments(1, std::as_const(x).view().row_range(2, 2));
  norm.join_moments(parameters.data());
  CHECK(layout.running_var(parameters.data(), 0)[36] == Approx(0.1 * 5 / 3).epsilon(1e-14));
}

TEST_CASE("outside of training a batch-norm goes by its running averages, each row by itself", "[nn]") {
  const ParameterLayout layout = layout_of(Normalization::kBatchNorm);
  const LayerLayout& layer = layout.layer(0);
  AlignedBuffer<double> parameters(layout.size(), 0.0);
  parameters[layer.norm_weight_offset] = 3;
  parameters[layer.norm_bias_offset] = 0.5;
  parameters[layer.running_mean_offset] = 2;
  parameters[layer.running_var_offset] = 4;
  LayerNormalization<double> norm(layer, 1, 0);
  CHECK_FALSE(norm.joins_rows());
  Matrix<double> x(1, kNormUnits, 7.0);
  norm.normalize(parameters.data(), 0, std::as_const(x).view(), x.view());
  CHECK(x(0, 0) == Approx(0.5 + 3 * 5 / std::sqrt(4 + 1e-5)).epsilon(1e-15));
  CHECK(parameters[layer.running_mean_offset] == 2);
}
