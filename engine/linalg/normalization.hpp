#pragma once

#include "gradloom/matrix.hpp"

namespace gradloom {

/// Vectorised passes of batch and layer normalization, for one instruction set. Sums are made in float64, an element's
/// place in them decided by its row and column alone, so all results have the same bits with any instruction set.
///
/// x: what is normalized, y: the result, dy: d(loss)/dy, all (rows, cols). Matrices may not be the same memory, unless
/// it says so.
template <class T>
struct NormalizationKernels {
  /// Means and Σ (x - mean)² of columns, (cols) each, by two passes over x, which has rows.
  void (*column_moments)(MatrixView<const T> x, double* mean, double* squares);

  /// y <- (x - mean) * scale + shift; mean, scale, shift (cols). y may be x.
  void (*normalize_columns)(MatrixView<const T> x, const T* mean, const T* scale, const T* shift, MatrixView<T> y);

  /// Sums over rows of dy, and of dy * (x - mean), (cols) each.
  void (*sum_column_gradients)(MatrixView<const T> dy, MatrixView<const T> x, const T* mean, double* plain,
                               double* by_distance);

  /// dy <- scale * (dy - offset - (x - mean) * slope), all vectors (cols).
  void (*differentiate_columns)(MatrixView<const T> x, const T* mean, const T* scale, const T* offset, const T* slope,
                                MatrixView<T> dy);

  /// Mean and 1 / sqrt(variance + epsilon) of each row, (rows) each; the variance is the mean square.
  void (*row_moments)(MatrixView<const T> x, double epsilon, T* mean, T* rate);

  /// y <- (x - mean) * rate * scale + shift; mean, rate (rows); scale, shift (cols). y may be x.
  void (*normalize_rows)(MatrixView<const T> x, const T* mean, const T* rate, const T* scale, const T* shift,
                         MatrixView<T> y);

  /// Sums over rows of dy, and of dy * (x - mean) * rate, (cols) each; mean, rate (rows).
  void (*sum_row_gradients)(MatrixView<const T> dy, MatrixView<const T> x, const T* mean, const T* rate, double* plain,
                            double* by_normalized);

  /// dy <- d(loss)/dx of normalize_rows(). With n = (x - mean) * rate and g = dy * scale, both (rows, cols):
  /// rate * (g - mean of g's row - n * mean of g * n's row).
  void (*differentiate_rows)(MatrixView<const T> x, const T* mean, const T* rate, const T* scale, MatrixView<T> dy);
};

/// Those of the machine's instruction set, for float and double.
template <class T>
NormalizationKernels<T> normalization_kernels();

}  // namespace gradloom
