#include "engine/train/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/random.hpp"
#include "support/catch.hpp"

namespace gradloom {
namespace {

Matrix<double> random_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed, double mean = 0) {
  const CounterRandom random(seed, RandomUse::kGenerator);
  Matrix<double> m(rows, cols);
  for (std::size_t i = 0; i < rows * cols; ++i) m.data()[i] = mean + random.normal(i);
  return m;
}

// Textbook two-pass R² of one output, in long double.
double naive_r2(const Matrix<double>& p, const Matrix<double>& y, std::size_t o) {
  long double mean = 0, errors = 0, deviations = 0;
  for (std::size_t r = 0; r < y.rows(); ++r) mean += y(r, o);
  mean /= static_cast<long double>(y.rows());
  for (std::size_t r = 0; r < y.rows(); ++r) {
    errors += (p(r, o) - static_cast<long double>(y(r, o))) * (p(r, o) - static_cast<long double>(y(r, o)));
    deviations += (y(r, o) - mean) * (y(r, o) - mean);
  }
  return static_cast<double>(1 - errors / deviations);
}

MetricSums sums_of(Loss loss, const Matrix<double>& p, const Matrix<double>& y) {
  MetricSums sums(loss, p.cols());
  sums.add<double>(p.view(), y.view());
  return sums;
}

// A matrix from its rows.
template <std::size_t R, std::size_t C>
Matrix<double> matrix(const double (&values)[R][C]) {
  Matrix<double> m(R, C);
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t c = 0; c < C; ++c) m(r, c) = values[r][c];
  return m;
}

}  // namespace

TEST_CASE("regression metrics are the textbook's, over blocks as over all rows", "[metrics]") {
  // A mean of 1e6 loses 12 digits of a variance that is computed as E[y²] - E[y]².
  const double mean = GENERATE(0.0, 1e6);
  const Matrix<double> y = random_matrix(1000, 2, 1, mean), p = random_matrix(1000, 2, 2, mean);
  MetricSums sums(Loss::kMse, 2);
  for (std::size_t first = 0; first < 1000; first += 300) {
    MetricSums block(Loss::kMse, 2);
    const std::size_t rows = std::min<std::size_t>(300, 1000 - first);
    block.add<double>(p.view().row_range(first, rows), y.view().row_range(first, rows));
    sums.merge(block);
  }
  const Metrics m = sums.metrics({});
  double squared = 0, absolute = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    squared += std::pow(p.data()[i] - y.data()[i], 2);
    absolute += std::abs(p.data()[i] - y.data()[i]);
  }
  // 2000 additions of positive terms: at most 2000 roundings of 1.1e-16 each.
  constexpr double kTolerance = 2000 * 1.2e-16;
  CHECK(m.rows == 1000);
  CHECK(m.loss == Approx(squared / 2000).epsilon(kTolerance));
  CHECK(*m.rmse == Approx(std::sqrt(squared / 2000)).epsilon(kTolerance));
  CHECK(*m.mae == Approx(absolute / 2000).epsilon(kTolerance));
  CHECK(*m.r2 == Approx((naive_r2(p, y, 0) + naive_r2(p, y, 1)) / 2).epsilon(1e-9));
  CHECK_FALSE(m.accuracy);
}

TEST_CASE("errors are restored to the target's units, the loss and R² are not touched", "[metrics]") {
  const MetricSums sums = sums_of(Loss::kMae, matrix({{1, 2}, {3, 4}}), matrix({{0, 4}, {1, 3}}));
  const Metrics plain = sums.metrics({}), scaled = sums.metrics({10, 100});
  CHECK(plain.loss == 6.0 / 4);
  CHECK(scaled.loss == plain.loss);
  CHECK(*scaled.mae == (10 + 200 + 20 + 100) / 4.0);
  CHECK(*scaled.rmse == Approx(std::sqrt((100 + 40000 + 400 + 10000) / 4.0)));
  CHECK(*scaled.r2 == *plain.r2);
}

TEST_CASE("a constant target has no R²", "[metrics]") {
  Matrix<double> y(700, 1, 0.1);  // 0.1 summed and divided again would not be 0.1
  const Metrics m = sums_of(Loss::kMse, random_matrix(700, 1, 3), y).metrics({});
  CHECK(std::isnan(*m.r2));
  CHECK(std::isfinite(*m.rmse));
}

