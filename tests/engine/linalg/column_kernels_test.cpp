#include "engine/linalg/column_kernels.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

namespace gradloom {
namespace {

struct Sums {
  std::vector<double> high, low;
  explicit Sums(std::size_t columns) : high(columns), low(columns) {}
  ColumnSums place() { return {high.data(), low.data()}; }
};

// One column after the other, the same operations.
void add(double& high, double& low, double value) {
  const double sum = high + value;
  const double taken = sum - high;
  low += (high - (sum - taken)) + (value - taken);
  high = sum;
}

template <class T>
Matrix<T> drawn(std::size_t rows, std::size_t columns) {
  const CounterRandom random(1, RandomUse::kShuffle);
  Matrix<T> matrix(rows, columns);
  for (std::size_t i = 0; i < rows * columns; ++i)
    matrix.data()[i] = static_cast<T>(std::ldexp(random.uniform(i) - 0.5, static_cast<int>(i % 80) - 40));
  return matrix;
}

TEMPLATE_TEST_CASE("columns are summed as their slow twin does it", "[linalg]", float, double) {
  const std::size_t rows = GENERATE(1U, 50U), columns = GENERATE(1U, 7U, 8U, 21U);
  const Matrix<TestType> matrix = drawn<TestType>(rows, columns + 2);
  const MatrixView<const TestType> view{matrix.data() + 1, rows, columns, columns + 2};
  const std::vector<double> pivot(columns, 0.125), factor(columns, 0.5);
  on_every_instruction_set([&] {
    Sums sums(columns), squares(columns);
    std::vector<double> min(columns), max(columns);
    sum_columns(view, sums.place(), min.data(), max.data());
    sum_column_squares(view, pivot.data(), factor.data(), squares.place());
    for (std::size_t c = 0; c < columns; ++c) {
      double high = 0, low = 0, square_high = 0, square_low = 0;
      double least = std::numeric_limits<double>::infinity(), largest = -least;
      for (std::size_t r = 0; r < rows; ++r) {
        const auto value = static_cast<double>(view(r, c));
        const double distance = (value - 0.125) * 0.5;
        add(high, low, value);
        add(square_high, square_low, distance * distance);
        least = std::min(least, value);
        largest = std::max(largest, value);
      }
      CHECK(sums.high[c] == high);
      CHECK(sums.low[c] == low);
      CHECK(squares.high[c] == square_high);
      CHECK(squares.low[c] == square_low);
      CHECK(min[c] == least);
      CHECK(max[c] == largest);
    }
  });
}

TEMPLATE_TEST_CASE("a sum that is not finite shows", "[linalg]", float, double) {
  Matrix<double> wide(20, 3, 1.0);
  Matrix<TestType> matrix(20, 3, TestType(1));
  matrix(7, 0) = std::numeric_limits<TestType>::quiet_NaN();
  matrix(7, 1) = std::numeric_limits<TestType>::infinity();
  for (std::size_t r = 0; r < 20; ++r) wide(r, 1) = std::numeric_limits<double>::max();
  std::vector<double> min(3), max(3);
  on_every_instruction_set([&] {
    Sums sums(3), overflown(3);
    sum_columns(std::as_const(matrix).view(), sums.place(), min.data(), max.data());
    CHECK_FALSE(std::isfinite(sums.low[0]));
    CHECK_FALSE(std::isfinite(sums.low[1]));
    CHECK(sums.high[2] == 20);
    sum_columns(std::as_const(wide).view(), overflown.place(), min.data(), max.data());
    CHECK_FALSE(std::isfinite(overflown.low[1]));
    CHECK(std::isfinite(overflown.low[0]));
  });
}

}  // namespace
}  // namespace gradloom
