#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/pending_files.hpp"
#include "engine/data/row_table.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/repack.hpp"

namespace gradloom {

/// The files that `rows` rows are written to, in order: `output` itself, or for N > 1 shards `output` with a number
/// before its extension, FILE.000-of-NNN.h5, each with as many rows as the others or one more.
std::vector<RepackedFile> plan_shards(const std::string& output, std::uint64_t shards, std::uint64_t rows);

/// What data.train must be to train these files: the one file, or a glob that matches no others of its kind.
std::string training_glob(const std::string& output, std::uint64_t shards);

/// Writes the rows of a table in order. The bytes of the files do not depend on the blocks in which rows come: chunks
/// are written whole, in the order in which their last rows come. They are compressed on all cores.
class ShardWriter {
 public:
  /// `sets` must outlive it. ConfigError and FileError as of PendingFiles::add. Chunks should be a small part of
  /// `memory`: one of each set, and some more that are being compressed, are in memory.
  ShardWriter(const std::vector<RowSet>& sets, std::vector<RepackedFile> files, const RepackOptions& options);

  void append(const TableBlock& block);
  /// Behind the last row: the files appear.
  void publish();

 private:
  struct Chunk {
    std::size_t most_rows = 0;
    std::size_t rows = 0;
    std::vector<std::byte> bytes;
  };
  struct Packing {
    std::size_t set = 0;
    std::size_t rows = 0;
    std::future<std::vector<std::byte>> bytes;
  };
  void open_next();
  void close();
  void append_to_chunk(std::size_t set, const std::byte* rows, std::size_t count);
  void write_chunk(std::size_t set, const std::byte* rows);
  void pack(std::size_t set, const std::byte* rows);
  void write_packed();
  [[nodiscard]] std::size_t rows_to_boundary(std::size_t rows) const;

  // Constant after construction.
  const std::vector<RowSet>& sets_;
  const std::vector<RepackedFile> files_;
  const std::size_t chunk_rows_;
  const int deflate_;
  const std::uint64_t memory_;

  PendingFiles pending_;
  std::vector<std::string> temporary_;  // names of files_
  std::size_t opened_ = 0;              // files
  std::optional<h5::File> file_;        // the last of them
  std::uint64_t rows_left_ = 0;         // of it
  std::vector<Chunk> chunks_;           // that are begun, one of every set
  std::size_t most_packing_ = 1;
  std::deque<Packing> packing_;  // chunks that are being compressed, the next to be written first
};

}  // namespace gradloom
