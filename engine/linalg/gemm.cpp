#include "engine/linalg/gemm.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <limits>
#include <stdexcept>

namespace gradloom {
namespace {

struct Shape {
  std::size_t rows, cols;
};

template <class T>
Shape shape_of(MatrixView<const T> m, Transpose op) {
  return op == Transpose::kNo ? Shape{m.rows, m.cols} : Shape{m.cols, m.rows};
}

void require_product(Shape a, Shape b, Shape c) {
  if (a.rows == c.rows && a.cols == b.rows && b.cols == c.cols) return;
  throw std::logic_error(
      fmt::format("gemm: ({}, {}) times ({}, {}) is not ({}, {})", a.rows, a.cols, b.rows, b.cols, c.rows, c.cols));
}

/// CBLAS counts in `int` here. No minibatch or layer comes near 2^31; one that does must not wrap around.
blasint to_blasint(std::size_t n) {
  if (n > static_cast<std::size_t>(std::numeric_limits<blasint>::max()))
    throw std::length_error(fmt::format("gemm: {} rows, columns or stride exceed what BLAS can count", n));
  return static_cast<blasint>(n);
}

CBLAS_TRANSPOSE to_cblas(Transpose op) { return op == Transpose::kNo ? CblasNoTrans : CblasTrans; }

template <class T>
void scale(T beta, MatrixView<T> c) {
  for (std::size_t r = 0; r < c.rows; ++r)
    for (T& element : c.row(r)) element = beta == 0 ? T{0} : beta * element;
}

}  // namespace

template <class T>
void gemm(T alpha, MatrixView<const T> a, Transpose op_a, MatrixView<const T> b, Transpose op_b, T beta,
          MatrixView<T> c) {
  const Shape left = shape_of(a, op_a);
  require_product(left, shape_of(b, op_b), {c.rows, c.cols});
  if (c.empty()) return;
  if (left.cols == 0) return scale(beta, c);
  const blasint m = to_blasint(c.rows);
  const blasint n = to_blasint(c.cols);
  const blasint k = to_blasint(left.cols);
  const blasint lda = to_blasint(a.stride);
  const blasint ldb = to_blasint(b.stride);
  const blasint ldc = to_blasint(c.stride);
  if constexpr (sizeof(T) == sizeof(float))
    cblas_sgemm(CblasRowMajor, to_cblas(op_a), to_cblas(op_b), m, n, k, alpha, a.data, lda, b.data, ldb, beta, c.data,
                ldc);
  else
    cblas_dgemm(CblasRowMajor, to_cblas(op_a), to_cblas(op_b), m, n, k, alpha, a.data, lda, b.data, ldb, beta, c.data,
                ldc);
}

template void gemm(float, MatrixView<const float>, Transpose, MatrixView<const float>, Transpose, float,
                   MatrixView<float>);
template void gemm(double, MatrixView<const double>, Transpose, MatrixView<const double>, Transpose, double,
                   MatrixView<double>);

}  // namespace gradloom
