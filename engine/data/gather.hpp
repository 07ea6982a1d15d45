#pragma once

#include <cstdint>
#include <span>

#include "gradloom/matrix.hpp"

namespace gradloom {

/// Row i of x_out and y_out <- row rows[i] of x and y, for every i below rows.size(). No view has a stride of its own.
/// The rows may lie anywhere: their memory is asked for ahead of the copying.
template <class T>
void gather_rows(MatrixView<const T> x, MatrixView<const T> y, std::span<const std::uint64_t> rows, MatrixView<T> x_out,
                 MatrixView<T> y_out);

/// out[i] <- weights[rows[i]], for every i below rows.size(); nothing where there are no weights.
void gather_weights(std::span<const double> weights, std::span<const std::uint64_t> rows, double* out);

}  // namespace gradloom
