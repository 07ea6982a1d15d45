#pragma once

#include <cstdint>

#include "engine/core/random.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom::testing {

/// (rows, cols) of normal numbers around 0 with deviation 1, other ones in each stream.
template <class T>
Matrix<T> random_matrix(std::size_t rows, std::size_t cols, std::uint32_t stream) {
  const CounterRandom random(3, RandomUse::kGenerator, stream);
  Matrix<T> m(rows, cols);
  for (std::size_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<T>(random.normal(i));
  return m;
}

}  // namespace gradloom::testing
