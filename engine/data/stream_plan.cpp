#include "engine/data/stream_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "engine/core/ordered_stream.hpp"
#include "engine/core/parallel.hpp"
#include "engine/core/rounding.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Blocks in a window, where the layout lets us choose: rows of as many places of the set are mixed.
constexpr std::uint64_t kBlocksAWindow = 256;

// Smaller reads cost a disk more than they bring, larger ones mix less.
constexpr std::uint64_t kLeastBlockBytes = 32 << 10;
constexpr std::uint64_t kMostBlockBytes = 1 << 20;
constexpr std::uint64_t kLeastBlocks = 64;  // in a small memory

// Targets may be held in memory for as much of it, and weights for as much again.
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

// The tallest chunks of a side.
struct Grain {
  std::uint64_t rows = 1;
  const SourceFile* file = nullptr;
  std::string set;
  std::vector<std::uint64_t> chunk;

  void raise(const SourceFile& other, const h5::DatasetInfo& info, const std::string& name) {
    if (info.shape.empty() || chunk_rows(info) <= rows) return;
    *this = {chunk_rows(info), &other, name, info.chunk};
  }
};

struct Grains {
  Grain x, y, weights;
  bool library = false;
};

Grains grains_of(const std::vector<SourceFile>& files, const DataSource& source) {
  Grains grains;
  for (const SourceFile& file : files) {
    grains.x.raise(file, file.x, source.features);
    grains.y.raise(file, file.y, source.targets);
    grains.weights.raise(file, file.weights, source.weights);
    grains.library = grains.library || needs_library(file.x) || needs_library(file.y) || needs_library(file.weights);
  }
  return grains;
}

std::uint64_t total_rows(const std::vector<SourceFile>& files) {
  std::uint64_t rows = 0;
  for (const SourceFile& file : files) rows += file.rows();
  return rows;
}

std::uint64_t most_rows(const std::vector<SourceFile>& files) {
  std::uint64_t rows = 0;
  for (const SourceFile& file : files) rows = std::max(rows, file.rows());
  return rows;
}

// What every plan has: blocks of about `wished` bytes, readers, and where targets and weights are.
struct Blocks {
  StreamPlan plan;
  std::uint64_t memory = 0;  // without what is held
  std::uint64_t bytes = 0;   // of a block
  std::size_t readers = 1;   // on a machine with as many cores
  Grain tall;                // the chunks that make blocks as tall as they are; no file: there are none
};

[[noreturn]] void refuse(const std::vector<SourceFile>& files, const Blocks& blocks, const StreamMemory& memory) {
  const Grain& tall = blocks.tall;
  if (tall.file != nullptr && blocks.bytes > memory.bytes / kLeastBlocks)
    throw DataError(fmt::format(
        "{}: cannot be streamed: the chunks of /{} are ({}), so {} rows are read at once, which take {} bytes, and {} "
        "leaves {} for all that is read; rewrite it with `gradloom repack`, or raise {}",
        tall.file->path, tall.set, fmt::join(tall.chunk, ", "), blocks.plan.block_rows, blocks.bytes, memory.name,
        memory.bytes, memory.name));
  throw DataError(fmt::format("{}: cannot be streamed within the {} bytes that {} leaves for it; raise it",
                              files.front().path, memory.bytes, memory.name));
}

Blocks plan_blocks(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row, std::uint64_t memory,
                   std::uint64_t wished) {
  const Grains grains = grains_of(files, source);
  Blocks blocks;
  blocks.memory = memory;
  StreamPlan& plan = blocks.plan;
  const auto raise_to = [&](const Grain& grain) {
    if (grain.rows > plan.block_rows) blocks.tall = grain;
    plan.block_rows = round_up(plan.block_rows, grain.rows);
  };
  wished = std::clamp(wished, std::min(kLeastBlockBytes, memory / kLeastBlocks), kMostBlockBytes);
  plan.block_rows = std::clamp<std::uint64_t>(wished / std::max<std::uint64_t>(1, row.all()), 1, most_rows(files));
  raise_to(grains.x);
  const auto hold_or_raise_to = [&](const Grain& grain, std::uint64_t bytes, bool& in_memory) {
    if (bytes == 0 || grain.rows * bytes <= plan.block_rows * row.all()) return;
    const std::uint64_t rows = total_rows(files);
    in_memory = rows <= memory / kTargetsShare / bytes;
    if (in_memory)
      blocks.memory -= rows * bytes;
    else
      raise_to(grain);
  };
  hold_or_raise_to(grains.y, row.y, plan.targets_in_memory);
  hold_or_raise_to(grains.weights, row.weight, plan.weights_in_memory);
  // Sizes are those of files: they do not overflow.
  blocks.bytes = plan.block_rows * row.all();
  if (grains.library)
    blocks.readers = std::clamp<std::uint64_t>(blocks.memory / kReaderShare / blocks.bytes, 1, kMostReaders);
  plan.readers = std::min(allowed_cores(), blocks.readers);
  return blocks;
}

}  // namespace

StreamPlan plan_stream(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                       const StreamMemory& memory) {
  Blocks blocks = plan_blocks(files, source, row, memory.bytes, memory.bytes / 16 * 7 / kBlocksAWindow);
  // Beside two windows there are blocks on their way: a reader's own, and its process's chunks.
  const std::uint64_t share = blocks.memory / 8 * 7;
  const std::uint64_t on_the_way = 2 * blocks.readers * blocks.bytes;
  if (share > on_the_way) blocks.plan.window_blocks = (share - on_the_way) / 2 / blocks.bytes;
  if (blocks.plan.window_blocks == 0) refuse(files, blocks, memory);
  return blocks.plan;
}

StreamPlan plan_stream_again(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                             const StreamMemory& memory, StreamWindow window) {
  StreamPlan plan = plan_stream(files, source, row, memory);
  const std::uint64_t needed = 2 * (window.blocks + plan.readers) * window.block_rows * row.all();
  if (needed > memory.bytes)
    throw DataError(
        fmt::format("{}: the run began with windows of {} rows, of which two, and blocks on their way, take {} bytes, "
                    "and {} now leaves {}; raise it to go on",
                    files.front().path, window.blocks * window.block_rows, needed, memory.name, memory.bytes));
  plan.block_rows = window.block_rows;
  plan.window_blocks = window.blocks;
  return plan;
}

StreamPlan plan_pass(const std::vector<SourceFile>& files, const DataSource& source, RowBytes row,
                     const StreamMemory& memory) {
  Blocks blocks = plan_blocks(files, source, row, memory.bytes, memory.bytes / 16);
  if (blocks.bytes > blocks.memory) refuse(files, blocks, memory);
  const std::uint64_t fitting = blocks.memory / blocks.bytes;
  while (blocks.plan.readers > 1 && stream_slots(blocks.plan.readers + 1) > fitting) --blocks.plan.readers;
  blocks.plan.reads_aside = stream_slots(2) <= fitting;
  return blocks.plan;
}

}  // namespace gradloom
