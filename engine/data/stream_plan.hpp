#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/data/source.hpp"
#include "engine/data/stream_window.hpp"

namespace gradloom {

/// How a set is read piece by piece.
struct StreamPlan {
  std::uint64_t block_rows = 0;     ///< read at once: of all columns
  std::uint64_t window_blocks = 0;  ///< whose rows are mixed; one window is in use while the next one is read
  std::size_t readers = 1;          ///< threads that read, each with a process of its own for every file
  bool reads_aside = true;          ///< false: a pass over all rows reads by the thread that uses them, to save memory
  bool targets_in_memory = false;   ///< the chunks of y hold so many more rows than a block that y is read once
  bool weights_in_memory = false;   ///< the same of the rows' weights
};

/// Bytes in memory of a row: of x, of y, and of its weight.
struct RowBytes {
  std::uint64_t x = 0, y = 0, weight = 0;
  [[nodiscard]] std::uint64_t all() const { return x + y + weight; }
};

/// What the reading may take.
struct StreamMemory {
  std::uint64_t bytes = 0;
  std::string name;                                             ///< what limits it, for messages
  StreamMemory(std::uint64_t b, std::string n = "data.memory")  // NOLINT(google-explicit-constructor)
      : bytes(b), name(std::move(n)) {}
};

/// The plan for training on the files of a source whose rows take `row` bytes in memory, within `memory` bytes for
/// everything that the reading holds. Blocks are whole chunks and suit the disk; windows are as large as they can be: a
/// function of the files' layout and of `memory`, never of threads or cores. DataError where no window fits: because
/// chunks are too large (names `gradloom repack`) or memory is too small.
StreamPlan plan_stream(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                       const StreamMemory& memory);

/// The plan with this window, which a run began with: DataError where `memory` has no room for it.
StreamPlan plan_stream_again(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                             const StreamMemory& memory, StreamWindow window);

/// The plan for going over all rows in the order of the files, which needs no windows: DataError where `memory` has no
/// room for a block.
StreamPlan plan_pass(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                     const StreamMemory& memory);

}  // namespace gradloom
