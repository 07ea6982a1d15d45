#pragma once

#include <numeric>
#include <vector>

namespace gradloom::testing {

/// first, first + 1, ...: so many numbers.
inline std::vector<double> counted(std::size_t count, double first = 0) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

}  // namespace gradloom::testing
