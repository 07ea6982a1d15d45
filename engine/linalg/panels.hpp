#pragma once

#include <cstddef>

#include "engine/linalg/gemm.hpp"
#include "gradloom/matrix.hpp"

/// Matrix products whose bits do not depend on how C is cut into pieces: every element is summed in the order of the
/// inner dimension, wherever it stands and whoever computes it. With the right-hand side packed beforehand they reach
/// the limit of the vector units even where C has few rows, for which gemm() would pack it anew for each piece.
/// One thread a call. Vectorised as the kernels of kernels.hpp, with the same bits for any vector size (where there is
/// a fused multiply-add). Defined for float and double.
namespace gradloom {

/// Columns that different threads may pack at once begin at multiples of this.
constexpr std::size_t kPanelMultiple = 16;

/// Rows of C that are computed at once; fewer leave registers unused.
constexpr std::size_t kProductRows = 6;

/// The right-hand side B (depth, cols) of a product, and a row that sums of its columns start from, packed for
/// multiply(): panels of columns that fill some vector registers, each with its rows one after the other.
template <class T>
class Panels {
 public:
  Panels() = default;
  /// Of zeros.
  Panels(std::size_t depth, std::size_t cols);
  /// What such panels hold: columns are filled up with zeros to whole vectors, so few of them take the room of many.
  static std::size_t elements(std::size_t depth, std::size_t cols);

  [[nodiscard]] std::size_t depth() const { return depth_; }
  [[nodiscard]] std::size_t cols() const { return cols_; }
  [[nodiscard]] const T* data() const { return data_.data(); }

  /// Column first + i of B <- row i of columns (count, depth), and where it starts <- start[i]. `first` is a multiple
  /// of kPanelMultiple, and so is count or it reaches the last column. Other columns may be packed at the same time.
  void pack_columns(std::size_t first, MatrixView<const T> columns, const T* start);

 private:
  AlignedBuffer<T> data_;
  std::size_t depth_ = 0;
  std::size_t cols_ = 0;
};

/// C <- start + A B. a (c.rows, b.depth()); c (rows, b.cols()).
template <class T>
void multiply(MatrixView<const T> a, const Panels<T>& b, MatrixView<T> c);

/// C <- op(A) B, with B as it stands. op(A) is (c.rows, b.rows); b (b.rows, c.cols). `next`: of C's shape, what the
/// caller writes after it, or nothing; while C is computed, its cache lines are fetched for that (fetch_to_write()).
template <class T>
void multiply(MatrixView<const T> a, Transpose op_a, MatrixView<const T> b, MatrixView<T> c, MatrixView<T> next = {});

}  // namespace gradloom