TEST_CASE("accuracy counts labels", "[metrics]") {
  const Metrics categorical =
      sums_of(Loss::kCategoricalCrossEntropy, matrix({{0, 2, 1}, {5, 5, 1}, {0, 0, 1}, {-3, -2, -1}}),
              matrix({{1}, {0}, {0}, {2}}))
          .metrics({});
  CHECK(*categorical.accuracy == 0.75);  // of equal logits the first is taken
  CHECK_FALSE(categorical.rmse);
  const Metrics binary =
      sums_of(Loss::kBinaryCrossEntropy, matrix({{1, -1}, {-2, 3}, {0, 5}}), matrix({{1, 1}, {0, 1}, {0, 0}}))
          .metrics({});
  CHECK(*binary.accuracy == Approx(4.0 / 6).epsilon(1e-15));
}

TEST_CASE("a weight of k is the row k times, and a class's counts in the loss alone", "[metrics]") {
  const Loss loss = GENERATE(Loss::kMse, Loss::kMae, Loss::kBinaryCrossEntropy);
  constexpr std::size_t kDistinct = 200;
  const std::size_t outputs = loss == Loss::kBinaryCrossEntropy ? 1 : 2;
  Matrix<double> y = random_matrix(kDistinct, outputs, 1, 20);
  const Matrix<double> p = random_matrix(kDistinct, outputs, 2, loss == Loss::kBinaryCrossEntropy ? 0 : 20);
  std::vector<double> weights(kDistinct);
  std::vector<std::size_t> repeated;
  for (std::size_t r = 0; r < kDistinct; ++r) {
    if (loss == Loss::kBinaryCrossEntropy) y(r, 0) = r % 3 == 0 ? 1 : 0;
    weights[r] = static_cast<double>(r % 4);
    repeated.insert(repeated.end(), r % 4, r);
  }
  Matrix<double> many_p(repeated.size(), outputs), many_y(repeated.size(), outputs);
  for (std::size_t i = 0; i < repeated.size(); ++i)
    for (std::size_t o = 0; o < outputs; ++o) {
      many_p(i, o) = p(repeated[i], o);
      many_y(i, o) = y(repeated[i], o);
    }
  MetricSums sums(loss, outputs);
  for (std::size_t first = 0; first < kDistinct; first += 70) {
    MetricSums block(loss, outputs);
    const std::size_t rows = std::min<std::size_t>(70, kDistinct - first);
    block.add<double>(p.view().row_range(first, rows), y.view().row_range(first, rows), weights.data() + first);
    sums.merge(block);
  }
  CHECK(sums.weight() == static_cast<double>(repeated.size()));
  const Metrics weighted = sums.metrics({}), expected = sums_of(loss, many_p, many_y).metrics({});
  CHECK(weighted.rows == kDistinct);
  CHECK(weighted.loss == Approx(expected.loss).epsilon(1e-13));
  if (loss == Loss::kBinaryCrossEntropy) {
    CHECK(*weighted.accuracy == Approx(*expected.accuracy).epsilon(1e-13));
    MetricSums of_classes({loss, {1, 4}}, outputs);
    of_classes.add<double>(p.view(), y.view(), weights.data());
    CHECK(*of_classes.metrics({}).accuracy == Approx(*expected.accuracy).epsilon(1e-13));
    for (std::size_t r = 0; r < kDistinct; ++r) weights[r] *= y(r, 0) == 1 ? 4 : 1;
    MetricSums of_products(loss, outputs);
    of_products.add<double>(p.view(), y.view(), weights.data());
    CHECK(of_classes.metrics({}).loss == of_products.metrics({}).loss);
  } else {
    CHECK(*weighted.rmse == Approx(*expected.rmse).epsilon(1e-13));
    CHECK(*weighted.mae == Approx(*expected.mae).epsilon(1e-13));
    CHECK(*weighted.r2 == Approx(*expected.r2).epsilon(1e-12));
  }
}

TEST_CASE("spreads merge as if they had been one stream", "[metrics]") {
  const Matrix<double> values = random_matrix(100, 1, 4, 50);
  Spread whole, left, right;
  for (std::size_t i = 0; i < 100; ++i) {
    whole.add(values.data()[i]);
    (i < 30 ? left : right).add(values.data()[i]);
  }
  left.merge(right);
  left.merge({});
  CHECK(left.count == 100);
  CHECK(left.mean == Approx(whole.mean).epsilon(1e-14));
  CHECK(left.squares == Approx(whole.squares).epsilon(1e-13));
  Spread empty;
  empty.merge(whole);
  CHECK(empty.squares == whole.squares);
}

}  // namespace gradloom
