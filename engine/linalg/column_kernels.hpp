#pragma once

#include "gradloom/matrix.hpp"

/// Vectorised passes over the columns of row-major matrices, in float64. A column goes through the same operations, in
/// row order, wherever it stands and with any instruction set: its results have the same bits. Defined for float and
/// double.
namespace gradloom {

/// Sums of columns and what their roundings lost, (columns) each; a sum is high + low, exact to about 2^-104 of the
/// values' magnitudes. NaN or Inf in `low` where a value or a sum is not finite.
struct ColumnSums {
  double* high;
  double* low;
};

/// Sums, and the least and the largest value of each column, (columns) each, which mean nothing where there is NaN.
template <class T>
void sum_columns(MatrixView<const T> rows, ColumnSums sums, double* min, double* max);

/// Sums of ((value - pivot) * factor)², each of which is rounded. pivot, factor (columns).
template <class T>
void sum_column_squares(MatrixView<const T> rows, const double* pivot, const double* factor, ColumnSums sums);

}  // namespace gradloom
