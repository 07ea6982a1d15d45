#pragma once

#include <cstdint>

namespace gradloom {

/// a / b, rounded up. b > 0.
constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

/// The least multiple of b that is at least a. b > 0.
constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return divide_up(a, b) * b; }

}  // namespace gradloom
