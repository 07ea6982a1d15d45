#pragma once

#include <cstddef>

#include "gradloom/matrix.hpp"

/// Products of narrow layers, where OpenBLAS packs more than it computes. Matrices of a minibatch stand feature by
/// feature here: (features, rows), so that vectors run along the rows and are full however narrow a layer is.
/// One thread, vectorised as the kernels of kernels.hpp: the same bits with any vector size. Defined for float and
/// double.
namespace gradloom {

/// Rows of a minibatch come in multiples of this, filled up with rows of no effect. The last vector is always full.
constexpr std::size_t kNarrowMultiple = 16;

/// Z <- W A + b. w (units, inputs); bias (units); a (inputs, rows); z (units, rows). Every element is
/// b + w0 a0 + w1 a1 + ... in this order, wherever it stands.
template <class T>
void narrow_forward(MatrixView<const T> w, const T* bias, MatrixView<const T> a, MatrixView<T> z);

/// dA <- Wᵀ dZ. w (units, inputs); dz (units, rows); da (inputs, rows). Elements are summed in unit order.
template <class T>
void narrow_backward(MatrixView<const T> w, MatrixView<const T> dz, MatrixView<T> da);

/// dW <- dZ Aᵀ, db <- Σ_rows dZ, for A without its last row, which holds ones. dz (units, rows); a (inputs + 1, rows);
/// dw (units, inputs); db (units). Sums are made in an order that the number of rows alone
/// decides.
template <class T>
void narrow_gradient(MatrixView<const T> dz, MatrixView<const T> a, MatrixView<T> dw, T* db);

}  // namespace gradloom
