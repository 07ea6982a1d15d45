#include "engine/train/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/random.hpp"
#include "support/catch.hpp"

namespace gradloom {
namespace {

Matrix<double> normal_matrix(std::size_t rows, std::size_t cols, std::uint64_t seed, double mean = 0) {
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

double value(const MetricSums& sums, std::string_view name, const std::vector<double>& y_scale = {}) {
  return sums.value(*parse_metric(name), y_scale);
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
  const Matrix<double> y = normal_matrix(1000, 2, 1, mean), p = normal_matrix(1000, 2, 2, mean);
  MetricSums sums(Loss::kMse, 2);
  for (std::size_t first = 0; first < 1000; first += 300) {
    MetricSums block(Loss::kMse, 2);
    const std::size_t rows = std::min<std::size_t>(300, 1000 - first);
    block.add<double>(p.view().row_range(first, rows), y.view().row_range(first, rows));
    sums.merge(block);
  }
  double squared = 0, absolute = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    squared += std::pow(p.data()[i] - y.data()[i], 2);
    absolute += std::abs(p.data()[i] - y.data()[i]);
  }
  // 2000 additions of positive terms: at most 2000 roundings of 1.1e-16 each.
  constexpr double kTolerance = 2000 * 1.2e-16;
  CHECK(sums.rows() == 1000);
  CHECK(sums.loss() == Approx(squared / 2000).epsilon(kTolerance));
  CHECK(value(sums, "rmse") == Approx(std::sqrt(squared / 2000)).epsilon(kTolerance));
  CHECK(value(sums, "mae") == Approx(absolute / 2000).epsilon(kTolerance));
  CHECK(value(sums, "r2") == Approx((naive_r2(p, y, 0) + naive_r2(p, y, 1)) / 2).epsilon(1e-9));
}

TEST_CASE("errors are restored to the target's units, the loss and R² are not touched", "[metrics]") {
  const MetricSums sums = sums_of(Loss::kMae, matrix({{1, 2}, {3, 4}}), matrix({{0, 4}, {1, 3}}));
  const std::vector<double> scale = {10, 100};
  CHECK(sums.loss() == 6.0 / 4);
  CHECK(value(sums, "mae", scale) == (10 + 200 + 20 + 100) / 4.0);
  CHECK(value(sums, "rmse", scale) == Approx(std::sqrt((100 + 40000 + 400 + 10000) / 4.0)));
  CHECK(value(sums, "r2", scale) == value(sums, "r2"));
}

TEST_CASE("R² of a constant target is 1 where it is met and 0 elsewhere; of one row it is NaN", "[metrics]") {
  const Matrix<double> y(700, 1, 0.1);  // 0.1 summed and divided again would not be 0.1
  CHECK(value(sums_of(Loss::kMse, normal_matrix(700, 1, 3), y), "r2") == 0);
  CHECK(value(sums_of(Loss::kMse, y, y), "r2") == 1);
  CHECK(std::isnan(value(sums_of(Loss::kMse, Matrix<double>(1, 1, 2), Matrix<double>(1, 1, 3)), "r2")));
  Matrix<double> broken = normal_matrix(700, 1, 3);
  broken(5, 0) = std::nan("");
  CHECK(std::isnan(value(sums_of(Loss::kMse, broken, y), "r2")));
}

TEST_CASE("the largest error and the pinball loss are the textbook's, over blocks as over all rows", "[metrics]") {
  const Matrix<double> y = normal_matrix(1000, 2, 1), p = normal_matrix(1000, 2, 2);
  const std::vector<double> scale = {3, 0.5};
  std::vector<double> weights(1000);
  for (std::size_t r = 0; r < 1000; ++r) weights[r] = static_cast<double>(r % 3) / 2;
  MetricSums sums(Loss::kMae, 2, true);
  for (std::size_t first = 0; first < 1000; first += 300) {
    MetricSums block(Loss::kMae, 2, true);
    const std::size_t rows = std::min<std::size_t>(300, 1000 - first);
    block.add<double>(p.view().row_range(first, rows), y.view().row_range(first, rows), weights.data() + first);
    sums.merge(block);
  }
  for (const double quantile : {0.0, 0.3, 0.5, 1.0}) {
    double largest = 0, pinball = 0, weight = 0;
    for (std::size_t r = 0; r < 1000; ++r) {
      if (weights[r] == 0) continue;
      weight += weights[r];
      for (std::size_t o = 0; o < 2; ++o) {
        const double over = (y(r, o) - p(r, o)) * scale[o];
        largest = std::max(largest, std::abs(over));
        pinball += weights[r] * std::max(quantile * over, (quantile - 1) * over);
      }
    }
    CHECK(sums.value({MetricKind::kMaxError}, scale) == Approx(largest).epsilon(1e-15));
    CHECK(sums.value({MetricKind::kPinball, quantile}, scale) == Approx(pinball / (2 * weight)).epsilon(1e-12));
  }
  CHECK(value(sums, "pinball") == Approx(value(sums, "mae") / 2).epsilon(1e-13));
  CHECK(value(sums, "mse") == Approx(std::pow(value(sums, "rmse"), 2)).epsilon(1e-14));
}

TEST_CASE("accuracy counts labels", "[metrics]") {
  const MetricSums categorical =
      sums_of(Loss::kCategoricalCrossEntropy, matrix({{0, 2, 1}, {5, 5, 1}, {0, 0, 1}, {-3, -2, -1}}),
              matrix({{1}, {0}, {0}, {2}}));
  CHECK(value(categorical, "accuracy") == 0.75);  // of equal logits the first is taken
  const MetricSums binary =
      sums_of(Loss::kBinaryCrossEntropy, matrix({{1, -1}, {-2, 3}, {0, 5}}), matrix({{1, 1}, {0, 1}, {0, 0}}));
  CHECK(value(binary, "accuracy") == Approx(4.0 / 6).epsilon(1e-15));
}

TEST_CASE("a weight of k is the row k times, and a class's counts in the loss alone", "[metrics]") {
  const Loss loss = GENERATE(Loss::kMse, Loss::kMae, Loss::kBinaryCrossEntropy);
  constexpr std::size_t kDistinct = 200;
  const std::size_t outputs = loss == Loss::kBinaryCrossEntropy ? 1 : 2;
  Matrix<double> y = normal_matrix(kDistinct, outputs, 1, 20);
  const Matrix<double> p = normal_matrix(kDistinct, outputs, 2, loss == Loss::kBinaryCrossEntropy ? 0 : 20);
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
  const MetricSums expected = sums_of(loss, many_p, many_y);
  CHECK(sums.rows() == kDistinct);
  CHECK(sums.loss() == Approx(expected.loss()).epsilon(1e-13));
  if (loss == Loss::kBinaryCrossEntropy) {
    CHECK(value(sums, "accuracy") == Approx(value(expected, "accuracy")).epsilon(1e-13));
    MetricSums of_classes({loss, {1, 4}}, outputs);
    of_classes.add<double>(p.view(), y.view(), weights.data());
    CHECK(value(of_classes, "accuracy") == Approx(value(expected, "accuracy")).epsilon(1e-13));
    for (std::size_t r = 0; r < kDistinct; ++r) weights[r] *= y(r, 0) == 1 ? 4 : 1;
    MetricSums of_products(loss, outputs);
    of_products.add<double>(p.view(), y.view(), weights.data());
    CHECK(of_classes.loss() == of_products.loss());
  } else {
    CHECK(value(sums, "rmse") == Approx(value(expected, "rmse")).epsilon(1e-13));
    CHECK(value(sums, "mae") == Approx(value(expected, "mae")).epsilon(1e-13));
    CHECK(value(sums, "r2") == Approx(value(expected, "r2")).epsilon(1e-12));
  }
}

TEST_CASE("spreads merge as if they had been one stream", "[metrics]") {
  const Matrix<double> values = normal_matrix(100, 1, 4, 50);
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
