#include "engine/data/statistics.hpp"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <functional>
#include <memory>

#include "engine/core/random.hpp"
#include "engine/data/prepare.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/same_bits.hpp"
#include "support/special_numbers.hpp"

namespace gradloom {
namespace {

using testing::kInf;
using testing::kNaN;
using testing::same_bits;

using Rational = boost::multiprecision::cpp_rational;
using Long = boost::multiprecision::cpp_bin_float_100;

constexpr double kUlp = std::numeric_limits<double>::epsilon();

// By whole numbers of any length: no rounding before the last.
struct Exact {
  double mean, deviation, magnitude;

  template <class T>
  explicit Exact(const std::vector<T>& values) {
    Rational sum = 0, squares = 0, largest = 0;
    for (const T value : values) {
      sum += Rational(value);
      largest = std::max<Rational>(largest, abs(Rational(value)));
    }
    const Rational average = sum / values.size();
    for (const T value : values) squares += (Rational(value) - average) * (Rational(value) - average);
    mean = static_cast<double>(Long(average));
    deviation = static_cast<double>(sqrt(Long(Rational(squares / values.size()))));
    magnitude = static_cast<double>(Long(largest));
  }
};

// Where terms cancel, the mean is right to about 2^-100 of their magnitude.
void check_column(const Statistics& s, std::size_t column, const Exact& exact) {
  const double tiny = std::numeric_limits<double>::denorm_min();
  CHECK(std::abs(s.mean[column] - exact.mean) <= kUlp / 2 * std::abs(exact.mean) + 0x1p-98 * exact.magnitude + tiny);
  CHECK(std::abs(s.deviation[column] - exact.deviation) <= 3 * kUlp * exact.deviation + tiny);
}

using Draw = std::function<double(std::uint64_t)>;

CounterRandom numbers(std::uint64_t seed) { return {seed, RandomUse::kShuffle}; }

// Columns that sums are known to suffer from.
std::vector<Draw> hard_columns(std::uint64_t seed) {
  const CounterRandom random = numbers(seed);
  const auto uniform = [=](std::uint64_t i) { return random.uniform(i); };
  return {
      uniform,
      [=](std::uint64_t i) { return 1e9 + uniform(i); },
      [=](std::uint64_t i) { return -1e15 + std::floor(10 * uniform(i)); },
      [](std::uint64_t) { return 0.1; },
      [=](std::uint64_t i) { return i == 3 ? std::nextafter(0.1, 1) : 0.1; },
      [=](std::uint64_t i) { return i % 2 == 0 ? 1e30 * uniform(i) : -1e30 * uniform(i - 1); },  // cancel in pairs
      [=](std::uint64_t i) { return std::ldexp(uniform(i) - 0.5, static_cast<int>(i * 37 % 120) - 60); },
      [=](std::uint64_t i) { return 1e-200 * uniform(i); },  // whose squares are no numbers any more
      [=](std::uint64_t i) { return 1e280 * (uniform(i) - 0.5); },
      [=](std::uint64_t i) { return std::ldexp(std::floor(50 * uniform(i)), -1074); },
      [=](std::uint64_t i) { return uniform(i) < 0.3 ? 1.0 : 0.0; },
      [=](std::uint64_t i) { return i < 40 ? 1e-250 * uniform(i) : 1e200 * uniform(i); },
      [=](std::uint64_t i) { return i < 40 ? 1e200 * uniform(i) : 1e-250 * uniform(i); },
  };
}

template <class T>
Matrix<T> drawn(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  const std::vector<Draw> draws = hard_columns(seed);
  Matrix<T> matrix(rows, cols);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) {
      const double value = draws[(seed + c) % draws.size()](r);
      matrix(r, c) = std::abs(value) < std::numeric_limits<T>::max() ? static_cast<T>(value) : T(7);
    }
  return matrix;
}

template <class T>
std::vector<T> column_of(MatrixView<const T> rows, std::size_t column) {
  std::vector<T> values;
  for (std::size_t r = 0; r < rows.rows; ++r) values.push_back(rows(r, column));
  return values;
}

template <class T>
Statistics sequential(const Matrix<T>& rows) {
  return statistics_of(rows.view(), {}, nullptr);
}

bool same_bits(const Statistics& a, const Statistics& b) {
  return same_bits(a.count, b.count) && same_bits(a.missing, b.missing) && same_bits(a.infinite, b.infinite) &&
         same_bits(a.min, b.min) && same_bits(a.max, b.max) && same_bits(a.min_low, b.min_low) &&
         same_bits(a.max_low, b.max_low) && same_bits(a.mean, b.mean) && same_bits(a.deviation, b.deviation);
}

template <class T>
void check_exact(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  CAPTURE(rows, cols, seed, sizeof(T));
  const Matrix<T> matrix = drawn<T>(rows, cols, seed);
  const Statistics s = sequential(matrix);
  REQUIRE(s.columns() == cols);
  for (std::size_t c = 0; c < cols; ++c) {
    CAPTURE(c);
    const std::vector<T> values = column_of(matrix.view(), c);
    CHECK(s.count[c] == static_cast<double>(rows));
    CHECK(s.min[c] == *std::min_element(values.begin(), values.end()));
    CHECK(s.max[c] == *std::max_element(values.begin(), values.end()));
    check_column(s, c, Exact(values));
  }
}

TEST_CASE("statistics are those of whole numbers of any length", "[statistics][slow]") {
  const std::size_t rows = GENERATE(1U, 2U, 31U, 33U, 100U, 1024U, 1030U);
  const std::size_t cols = GENERATE(1U, 3U, 16U, 17U, 40U);
  check_exact<float>(rows, cols, rows + cols);
  check_exact<double>(rows, cols, 7 * rows + cols);
}

TEST_CASE("statistics over many blocks are exact", "[statistics]") {
  constexpr std::uint64_t kRows = 300'000;
  Matrix<double> matrix(kRows, 2);
  std::vector<std::int64_t> small;
  for (std::uint64_t r = 0; r < kRows; ++r) {
    small.push_back(static_cast<std::int64_t>(r * 2654435761U % (1U << 20)));
    matrix(r, 0) = 1e9 + std::ldexp(static_cast<double>(small[r]), -20);
    matrix(r, 1) = -0.1;
  }
  std::int64_t sum = 0;
  boost::multiprecision::cpp_int squares = 0;
  for (const std::int64_t value : small) {
    sum += value;
    squares += value * value;
  }
  const Rational mean(sum, kRows);
  const Rational variance = Rational(squares) / kRows - mean * mean;
  const Statistics s = sequential(matrix);
  CHECK(s.mean[0] == static_cast<double>(Long(Rational(1'000'000'000 + mean / (1 << 20)))));
  const auto deviation = static_cast<double>(sqrt(Long(variance)) / (1 << 20));
  CHECK(std::abs(s.deviation[0] - deviation) <= 2 * kUlp * deviation);
  CHECK(s.mean[1] == -0.1);
  CHECK(s.deviation[1] == 0);
}

TEST_CASE("statistics have the same bits for any number of threads", "[statistics][threads]") {
  const auto [rows, cols] = GENERATE(std::pair(20'011U, 3U), std::pair(3'001U, 40U), std::pair(70U, 5'000U));
  const Matrix<double> matrix = drawn<double>(rows, cols, 3);
  const Statistics alone = sequential(matrix);
  for (const std::size_t threads : {1, 2, 8}) {
    Arena arena(threads);
    CHECK(same_bits(statistics_of(matrix.view(), {}, &arena), alone));
  }
}

TEST_CASE("statistics have the same bits on every instruction set", "[statistics]") {
  const Matrix<float> narrow = drawn<float>(3000, 5, 1);
  const Matrix<double> wide = drawn<double>(700, 50, 2);
  const Statistics of_narrow = sequential(narrow), of_wide = sequential(wide);
  on_every_instruction_set([&] {
    CHECK(same_bits(sequential(narrow), of_narrow));
    CHECK(same_bits(sequential(wide), of_wide));
  });
}

TEST_CASE("float32 rows have the statistics of the same numbers as float64", "[statistics]") {
  const std::size_t cols = GENERATE(3U, 30U);
  const Matrix<float> matrix = drawn<float>(2000, cols, 4);
  Matrix<double> wide(2000, cols);
  std::copy_n(matrix.data(), 2000 * cols, wide.data());
  CHECK(same_bits(sequential(matrix), sequential(wide)));
}

TEST_CASE("columns of a part of a set have the bits that they have in it", "[statistics]") {
  const std::size_t cols = GENERATE(5U, 100U);
  const Matrix<float> matrix = drawn<float>(500, cols, 5);
  std::vector<ColumnMoments> all(cols), part(3);
  column_moments(matrix.view(), cols, std::span(all));
  column_moments<float>({matrix.data() + 2, 500, 3, cols}, cols, std::span(part));
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(part[c].sum == all[c + 2].sum);
    CHECK(part[c].squares == all[c + 2].squares);
    CHECK(part[c].exponent == all[c + 2].exponent);
  }
}

TEST_CASE("rows that are left out leave the same bits in memory and streamed", "[statistics][threads]") {
  const std::size_t cols = GENERATE(15U, 90U);
  constexpr std::size_t kRows = 9'000;
  constexpr double kFraction = 0.3;
  Dataset<float> all;
  all.x = drawn<float>(kRows, cols, 6);
  const Matrix<float> rows = all.x;
  StatisticsBuilder masked(cols), compacted(cols);
  const std::uint64_t block_rows = StatisticsBuilder::block_rows(cols);
  for (std::uint64_t first = 0, block = 0; first < kRows; first += block_rows, ++block) {
    const MatrixView<const float> of_block =
        rows.view().row_range(first, std::min<std::uint64_t>(block_rows, kRows - first));
    std::vector<std::uint8_t> counts(of_block.rows);
    Matrix<float> kept(of_block.rows, cols);
    std::size_t count = 0;
    for (std::size_t r = 0; r < of_block.rows; ++r) {
      counts[r] = is_held_out(9, kFraction, first + r) ? 0 : 1;
      if (counts[r] != 0) std::copy_n(of_block.row(r).data(), cols, kept.row(count++).data());
    }
    kept.shrink_rows(count);
    masked.add_block(block, of_block, std::span<const std::uint8_t>(counts));
    compacted.add_block(block, std::as_const(kept).view());
  }
  const Dataset<float> training = split_rows(std::move(all), RowSplit(9, kFraction)).training;
  REQUIRE(training.rows() < kRows);
  Arena arena(2);
  const Statistics in_memory = statistics_of(training.x.view(), std::span(training.source_rows), &arena);
  CHECK(same_bits(in_memory, masked.finish()));
  CHECK(same_bits(in_memory, compacted.finish()));
  CHECK_FALSE(same_bits(in_memory, statistics_of(training.x.view(), {}, nullptr)));  // source rows matter
}

TEST_CASE("source rows may come in any order", "[statistics]") {
  const Matrix<double> matrix = drawn<double>(5, 2, 1);
  const std::vector<std::uint64_t> source_rows = {5000, 3, 4, ~std::uint64_t{0}, 0};
  const Statistics s = statistics_of(matrix.view(), std::span(source_rows), nullptr);
  CHECK(s.count[0] == 5);
  check_column(s, 0, Exact(column_of(matrix.view(), 0)));
}

TEST_CASE("NaN and Inf are counted and left out", "[statistics]") {
  const std::size_t cols = GENERATE(4U, 50U);
  Matrix<double> matrix = drawn<double>(3000, cols, 0);
  const Statistics clean = sequential(matrix);
  std::vector<double> left;
  for (std::size_t r = 0; r < 3000; ++r) {
    if (r % 7 == 1 || r > 2900) matrix(r, 0) = kNaN;
    if (r % 500 == 2) matrix(r, 0) = r % 1000 == 2 ? kInf : -kInf;
    if (std::isfinite(matrix(r, 0))) left.push_back(matrix(r, 0));
    matrix(r, 2) = r % 2 == 0 ? kNaN : kInf;
  }
  const Statistics s = sequential(matrix);
  CHECK(s.count[0] == static_cast<double>(left.size()));
  CHECK(s.infinite[0] == 6);
  CHECK(s.count[0] + s.missing[0] + s.infinite[0] == 3000);
  CHECK(s.min[0] == *std::min_element(left.begin(), left.end()));
  check_column(s, 0, Exact(left));
  CHECK(s.count[2] == 0);
  CHECK(s.missing[2] == 1500);
  CHECK(s.infinite[2] == 1500);
  for (const auto* numbers : {&s.min, &s.max, &s.mean, &s.deviation}) CHECK(std::isnan((*numbers)[2]));
  CHECK(s.mean[1] == clean.mean[1]);
  CHECK(s.deviation[1] == clean.deviation[1]);
}

TEST_CASE("numbers near the end of the range have extremes and no mean", "[statistics]") {
  const double large = GENERATE(1e290, 1.7e308);
  Matrix<double> matrix(3000, 1, 1.0);
  for (std::size_t r = 0; r < 2000; ++r) matrix(r, 0) = r % 3 == 0 ? -large : large;
  const Statistics s = sequential(matrix);
  CHECK(s.count[0] == 3000);
  CHECK(s.infinite[0] == 0);
  CHECK(s.min[0] == -large);
  CHECK(s.max[0] == large);
  CHECK(std::isnan(s.mean[0]));
  CHECK(std::isnan(s.deviation[0]));
}

template <class T>
void check_integers(T least, T range) {
  Matrix<T> matrix(2500, 1);
  for (std::size_t r = 0; r < 2500; ++r)
    matrix(r, 0) = static_cast<T>(least + static_cast<T>(static_cast<std::uint64_t>(r) * 2654435761U % range));
  matrix(1500, 0) = static_cast<T>(least + range);
  StatisticsBuilder builder(1);
  for (std::size_t first = 0, block = 0; first < 2500; first += 1024, ++block)
    builder.add_block(block, std::as_const(matrix).view().row_range(first, std::min<std::size_t>(1024, 2500 - first)));
  const Statistics s = builder.finish();
  check_column(s, 0, Exact(column_of(std::as_const(matrix).view(), 0)));
  CHECK(Rational(s.min[0]) + Rational(s.min_low[0]) == Rational(least));
  CHECK(Rational(s.max[0]) + Rational(s.max_low[0]) == Rational(static_cast<T>(least + range)));
}

TEST_CASE("integers of 64 bits keep their extremes, and deviations far from nought", "[statistics]") {
  check_integers<std::int64_t>(-5, 11);
  check_integers<std::int64_t>((std::int64_t{1} << 60) + 1, 7);
  check_integers<std::int64_t>(-std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 62);
  check_integers<std::uint64_t>(std::numeric_limits<std::uint64_t>::max() - 12, 12);
  check_integers<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("blocks are cut by shape alone, and come in order", "[statistics]") {
  CHECK(StatisticsBuilder::block_rows(1) == 1024);
  CHECK(StatisticsBuilder::block_rows(256) == 1024);
  CHECK(StatisticsBuilder::block_rows(784) == 256);
  CHECK(StatisticsBuilder::block_rows(1'000'000) == 32);
  const Matrix<float> rows(4, 2, 1.0F);
  StatisticsBuilder builder(2);
  builder.add_block(3, rows.view());
  builder.add_block(7, rows.view().row_range(0, 0));
  CHECK_THROWS_AS(builder.add_block(7, rows.view()), std::logic_error);
  const Matrix<float> wider(4, 3, 1.0F);
  CHECK_THROWS_AS(builder.add_block(8, wider.view()), std::logic_error);
  CHECK(builder.finish().count[1] == 4);
  CHECK(std::isnan(StatisticsBuilder(1).finish().mean[0]));
}

}  // namespace
}  // namespace gradloom
