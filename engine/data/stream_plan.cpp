#include "engine/data/stream_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/core/ordered_stream.hpp"
#include "engine/core/parallel.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Blocks in a window, where the layout lets us choose: rows of as many places of the set are mixed.
constexpr std::uint64_t kBlocksAWindow = 256;

// Smaller reads cost a disk more than they bring, larger ones mix less.
constexpr std::uint64_t kLeastBlockBytes = 32 << 10;
constexpr std::uint64_t kMostBlockBytes = 1 << 20;
constexpr std::uint64_t kLeastBlocks = 64;  // in a small memory

// Targets may be held in memory for as much of it.
constexpr std::uint64_t kTargetsShare = 8;

// Threads that read, where a block for each takes no more than this part of the memory. Files that need no library have
// one, which reads as fast as memory is copied.
constexpr std::uint64_t kMostReaders = 4;
constexpr std::uint64_t kReaderShare = 32;

// What goes through the library is inflated and converted by processes of their own, several at once.
bool needs_library(const h5::DatasetInfo& info) { return !info.shape.empty() && !info.chunk.empty(); }

std::uint64_t chunk_rows(const h5::DatasetInfo& info) {
  return info.chunk.empty() ? 1 : std::min(info.chunk[0], info.shape[0]);
}

std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b * b; }

// The tallest chunks of a side.
struct Grain {
  std::uint64_t rows = 1;
  const SourceFile* file = nullptr;
  h5::DatasetInfo SourceFile::*set = nullptr;

  void raise(const SourceFile& other, h5::DatasetInfo SourceFile::*side) {
    if ((other.*side).shape.empty() || chunk_rows(other.*side) <= rows) return;
    *this = {chunk_rows(other.*side), &other, side};
  }
};

struct Grains {
  Grain x, y;
  bool library = false;
};

Grains grains_of(const std::vector<SourceFile>& files) {
  Grains grains;
  for (const SourceFile& file : files) {
    grains.x.raise(file, &SourceFile::x);
    grains.y.raise(file, &SourceFile::y);
    grains.library = grains.library || needs_library(file.x) || needs_library(file.y);
  }
  return grains;
}

std::uint64_t total_rows(const std::vector<SourceFile>& files) {
  std::uint64_t rows = 0;
  for (const SourceFile& file : files) rows += file.rows();
  return rows;
}

// What every plan has: blocks of about `wished` bytes, readers, and where targets are.
struct Blocks {
  StreamPlan plan;
  Grains grains;
  std::uint64_t memory = 0;  // without targets that are held
  std::uint64_t bytes = 0;   // of a block
  std::size_t readers = 1;   // on a machine with as many cores
};

[[noreturn]] void refuse(const std::vector<SourceFile>& files, const DataSource& source, const Blocks& blocks,
                         std::uint64_t memory) {
  const Grain& tallest =
      blocks.plan.targets_in_memory || blocks.grains.x.rows >= blocks.grains.y.rows ? blocks.grains.x : blocks.grains.y;
  if (tallest.rows > 1 && blocks.bytes > memory / kLeastBlocks)
    throw DataError(fmt::format(
        "{}: cannot be streamed: the chunks of /{} are ({}), so {} rows are read at once, which take {} "
        "bytes, and data.memory leaves {} for all that is read; rewrite it with `gradloom repack`, or raise "
        "data.memory",
        tallest.file->path, tallest.set == &SourceFile::x ? source.features : source.targets,
        fmt::join((tallest.file->*tallest.set).chunk, ", "), blocks.plan.block_rows, blocks.bytes, memory));
  throw DataError(fmt::format("{}: cannot be streamed within the {} bytes that data.memory leaves for it; raise it",
                              files.front().path, memory));
}

Blocks plan_blocks(const std::vector<SourceFile>& files, RowBytes row, std::uint64_t memory, std::uint64_t wished) {
  Blocks blocks;
  blocks.grains = grains_of(files);
  blocks.memory = memory;
  StreamPlan& plan = blocks.plan;
  wished = std::clamp(wished, std::min(kLeastBlockBytes, memory / kLeastBlocks), kMostBlockBytes);
  plan.block_rows =
      round_up(std::max<std::uint64_t>(1, wished / std::max<std::uint64_t>(1, row.both())), blocks.grains.x.rows);
  if (row.y != 0 && blocks.grains.y.rows * row.y > plan.block_rows * row.both()) {
    const std::uint64_t rows = total_rows(files);
    plan.targets_in_memory = rows <= memory / kTargetsShare / row.y;
    if (plan.targets_in_memory)
      blocks.memory -= rows * row.y;
    else
      plan.block_rows = round_up(plan.block_rows, blocks.grains.y.rows);
  }
  // Sizes are those of files: they do not overflow.
  blocks.bytes = plan.block_rows * row.both();
  if (blocks.grains.library)
    blocks.readers = std::clamp<std::uint64_t>(blocks.memory / kReaderShare / blocks.bytes, 1, kMostReaders);
  plan.readers = std::min(allowed_cores(), blocks.readers);
  return blocks;
}

}  // namespace

StreamPlan plan_stream(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                       std::uint64_t memory) {
  Blocks blocks = plan_blocks(files, row, memory, memory / 16 * 7 / kBlocksAWindow);
  // Beside two windows there are blocks on their way: a reader's own, and its process's chunks.
  const std::uint64_t share = blocks.memory / 8 * 7;
  const std::uint64_t on_the_way = 2 * blocks.readers * blocks.bytes;
  if (share > on_the_way) blocks.plan.window_blocks = (share - on_the_way) / 2 / blocks.bytes;
  if (blocks.plan.window_blocks == 0) refuse(files, source, blocks, memory);
  return blocks.plan;
}

StreamPlan plan_stream_again(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                             std::uint64_t memory, StreamWindow window) {
  StreamPlan plan = plan_stream(files, source, row, memory);
  const std::uint64_t needed = 2 * window.blocks * window.block_rows * row.both();
  if (needed > memory)
    throw DataError(
        fmt::format("{}: the run began with windows of {} rows, of which two take {} bytes, and data.memory now "
                    "allows {}; raise it to go on",
                    files.front().path, window.blocks * window.block_rows, needed, memory));
  plan.block_rows = window.block_rows;
  plan.window_blocks = window.blocks;
  return plan;
}

StreamPlan plan_pass(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                     std::uint64_t memory) {
  Blocks blocks = plan_blocks(files, row, memory, memory / 16);
  if (blocks.bytes > blocks.memory) refuse(files, source, blocks, memory);
  const std::uint64_t fitting = blocks.memory / blocks.bytes;
  while (blocks.plan.readers > 1 && stream_slots(blocks.plan.readers + 1) > fitting) --blocks.plan.readers;
  blocks.plan.reads_aside = stream_slots(2) <= fitting;
  return blocks.plan;
}

}  // namespace gradloom
