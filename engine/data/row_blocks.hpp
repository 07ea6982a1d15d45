#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/data/row_split.hpp"

namespace gradloom {

/// Consecutive rows of one file.
struct RowBlock {
  std::size_t file = 0;        ///< its place among the files
  std::uint64_t file_row = 0;  ///< of the first row, in the file
  std::uint64_t row = 0;       ///< of the first row, in all files
  std::uint64_t rows = 0;
};

/// The rows of some files, read as one, cut into blocks file by file: all of as many rows but the last one of a file.
/// Arithmetic alone: no table grows with the rows. Constant after construction.
class RowBlocks {
 public:
  /// Each file has at least one row; 0 < block_rows.
  RowBlocks(std::span<const std::uint64_t> file_rows, std::uint64_t block_rows);

  [[nodiscard]] std::uint64_t count() const { return starts_.back().block; }
  [[nodiscard]] std::uint64_t rows() const { return starts_.back().row; }
  [[nodiscard]] std::uint64_t block_rows() const { return block_rows_; }

  /// b < count().
  [[nodiscard]] RowBlock operator[](std::uint64_t b) const;
  /// The block that holds row `row` < rows().
  [[nodiscard]] std::uint64_t block_of(std::uint64_t row) const;

 private:
  struct Start {
    std::uint64_t block, row;
  };
  std::uint64_t block_rows_;
  std::vector<Start> starts_;  ///< [file], and the end
};

/// The rows of a source that have a certain use. Constant after construction.
class KeptRows {
 public:
  /// All of them.
  explicit KeptRows(const RowBlocks& blocks) : blocks_(blocks) {}
  /// Those that the split gives this use. Looks at every row once.
  KeptRows(const RowBlocks& blocks, RowSplit split, RowUse use);

  [[nodiscard]] bool all() const { return before_.empty(); }
  [[nodiscard]] bool keeps(std::uint64_t row) const;
  [[nodiscard]] std::uint64_t count() const { return all() ? blocks_.rows() : before_.back(); }
  /// Kept rows before block b, and in it.
  [[nodiscard]] std::uint64_t before(std::uint64_t b) const;
  [[nodiscard]] std::uint64_t in(std::uint64_t b) const;
  /// The source's row of the kept row that is number `number` < count().
  [[nodiscard]] std::uint64_t source_row(std::uint64_t number) const;

 private:
  RowBlocks blocks_;
  RowSplit split_;
  RowUse use_ = RowUse::kTraining;
  std::vector<std::uint64_t> before_;  ///< [block], and the end; empty where all rows are kept
};

}  // namespace gradloom
