#include "engine/linalg/prelu.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::same_bits;

namespace {

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();

/// Random z and delta with gaps between rows, in which zeros of either sign stand among the others, and slopes of
/// either sign and 0; then what the kernels make of them.
template <class T>
struct Run {
  Run(std::size_t rows_, std::size_t cols_, bool shared)
      : rows(rows_),
        cols(cols_),
        stride(cols + 3),
        z(rows * stride),
        y(rows * stride, T{7}),
        slopes(cols),
        sums(cols, 7.0) {
    const CounterRandom random(31, RandomUse::kGenerator);
    for (std::size_t i = 0; i < z.size(); ++i) {
      z[i] = i % 11 == 5 ? T{0} : i % 11 == 7 ? -T{0} : static_cast<T>(random.normal(2 * i));
      before.push_back(static_cast<T>(random.normal(2 * i + 1)));
    }
    for (std::size_t c = 0; c < cols; ++c) slopes[c] = static_cast<T>(static_cast<double>(c % 5) - 2) / 4;
    if (shared) slopes.assign(cols, static_cast<T>(-0.3));
    delta = before;
    activate_prelu<T>({slopes.data(), shared}, {z.data(), rows, cols, stride}, {y.data(), rows, cols, stride});
    differentiate_prelu<T>({slopes.data(), shared}, {z.data(), rows, cols, stride}, {delta.data(), rows, cols, stride},
                           sums.data());
  }

  std::size_t rows, cols, stride;
  std::vector<T> z, before, delta, y, slopes;
  std::vector<double> sums;
};

/// The same, element by element: these are single operations, so bits are the same too.
template <class T>
void compare_with_naive(const Run<T>& run) {
  std::vector<T> y(run.y.size(), T{7}), delta = run.before;
  std::vector<double> sums(run.cols, 0.0);
  for (std::size_t r = 0; r < run.rows; ++r)
    for (std::size_t c = 0; c < run.cols; ++c) {
      const std::size_t i = r * run.stride + c;
      y[i] = run.z[i] > 0 ? run.z[i] : run.slopes[c] * run.z[i];
      delta[i] = run.z[i] > 0 ? run.before[i] : run.slopes[c] * run.before[i];
      if (run.z[i] <= 0) sums[c] += static_cast<double>(run.z[i]) * static_cast<double>(run.before[i]);
    }
  CHECK(same_bits(run.y, y));
  CHECK(same_bits(run.delta, delta));
  CHECK(run.sums == sums);
}

}  // namespace

TEMPLATE_TEST_CASE("prelu has the bits of its naive twin, whatever the vectors", "[linalg]", float, double) {
  const bool shared = GENERATE(false, true);
  on_every_instruction_set([&] {
    for (const std::size_t cols : {1, 2, 3, 7, 8, 16, 37, 64})
      for (const std::size_t rows : {0, 1, 5, 12}) {
        CAPTURE(rows, cols, shared);
        compare_with_naive(Run<TestType>(rows, cols, shared));
      }
  });
}

TEMPLATE_TEST_CASE("prelu takes numbers without end, and hands on what is none", "[linalg]", float, double) {
  using T = TestType;
  const T slope = 0.5;
  const std::vector<T> z = {kNan<T>, kInf<T>, -kInf<T>, 3, 0};
  std::vector<T> y(5), delta = {1, 2, 2, kInf<T>, 4};
  std::vector<double> sums(5);
  activate_prelu<T>({&slope, true}, {z.data(), 1, 5}, {y.data(), 1, 5});
  differentiate_prelu<T>({&slope, true}, {z.data(), 1, 5}, {delta.data(), 1, 5}, sums.data());
  CHECK(std::isnan(y[0]));
  CHECK(std::vector<T>(y.begin() + 1, y.end()) == std::vector<T>{kInf<T>, -kInf<T>, 3, 0});
  CHECK(delta == std::vector<T>{0.5, 2, 1, kInf<T>, 2});  // at 0 the derivative is the slope
  CHECK(std::isnan(sums[0]));
  CHECK(std::vector<double>(sums.begin() + 1, sums.end()) == std::vector<double>{0, -kInf<double>, 0, 0});
}

TEST_CASE("prelu may overwrite what it takes", "[linalg]") {
  const float slope = 0.25F;
  std::vector<float> z = {-4, 4, -8};
  activate_prelu<float>({&slope, true}, {z.data(), 3, 1}, {z.data(), 3, 1});
  CHECK(z == std::vector<float>{-1, 4, -2});
}
