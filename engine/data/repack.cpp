#include "gradloom/repack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "engine/data/row_shuffle.hpp"
#include "engine/data/row_table.hpp"
#include "engine/data/shard_writer.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Rows, and chunks, that are in memory at once must be a small part of it: several stages hold some.
constexpr std::uint64_t kLeastRows = 16;
constexpr std::uint64_t kLargestChunk = (1ULL << 32) - 1;  // bytes; HDF5's own limit

void require_sound(const RepackOptions& options) {
  if (options.output.empty()) throw ConfigError("repack: --output FILE is missing");
  if (options.deflate < 0 || options.deflate > 9) throw ConfigError("repack: --deflate must be from 0 to 9");
  if (options.shards == 0 || options.shards > RepackOptions::kMostShards)
    throw ConfigError(fmt::format("repack: --shards must be from 1 to {}", RepackOptions::kMostShards));
  if (options.memory < RepackOptions::kLeastMemory)
    throw ConfigError(fmt::format("repack: --memory must be at least {}MiB", RepackOptions::kLeastMemory >> 20));
}

std::string memory_for(std::uint64_t bytes) { return fmt::format("--memory {}MiB", (bytes * kLeastRows >> 20) + 1); }

void require_room(const RepackOptions& options, const RowTable& table) {
  const std::uint64_t row = table.row_bytes();
  if (row > options.memory / kLeastRows)
    throw ConfigError(
        fmt::format("repack: a row takes {} bytes, too many for --memory; give {} or more", row, memory_for(row)));
  const std::uint64_t chunk_rows = std::min<std::uint64_t>(options.chunk_rows, table.rows);
  const std::uint64_t most = std::min(options.memory / kLeastRows, kLargestChunk);
  if (chunk_rows > most / row)
    throw ConfigError(
        fmt::format("repack: --chunk-rows {}: a row takes {} bytes, so that at most {} rows fit a chunk "
                    "with this --memory",
                    options.chunk_rows, row, most / row));
  if (options.shards > table.rows)
    throw ConfigError(fmt::format("repack: --shards {}: there are only {} rows to split", options.shards, table.rows));
}

void require_apart(const std::vector<RepackedFile>& outputs, const RowTable& table) {
  for (const RepackedFile& output : outputs)
    for (const std::string& source : table.files) {
      std::error_code ignored;  // an output that does not stand yet is no source
      if (std::filesystem::equivalent(output.path, source, ignored))
        throw ConfigError(fmt::format("repack: the output {} is a source; name another file", output.path));
    }
}

// What a pass does with a block, and then says how far it is.
template <class Use>
std::function<void(const TableBlock&)> telling(const RepackOptions& options, std::string phase, const RowTable& table,
                                               const Use& use) {
  std::uint64_t row_bytes = 0;
  for (const RowSet& set : table.sets) row_bytes += set.row_bytes();
  return [&options, phase = std::move(phase), rows = table.rows, row_bytes, use](const TableBlock& block) {
    use(block);
    if (options.on_progress) options.on_progress({phase, (block.first + block.rows) * row_bytes, rows * row_bytes});
  };
}

void copy_rows(const RepackOptions& options, const RowTable& table, ShardWriter& writer) {
  for_each_block(table, options.memory, options.output,
                 telling(options, "copying", table, [&](const TableBlock& block) { writer.append(block); }));
}

void shuffle_rows(const RepackOptions& options, const RowTable& table, ShardWriter& writer) {
  RowShuffle shuffle(table.sets, table.rows, options.seed, options.memory, options.output);
  for_each_block(table, options.memory, options.output,
                 telling(options, "distributing", table, [&](const TableBlock& block) { shuffle.add(block); }));
  shuffle.for_each_block(telling(options, "ordering", table, [&](const TableBlock& block) { writer.append(block); }));
}

RepackReport report_of(const RepackOptions& options, const RowTable& table, std::vector<RepackedFile> files) {
  RepackReport report;
  report.rows = table.rows;
  for (const RowSet& set : table.sets)
    report.sets.push_back({"/" + set.path, set.cols, h5::name_of(set.type), set.exact ? "" : set.stored_type});
  report.files = std::move(files);
  report.train = training_glob(options.output, options.shards);
  report.left_out = table.left_out;
  return report;
}

}  // namespace

RepackReport repack(const RepackOptions& options) {
  require_sound(options);
  const RowTable table = examine_rows(options);
  require_room(options, table);
  const std::vector<RepackedFile> files = plan_shards(options.output, options.shards, table.rows);
  require_apart(files, table);
  ShardWriter writer(table.sets, files, options);
  if (options.shuffle_rows)
    shuffle_rows(options, table, writer);
  else
    copy_rows(options, table, writer);
  writer.publish();
  return report_of(options, table, files);
}

}  // namespace gradloom
