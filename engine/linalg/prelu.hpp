#pragma once

#include "gradloom/matrix.hpp"

/// Vectorised passes through y = max(0, z) + a min(0, z), where z has a column for each unit, for the machine's
/// instruction set. An element goes through the same operations wherever it stands, and sums are made in float64 in row
/// order, so results have the same bits with any instruction set. Defined for float and double.
namespace gradloom {

/// The slopes a of a matrix's columns.
template <class T>
struct ColumnSlopes {
  const T* values;  ///< one for all columns, or (cols)
  bool shared;      ///< one for all
};

/// y <- max(0, z) + a min(0, z), both (rows, cols), and perhaps the same memory. NaN stays NaN.
template <class T>
void activate_prelu(ColumnSlopes<T> a, MatrixView<const T> z, MatrixView<T> y);

/// delta <- delta * y'(z), which at 0 is a; sums (cols) <- those over rows of min(0, z) * delta as it was before.
template <class T>
void differentiate_prelu(ColumnSlopes<T> a, MatrixView<const T> z, MatrixView<T> delta, double* sums);

}  // namespace gradloom
