#pragma once

#include <cstdint>
#include <vector>

#include "engine/data/row_blocks.hpp"
#include "engine/data/sampler.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// The order of one epoch over a set that is streamed: the blocks are permuted, so many of them at a time are a window,
/// and a window's rows are permuted. With Shuffle::kNone all stays in place. A function of (blocks, window, seed,
/// epoch): any window is reached without what comes before it, and each row comes once. Constant after construction,
/// which takes a nanosecond or two for each block.
class WindowOrder {
 public:
  /// 0 < window_blocks.
  WindowOrder(const RowBlocks& blocks, const KeptRows& kept, std::uint64_t window_blocks, Shuffle shuffle,
              std::uint64_t seed, std::uint64_t epoch);

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t windows() const { return starts_.size() - 1; }
  /// Positions of window w's rows in the epoch: [first(w), first(w + 1)).
  [[nodiscard]] std::uint64_t first(std::uint64_t w) const { return starts_[w]; }
  /// The window that holds `position` < the number of kept rows.
  [[nodiscard]] std::uint64_t window_of(std::uint64_t position) const;
  /// The window's blocks, in the order in which they are read.
  [[nodiscard]] std::vector<std::uint64_t> blocks(std::uint64_t w) const;
  /// places[i] <- where in the window, block behind block, the row stands that comes at `position` + i. All of them in
  /// window w.
  void places(std::uint64_t w, std::uint64_t position, std::span<std::uint64_t> places) const;

 private:
  void fill_blocks(std::uint64_t first, std::span<std::uint64_t> blocks) const;

  std::uint64_t block_count_, window_blocks_;
  bool shuffled_;
  std::uint64_t seed_, epoch_;
  KeyedPermutation order_;             ///< of the blocks
  std::vector<std::uint64_t> starts_;  ///< [window], and the end
};

}  // namespace gradloom
