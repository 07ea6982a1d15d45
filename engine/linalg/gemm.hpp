#pragma once

#include "gradloom/matrix.hpp"

namespace gradloom {

enum class Transpose { kNo, kYes };

/// C <- alpha op(A) op(B) + beta C, where op transposes as told; beta 0 never reads C. Shapes must agree (op(A) is
/// (m, k), op(B) (k, n), C (m, n)); a mismatch is a defect of the caller and throws std::logic_error. Empty products
/// are allowed (k = 0 scales C). One thread, deterministic for given shapes. Defined for float and double.
template <class T>
void gemm(T alpha, MatrixView<const T> a, Transpose op_a, MatrixView<const T> b, Transpose op_b, T beta,
          MatrixView<T> c);

}  // namespace gradloom
