#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gradloom::testing {

/// Whether `order` holds each row from 0 to one below its size.
inline bool holds_each_once(std::vector<std::uint64_t> order) {
  std::sort(order.begin(), order.end());
  for (std::uint64_t i = 0; i < order.size(); ++i)
    if (order[i] != i) return false;
  return true;
}

}  // namespace gradloom::testing
