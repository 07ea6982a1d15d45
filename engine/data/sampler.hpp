#pragma once

#include <array>
#include <cstdint>

namespace gradloom {

/// A pseudo-random permutation of [0, size) that is a function of (size, seed, epoch) alone: any position is reached
/// without walking there, and no table is kept. An unbalanced Feistel network over the next power of two (Luby and
/// Rackoff 1988), with cycle walking for positions that fall outside (Black and Rogaway 2002): at most 2 rounds of it
/// on average. Constant after construction.
class KeyedPermutation {
 public:
  KeyedPermutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// The element at `position` < size().
  [[nodiscard]] std::uint64_t operator()(std::uint64_t position) const;

 private:
  static constexpr int kRounds = 8;

  [[nodiscard]] std::uint64_t encrypt(std::uint64_t value) const;

  std::uint64_t size_;
  int low_bits_;
  std::uint64_t low_mask_;
  std::uint64_t high_mask_;
  std::array<std::uint64_t, kRounds> keys_;
};

}  // namespace gradloom
