#pragma once

#include <cmath>
#include <cstdint>

#include "engine/core/random.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom::testing {

/// y = a smooth function of four features with a little noise (deviation 0.1), around 3. A row depends on its number
/// and the stream alone.
template <class T>
Dataset<T> samples(std::size_t rows, std::uint32_t stream) {
  Dataset<T> data;
  data.x = Matrix<T>(rows, 4);
  data.y = Matrix<T>(rows, 1);
  const CounterRandom random(17, RandomUse::kGenerator, stream);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < 4; ++c) data.x(r, c) = static_cast<T>(random.normal(8 * r + c));
    data.y(r, 0) = static_cast<T>(std::sin(static_cast<double>(data.x(r, 0))) +
                                  0.5 * static_cast<double>(data.x(r, 1)) + 0.1 * random.normal(8 * r + 4) + 3);
  }
  return data;
}

}  // namespace gradloom::testing
