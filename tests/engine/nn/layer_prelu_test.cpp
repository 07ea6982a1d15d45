#include "engine/nn/layer_prelu.hpp"

#include <algorithm>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

constexpr std::size_t kPreluRows = 11, kPreluUnits = 6;

ParameterLayout layout_of(Slopes slopes) {
  LayerSpec hidden{kPreluUnits, Activation::kPrelu};
  hidden.slopes = slopes;
  return {3, std::vector<LayerSpec>{hidden, {1, Activation::kLinear}}};
}

Matrix<double> random_prelu_rows(std::uint32_t stream) {
  Matrix<double> m(kPreluRows, kPreluUnits);
  const CounterRandom random(7, RandomUse::kGenerator, stream);
  for (std::size_t i = 0; i < kPreluRows * kPreluUnits; ++i) m.data()[i] = random.normal(i);
  return m;
}

/// What a layer's slopes get from the first `rows` rows of a minibatch, in pieces of so many rows.
std::vector<double> slope_gradient(LayerPrelu<double>& prelu, const ParameterLayout& layout, std::size_t rows,
                                   std::size_t piece) {
  const AlignedBuffer<double> parameters(layout.size(), 0.3);
  const Matrix<double> z = random_prelu_rows(1);
  Matrix<double> dy = random_prelu_rows(2);
  for (std::size_t first = 0; first < rows; first += piece) {
    const std::size_t count = std::min(piece, rows - first);
    prelu.differentiate(parameters.data(), first, z.view().row_range(first, count), dy.view().row_range(first, count));
  }
  prelu.join_gradient(rows);
  return {prelu.slope_gradient(), prelu.slope_gradient() + layout.layer(0).slope_count()};
}

/// Sums of shards of so many rows, joined in their order, written out; of all units where they share a slope.
std::vector<double> naive_gradient(Slopes slopes, std::size_t rows, std::size_t shard_rows) {
  const Matrix<double> z = random_prelu_rows(1), dy = random_prelu_rows(2);
  std::vector<double> sums(kPreluUnits, 0.0);
  for (std::size_t first = 0; first < rows; first += shard_rows)
    for (std::size_t u = 0; u < kPreluUnits; ++u) {
      double own = 0;
      for (std::size_t r = first; r < std::min(rows, first + shard_rows); ++r) own += std::min(0.0, z(r, u)) * dy(r, u);
      sums[u] += own;
    }
  if (slopes == Slopes::kUnits) return sums;
  double all = 0;
  for (const double sum : sums) all += sum;
  return {all};
}

}  // namespace

TEST_CASE("the gradient of slopes is that of its naive twin, in the order of shards", "[nn]") {
  const auto slopes = GENERATE(Slopes::kOne, Slopes::kUnits);
  const ParameterLayout layout = layout_of(slopes);
  for (const std::size_t shard_rows : {1, 4, 5, 11, 100}) {
    LayerPrelu<double> prelu(layout.layer(0), kPreluRows, shard_rows);
    // Whole shards, some at once; then a smaller minibatch, which leaves shards without rows.
    for (const std::size_t rows : {kPreluRows, std::size_t{3}, kPreluRows})
      for (const std::size_t piece : {shard_rows, 3 * shard_rows, std::size_t{1000}}) {
        CAPTURE(shard_rows, rows, piece);
        CHECK(slope_gradient(prelu, layout, rows, piece) == naive_gradient(slopes, rows, shard_rows));
      }
  }
}

TEST_CASE("each unit has the slope that it learned, or that of its layer", "[nn]") {
  const auto slopes = GENERATE(Slopes::kOne, Slopes::kUnits);
  const ParameterLayout layout = layout_of(slopes);
  AlignedBuffer<double> parameters(layout.size(), 0.0);
  double next = 1;
  for (double& slope : layout.slope(parameters.data(), 0)) slope = next++;
  const LayerPrelu<double> prelu(layout.layer(0), 1, 0);
  Matrix<double> z(1, kPreluUnits, -2.0), y(1, kPreluUnits);
  z(0, 5) = 2;
  prelu.activate(parameters.data(), z.view(), y.view());
  for (std::size_t u = 0; u < 5; ++u)
    CHECK(y(0, u) == (slopes == Slopes::kOne ? -2.0 : -2.0 * static_cast<double>(1 + u)));
  CHECK(y(0, 5) == 2);
}
