#include "engine/data/window_order.hpp"

#include <algorithm>
#include <numeric>

namespace gradloom {

WindowOrder::WindowOrder(const RowBlocks& blocks, const KeptRows& kept, std::uint64_t window_blocks, Shuffle shuffle,
                         std::uint64_t seed, std::uint64_t epoch)
    : block_count_(blocks.count()),
      window_blocks_(window_blocks),
      shuffled_(shuffle != Shuffle::kNone),
      seed_(seed),
      epoch_(epoch),
      order_(blocks.count(), seed, epoch, RandomUse::kBlockShuffle),
      starts_{0} {
  constexpr std::uint64_t kAtOnce = 4096;
  std::vector<std::uint64_t> some(std::min(kAtOnce, window_blocks));
  for (std::uint64_t first = 0; first < block_count_;) {
    const std::uint64_t end = first + std::min(window_blocks_, block_count_ - first);
    std::uint64_t rows = 0;
    while (first < end) {
      const std::span<std::uint64_t> next = std::span(some).first(std::min<std::uint64_t>(some.size(), end - first));
      fill_blocks(first, next);
      for (const std::uint64_t b : next) rows += kept.in(b);
      first += next.size();
    }
    starts_.push_back(starts_.back() + rows);
  }
}

void WindowOrder::fill_blocks(std::uint64_t first, std::span<std::uint64_t> blocks) const {
  if (shuffled_)
    order_.fill(first, blocks);
  else
    std::iota(blocks.begin(), blocks.end(), first);
}

std::uint64_t WindowOrder::window_of(std::uint64_t position) const {
  return static_cast<std::uint64_t>(std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin()) - 1;
}

std::vector<std::uint64_t> WindowOrder::blocks(std::uint64_t w) const {
  const std::uint64_t first = w * window_blocks_;
  std::vector<std::uint64_t> blocks(std::min(window_blocks_, block_count_ - first));
  fill_blocks(first, blocks);
  return blocks;
}

void WindowOrder::places(std::uint64_t w, std::uint64_t position, std::span<std::uint64_t> places) const {
  if (places.empty()) return;
  if (shuffled_)
    KeyedPermutation(starts_[w + 1] - starts_[w], seed_, epoch_ * windows() + w, RandomUse::kWindowShuffle)
        .fill(position - starts_[w], places);
  else
    std::iota(places.begin(), places.end(), position - starts_[w]);
}

}  // namespace gradloom
