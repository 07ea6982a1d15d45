#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/ordered_stream.hpp"
#include "engine/data/import_sources.hpp"
#include "engine/io/text_blocks.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// Whole records of one text source.
struct SourceBlock {
  TextBlock text;
  std::size_t source = 0;      ///< its place among the sources
  char separator = '\0';       ///< 0: the text has none, and no quotes
  bool begins_source = false;  ///< holds the source's first record
  std::uint64_t number = 0;    ///< of the block, from 0 over all sources
};

struct BlockOptions {
  bool separated = true;        ///< CSV or TSV, whose quotes may hold line ends; else plain lines
  bool header = false;          ///< every source must begin with one
  std::size_t block_bytes = 0;  ///< as of TextBlockReader
};

/// The blocks of text sources, one source after the other.
class SourceBlockReader {
 public:
  SourceBlockReader(const std::vector<ImportSource>& sources, const BlockOptions& options)
      : sources_(sources), options_(options) {}

  /// The next block; false at the end. DataError as of TextBlockReader, and for a source that lacks its header.
  bool next(SourceBlock& block);
  /// Bytes of the sources, as they stand on disk, that the blocks so far are made of.
  [[nodiscard]] std::uint64_t bytes_used() const { return bytes_before_ + (reader_ ? reader_->bytes_used() : 0); }

 private:
  void open_next();
  bool next_of_source(TextBlock& text);

  const std::vector<ImportSource>& sources_;  ///< must outlive the reader
  BlockOptions options_;
  std::size_t opened_ = 0;  ///< sources
  std::unique_ptr<TextBlockReader> reader_;
  char separator_ = '\0';
  bool begins_source_ = false;
  std::uint64_t bytes_before_ = 0;  ///< of sources that were read
  std::uint64_t next_number_ = 0;
};

/// How the passes over the sources of one import go.
struct PassOptions {
  const std::vector<ImportSource>& sources;  ///< must outlive the passes
  BlockOptions blocks;
  std::size_t threads = 1;
  std::function<void(const WorkProgress&)> on_progress;  ///< may be empty
};

/// The options' threads, or all cores allowed to the process.
std::size_t threads_of(const ImportOptions& options);

/// One pass: `work(block, found)` makes a Found of each block, of several blocks at once; `merge(found)` takes them one
/// at a time, in order. A Found is used again for a later block.
template <class Found, class Work, class Merge>
void for_each_block(const PassOptions& options, const std::string& phase, Work work, Merge merge) {
  struct Slot {
    SourceBlock block;
    Found found;
    std::uint64_t bytes_used = 0;
  };
  std::vector<Slot> slots(stream_slots(options.threads));
  SourceBlockReader reader(options.sources, options.blocks);
  const std::uint64_t total = total_bytes(options.sources);
  StreamStages stages;
  stages.read = [&](std::size_t i) {
    const bool more = reader.next(slots[i].block);
    slots[i].bytes_used = reader.bytes_used();
    return more;
  };
  stages.work = [&](std::size_t i) { work(slots[i].block, slots[i].found); };
  stages.write = [&](std::size_t i) {
    merge(slots[i].found);
    if (options.on_progress) options.on_progress({phase, slots[i].bytes_used, total});
  };
  run_in_order(options.threads, stages);
}

}  // namespace gradloom
