#pragma once

#include <cstdint>
#include <limits>

namespace gradloom {

/// a / b, rounded up. b > 0.
constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

/// The least multiple of b that is at least a. b > 0.
constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return divide_up(a, b) * b; }

/// a * b, or the largest number where that is more.
constexpr std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max() : product;
}

}  // namespace gradloom
