#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace gradloom {

/// A permutation of [0, size) without a table: an alternating Feistel network over pairs (high, low) with
/// high < high_size, low < low_size, high * low_size + low being the element (Black and Rogaway, "Ciphers with
/// arbitrary finite domains", 2002: their generalized Feistel, with cycle walking for what falls outside). With both
/// close to the square root of the size, less than one pair in a root lies outside, so walking costs nothing.
///
///   round i even:  low  <- (low  + f_i(high)) mod low_size
///   round i odd:   high <- (high + f_i(low))  mod high_size
///   f_i(h) = mix(h * multiplier[i] + addend[i]), scaled to the modulus by its upper bits
///
/// All of it is integer arithmetic, the same on every machine.
struct FeistelNetwork {
  static constexpr int kMostRounds = 24;

  std::uint64_t size = 0;       ///< below 2^63
  std::uint64_t low_size = 0;   ///< the root of the size, rounded up
  std::uint64_t high_size = 0;  ///< size / low_size, rounded up
  int rounds = 0;               ///< even
  std::array<std::uint32_t, kMostRounds> multiplier{};
  std::array<std::uint32_t, kMostRounds> addend{};
};

/// The element at `position` < size: the plain definition.
std::uint64_t feistel_element(const FeistelNetwork& network, std::uint64_t position);

/// elements[i] <- the element at first + i, first + elements.size() <= size. Vectorised where both halves have 16 bits,
/// that is up to 65535² elements; the same numbers as the plain definition on every instruction set.
void feistel_elements(const FeistelNetwork& network, std::uint64_t first, std::span<std::uint64_t> elements);

}  // namespace gradloom
