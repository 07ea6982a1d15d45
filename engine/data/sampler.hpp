#pragma once

#include <cstdint>
#include <span>

#include "engine/core/random.hpp"
#include "engine/linalg/feistel.hpp"

namespace gradloom {

/// A pseudo-random permutation of [0, size) that is a function of (size, seed, epoch, use) alone: any position is
/// reached without walking there, and no table is kept. A Feistel network (Luby and Rackoff 1988) over two halves of
/// about the size's root. Constant after construction.
class KeyedPermutation {
 public:
  /// 0 < size < 2^63. `use` keeps permutations of different things apart.
  KeyedPermutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, RandomUse use = RandomUse::kShuffle);

  [[nodiscard]] std::uint64_t size() const { return network_.size; }
  /// The element at `position` < size().
  [[nodiscard]] std::uint64_t operator()(std::uint64_t position) const { return feistel_element(network_, position); }
  /// elements[i] <- the element at first + i: many at once are several times faster.
  void fill(std::uint64_t first, std::span<std::uint64_t> elements) const {
    feistel_elements(network_, first, elements);
  }

 private:
  FeistelNetwork network_;
};

}  // namespace gradloom
