#pragma once

#include <cstddef>

#include "engine/linalg/gemm.hpp"
#include "gradloom/matrix.hpp"

/// Matrix products whose bits do not depend on how C is cut into pieces: every element is summed in the order of the
/// inner dimension, wherever it stands and whoever computes it. One thread a call. Vectorised as the kernels of
/// kernels.hpp, with the same bits for any vector size (where there is a fused multiply-add). Defined for float and
/// double.
namespace gradloom {

/// Rows of C that are computed at once; fewer leave registers unused.
constexpr std::size_t kProductRows = 6;

/// C <- start + A Bᵀ, with B (c.cols, depth) and start (c.cols) as they stand. Each call packs A or B, a panel at a
/// time, into memory that stays in the cache. Packing A is next to nothing, but its rows are taken by whole vectors
/// then (up to 16); packing B takes as long as some ten rows of C.
template <class T>
void multiply_transposed(MatrixView<const T> a, MatrixView<const T> b, const T* start, MatrixView<T> c);

/// C <- op(A) B, with B as it stands. op(A) is (c.rows, b.rows); b (b.rows, c.cols). `next`: of C's shape, what the
/// caller writes after it, or nothing; while C is computed, its cache lines are fetched for that (fetch_to_write()).
template <class T>
void multiply(MatrixView<const T> a, Transpose op_a, MatrixView<const T> b, MatrixView<T> c, MatrixView<T> next = {});

}  // namespace gradloom
