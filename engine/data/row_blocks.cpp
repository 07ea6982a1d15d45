#include "engine/data/row_blocks.hpp"

#include <algorithm>
#include <utility>

namespace gradloom {

RowBlocks::RowBlocks(std::span<const std::uint64_t> file_rows, std::uint64_t block_rows)
    : block_rows_(block_rows), starts_{{0, 0}} {
  for (const std::uint64_t rows : file_rows)
    starts_.push_back({starts_.back().block + (rows - 1) / block_rows + 1, starts_.back().row + rows});
}

RowBlock RowBlocks::operator[](std::uint64_t b) const {
  const auto after =
      std::upper_bound(starts_.begin(), starts_.end(), b, [](std::uint64_t v, const Start& s) { return v < s.block; });
  const Start& start = *(after - 1);
  RowBlock block;
  block.file = static_cast<std::size_t>(after - 1 - starts_.begin());
  block.file_row = (b - start.block) * block_rows_;
  block.row = start.row + block.file_row;
  block.rows = std::min(block_rows_, after->row - block.row);
  return block;
}

std::uint64_t RowBlocks::block_of(std::uint64_t row) const {
  const auto after =
      std::upper_bound(starts_.begin(), starts_.end(), row, [](std::uint64_t v, const Start& s) { return v < s.row; });
  const Start& start = *(after - 1);
  return start.block + (row - start.row) / block_rows_;
}

KeptRows::KeptRows(const RowBlocks& blocks, RowSplit split, RowUse use)
    : blocks_(blocks), split_(std::move(split)), use_(use), before_{0} {
  before_.reserve(blocks.count() + 1);
  for (std::uint64_t b = 0; b < blocks.count(); ++b) {
    const RowBlock block = blocks[b];
    std::uint64_t kept = 0;
    for (std::uint64_t row = block.row; row < block.row + block.rows; ++row) kept += keeps(row) ? 1 : 0;
    before_.push_back(before_.back() + kept);
  }
}

bool KeptRows::keeps(std::uint64_t row) const { return split_.use_of(row) == use_; }

std::uint64_t KeptRows::before(std::uint64_t b) const { return all() ? blocks_[b].row : before_[b]; }

std::uint64_t KeptRows::in(std::uint64_t b) const { return all() ? blocks_[b].rows : before_[b + 1] - before_[b]; }

std::uint64_t KeptRows::source_row(std::uint64_t number) const {
  if (all()) return number;
  const auto after = std::upper_bound(before_.begin(), before_.end(), number);
  std::uint64_t left = number - *(after - 1);
  std::uint64_t row = blocks_[static_cast<std::uint64_t>(after - 1 - before_.begin())].row;
  while (!keeps(row) || left-- > 0) ++row;
  return row;
}

}  // namespace gradloom
