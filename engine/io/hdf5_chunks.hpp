#pragma once

#include <hdf5.h>

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "engine/io/hdf5_filters.hpp"

/// Chunked data sets, read a chunk at a time. Included by the hdf5*.cpp files alone.
namespace gradloom::h5 {

/// Called before work on as many bytes of elements in as many chunks, so that a process with limits may make room.
using Allow = std::function<void(std::uint64_t bytes, std::uint64_t chunks)>;

/// Takes the stored bytes of chunks from the library and undoes their filters itself. Keeps the chunks of the last band
/// of rows until their last element was read, so that reads which end within a chunk do not inflate it twice; large
/// ones without filters are read in part, never whole. The data set must stay open as long.
class ChunkReader {
 public:
  /// `file_bytes` bounds what a chunk may take in the file.
  ChunkReader(hid_t dataset, const DatasetInfo& info, std::uint64_t file_bytes, Allow allow);

  /// The elements of `part` (within the shape, rank 1 or 2), converted to `wanted`, row by row without a stride.
  /// Throws Unreadable.
  void read(const Part& part, NumberType wanted, std::byte* out);

  /// The elements of the chunk that begins at `offset`, one for each dimension, as they are in the file. Throws
  /// Unreadable.
  [[nodiscard]] Buffer chunk_at(const std::vector<hsize_t>& offset) const;

 private:
  struct Overlap;
  const Buffer& kept_chunk(std::uint64_t row, std::uint64_t col);
  bool read_whole(const Overlap& overlap, const Part& part, std::byte* out) const;
  void forget_if_read(const Overlap& overlap);
  void copy(const Overlap& overlap, const Part& part, std::optional<NumberType> wanted, std::byte* out);
  [[nodiscard]] std::vector<hsize_t> offset_of(std::uint64_t row, std::uint64_t col) const;
  [[nodiscard]] std::uint64_t stored_bytes(const std::vector<hsize_t>& offset) const;
  [[nodiscard]] bool filtered(const std::vector<hsize_t>& offset) const;

  hid_t dataset_;
  DatasetInfo info_;
  std::uint64_t file_bytes_;
  Allow allow_;
  std::uint64_t chunk_bytes_ = 0;
  std::vector<Filter> filters_;
  bool partial_are_plain_ = false;  // chunks over the edge of the shape are stored without filters
  std::map<std::pair<std::uint64_t, std::uint64_t>, Buffer> kept_;  // by index of row and column
  std::uint64_t kept_bytes_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace gradloom::h5
