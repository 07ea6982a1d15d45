#include "engine/linalg/gemm.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/linalg/blas.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/random_matrix.hpp"

using namespace gradloom;
using gradloom::testing::random_matrix;

namespace {

template <class T>
T element(MatrixView<const T> m, Transpose op, std::size_t r, std::size_t c) {
  return op == Transpose::kNo ? m(r, c) : m(c, r);
}

/// The product by its definition, in long double; `magnitude` sums the terms' sizes.
struct Naive {
  long double value = 0, magnitude = 0;
};
template <class T>
Naive naive_product(T alpha, MatrixView<const T> a, Transpose op_a, MatrixView<const T> b, Transpose op_b, T beta, T c,
                    std::size_t k, std::size_t row, std::size_t col) {
  Naive sum{beta == 0 ? 0 : static_cast<long double>(beta) * c, std::abs(static_cast<long double>(beta) * c)};
  for (std::size_t i = 0; i < k; ++i) {
    const auto term = static_cast<long double>(alpha) * element(a, op_a, row, i) * element(b, op_b, i, col);
    sum.value += term;
    sum.magnitude += std::abs(term);
  }
  return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("gemm agrees with the product's definition", "[linalg]", float, double) {
  using T = TestType;
  const auto op_a = GENERATE(Transpose::kNo, Transpose::kYes);
  const auto op_b = GENERATE(Transpose::kNo, Transpose::kYes);
  const T beta = GENERATE(T{0}, T{1}, T{-0.5});
  struct Sizes {
    std::size_t m, n, k;
  };
  for (const auto& [m, n, k] : {Sizes{1, 1, 1}, {7, 5, 3}, {32, 30, 3}, {17, 1, 64}, {65, 33, 40}}) {
    constexpr std::size_t kGap = 3;  // views are wider than what they show
    const auto wide_a = op_a == Transpose::kNo ? random_matrix<T>(m, k + kGap, 1) : random_matrix<T>(k, m + kGap, 1);
    const auto wide_b = op_b == Transpose::kNo ? random_matrix<T>(k, n + kGap, 2) : random_matrix<T>(n, k + kGap, 2);
    const MatrixView<const T> a(wide_a.data(), wide_a.rows(), wide_a.cols() - kGap, wide_a.cols());
    const MatrixView<const T> b(wide_b.data(), wide_b.rows(), wide_b.cols() - kGap, wide_b.cols());
    Matrix<T> c = random_matrix<T>(m, n + kGap, 3);
    const Matrix<T> before = c;
    const T alpha = T{0.75};
    gemm<T>(alpha, a, op_a, b, op_b, beta, MatrixView<T>(c.data(), m, n, n + kGap));
    for (std::size_t r = 0; r < m; ++r) {
      for (std::size_t col = 0; col < n; ++col) {
        const Naive exact = naive_product(alpha, a, op_a, b, op_b, beta, before(r, col), k, r, col);
        // k products and sums, the scalings: each rounds once, relative to at most the sum of sizes.
        const auto bound = static_cast<long double>(k + 4) * std::numeric_limits<T>::epsilon() * exact.magnitude;
        CHECK(std::abs(c(r, col) - exact.value) <= bound);
      }
      for (std::size_t col = n; col < n + kGap; ++col) CHECK(c(r, col) == before(r, col));
    }
  }
}

TEMPLATE_TEST_CASE("gemm gives the same bits for any alignment and stride", "[linalg]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 19, kUnits = 30, kInputs = 13;
  const Matrix<T> a = random_matrix<T>(kRows, kInputs, 1);
  const Matrix<T> b = random_matrix<T>(kUnits, kInputs, 2);
  Matrix<T> expected(kRows, kUnits);
  gemm<T>(1, a.view(), Transpose::kNo, b.view(), Transpose::kYes, 0, expected.view());
  for (std::size_t offset = 0; offset < 9; ++offset) {
    const std::size_t stride = kInputs + 2 * offset;
    std::vector<T> moved(offset + kRows * stride);
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t c = 0; c < kInputs; ++c) moved[offset + r * stride + c] = a(r, c);
    Matrix<T> c(kRows, kUnits + offset);
    const MatrixView<T> view(c.data(), kRows, kUnits, kUnits + offset);
    gemm<T>(1, {moved.data() + offset, kRows, kInputs, stride}, Transpose::kNo, b.view(), Transpose::kYes, 0, view);
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t u = 0; u < kUnits; ++u) REQUIRE(view(r, u) == expected(r, u));
  }
}

TEMPLATE_TEST_CASE("gemm handles empty products, beta 0 and impossible shapes", "[linalg]", float, double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const Matrix<T> a(2, 3, T{1}), b(3, 2, T{1}), tall(2, 0), flat(0, 2);
  Matrix<T> c(2, 2, nan);
  gemm<T>(1, a.view(), Transpose::kNo, b.view(), Transpose::kNo, 0, c.view());
  CHECK((c(0, 0) == 3 && c(1, 1) == 3));  // beta 0 did not read the NaN
  gemm<T>(1, tall.view(), Transpose::kNo, flat.view(), Transpose::kNo, 2, c.view());
  CHECK((c(0, 1) == 6 && c(1, 0) == 6));
  c(0, 0) = nan;
  gemm<T>(1, tall.view(), Transpose::kNo, flat.view(), Transpose::kNo, 0, c.view());
  CHECK((c(0, 0) == 0 && c(1, 1) == 0));
  Matrix<T> none;
  gemm<T>(1, MatrixView<const T>(nullptr, 0, 3), Transpose::kNo, MatrixView<const T>(b.data(), 3, 0, 2), Transpose::kNo,
          0, none.view());
  CHECK_THROWS_AS(gemm<T>(1, a.view(), Transpose::kYes, b.view(), Transpose::kNo, 0, c.view()), std::logic_error);
  CHECK_THROWS_AS(gemm<T>(1, a.view(), Transpose::kNo, b.view(), Transpose::kYes, 0, c.view()), std::logic_error);
  const std::size_t huge = std::size_t{1} << 31;  // strides are checked before any element is touched
  CHECK_THROWS_AS(gemm<T>(1, {a.data(), 2, 3, huge}, Transpose::kNo, b.view(), Transpose::kNo, 0, c.view()),
                  std::length_error);
}

TEST_CASE("the serial flavour of OpenBLAS is refused with the way out", "[linalg]") {
  std::string message;
  try {
    require_safe_blas({"OpenBLAS 0.3.21", "Zen", 0});
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message.find("libopenblas0-pthread") != std::string::npos);
  CHECK(message.find("update-alternatives --config libopenblas.so.0-") != std::string::npos);
  CHECK_NOTHROW(require_safe_blas({"OpenBLAS 0.3.21", "Zen", 1}));
  CHECK_NOTHROW(require_safe_blas());
  CHECK_NOTHROW(require_safe_blas());
  CHECK(blas_info().version.starts_with("OpenBLAS 0."));
  CHECK_FALSE(blas_info().core_type.empty());
}
