#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/data/row_table.hpp"
#include "engine/data/sampler.hpp"
#include "engine/io/scratch_file.hpp"

namespace gradloom {

/// Puts the rows of a table in a pseudo-random order that is a function of (seed, number of rows) alone, in bounded
/// memory: a first pass distributes them over buckets, in a scratch file, by the place that they come to; a second one
/// takes a bucket after the other into memory and puts its rows in their places.
class RowShuffle {
 public:
  /// `sets` must outlive it. Takes an eighth of `memory` until the first pass ends, then five eighths.
  RowShuffle(const std::vector<RowSet>& sets, std::uint64_t rows, std::uint64_t seed, std::uint64_t memory,
             const std::string& beside);

  /// The first pass: all rows, in order.
  void add(const TableBlock& block);
  /// The second pass, behind the first: gives blocks of rows in the new order.
  void for_each_block(const std::function<void(const TableBlock&)>& use);

 private:
  void flush(std::uint64_t bucket);
  [[nodiscard]] std::uint64_t rows_of(std::uint64_t bucket) const;
  void load(std::uint64_t bucket, RowBuffer& rows, std::vector<std::byte>& records) const;

  // Constant after construction.
  const std::vector<RowSet>& sets_;
  const std::uint64_t rows_;
  const KeyedPermutation place_of_;  // of a row
  const std::size_t record_bytes_;   // a row behind its place in the bucket
  const std::uint64_t bucket_rows_;  // places of a bucket; the last one may have fewer
  const std::uint64_t buckets_;
  const std::uint64_t memory_;
  const std::uint64_t buffer_rows_;  // of a bucket in memory

  ScratchFile scratch_;                  // bucket after bucket
  std::vector<std::byte> buffers_;       // of all buckets
  std::vector<std::uint64_t> buffered_;  // rows of a bucket that are in its buffer
  std::vector<std::uint64_t> written_;   // and those in the scratch file
  std::vector<std::uint64_t> places_;    // of the rows of a block
};

}  // namespace gradloom
