#include "engine/io/hdf5_chunks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/io/hdf5_convert.hpp"
#include "engine/io/hdf5_internal.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::uint64_t kMostKept = 512 << 20;      // bytes of chunks kept between reads
constexpr std::uint64_t kWholeBytes = 4 << 20;      // of a chunk without filters that is read whole
constexpr std::size_t kConvertedBytes = 256 << 10;  // at a time: they stay in the processor's cache

Filter filter_at(hid_t creation, unsigned index) {
  unsigned flags = 0, config = 0, element_bytes = 0;
  std::size_t values = 1;
  switch (H5Pget_filter2(creation, index, &flags, &values, &element_bytes, 0, nullptr, &config)) {
    case H5Z_FILTER_DEFLATE:
      return {FilterKind::kDeflate, 1};
    case H5Z_FILTER_SHUFFLE:
      return {FilterKind::kShuffle, values == 0 ? 0U : element_bytes};
    case H5Z_FILTER_FLETCHER32:
      return {FilterKind::kFletcher32, 1};
    default:
      throw Unreadable("its filters cannot be read");
  }
}

// Rows in memory, `stride` bytes apart.
template <class Byte>
struct Rows {
  Byte* begin;
  std::size_t stride;
};

void copy_rows(Rows<const std::byte> from, Rows<std::byte> to, std::size_t row_bytes, std::uint64_t rows) {
  if (from.stride == row_bytes && to.stride == row_bytes) {
    std::memcpy(to.begin, from.begin, rows * row_bytes);
    return;
  }
  for (std::uint64_t r = 0; r < rows; ++r)
    std::memcpy(to.begin + r * to.stride, from.begin + r * from.stride, row_bytes);
}

}  // namespace

// What a chunk and a part have in common. Rows and columns are those of the data set.
struct ChunkReader::Overlap {
  std::uint64_t chunk_row, chunk_col;  // indices of the chunk
  std::uint64_t row, rows, col, cols;
};

ChunkReader::ChunkReader(hid_t dataset, const DatasetInfo& info, std::uint64_t file_bytes, Allow allow)
    : dataset_(dataset), info_(info), file_bytes_(file_bytes), allow_(std::move(allow)), chunk_bytes_(info.type_bytes) {
  for (const std::uint64_t n : info.chunk)
    if (__builtin_mul_overflow(chunk_bytes_, n, &chunk_bytes_)) throw Unreadable("its chunks are too large");
  const Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  for (std::size_t i = 0; i < info.filters.size(); ++i)
    filters_.push_back(filter_at(creation.id(), static_cast<unsigned>(i)));
  unsigned options = 0;
  if (H5Pget_chunk_opts(creation.id(), &options) >= 0)
    partial_are_plain_ = (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
}

std::vector<hsize_t> ChunkReader::offset_of(std::uint64_t row, std::uint64_t col) const {
  if (info_.chunk.size() == 1) return {row * info_.chunk[0]};
  return {row * info_.chunk[0], col * info_.chunk[1]};
}

std::uint64_t ChunkReader::stored_bytes(const std::vector<hsize_t>& offset) const {
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size(dataset_, offset.data(), &stored) < 0) throw Unreadable(last_error());
  if (stored == 0) throw Unreadable("a chunk is missing");
  if (stored > file_bytes_) throw Unreadable("a chunk is said to be larger than the file");
  return stored;
}

bool ChunkReader::filtered(const std::vector<hsize_t>& offset) const {
  if (filters_.empty()) return false;
  if (!partial_are_plain_) return true;
  for (std::size_t i = 0; i < offset.size(); ++i)
    if (offset[i] + info_.chunk[i] > info_.shape[i]) return false;
  return true;
}

Buffer ChunkReader::chunk_at(const std::vector<hsize_t>& offset) const {
  const std::uint64_t stored = stored_bytes(offset);
  const bool plain = !filtered(offset);
  if (plain && stored != chunk_bytes_)
    throw Unreadable(fmt::format("a chunk has {} bytes where its shape needs {}", stored, chunk_bytes_));
  allow_(chunk_bytes_ + kept_bytes_, 1);
  Buffer bytes(stored);
  std::uint32_t skipped = 0;
  if (H5Dread_chunk(dataset_, H5P_DEFAULT, offset.data(), &skipped, bytes.data()) < 0) throw Unreadable(last_error());
  return plain ? std::move(bytes) : undo_filters(filters_, skipped, std::move(bytes), chunk_bytes_);
}

const Buffer& ChunkReader::kept_chunk(std::uint64_t row, std::uint64_t col) {
  if (const auto found = kept_.find({row, col}); found != kept_.end()) return found->second;
  if ((!kept_.empty() && kept_.begin()->first.first != row) || kept_bytes_ + chunk_bytes_ > kMostKept) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  const Buffer& chunk = kept_.emplace(std::pair{row, col}, chunk_at(offset_of(row, col))).first->second;
  kept_bytes_ += chunk_bytes_;
  return chunk;
}

void ChunkReader::read(const Part& part, NumberType wanted, std::byte* out) {
  if (part.rows == 0 || part.cols == 0) return;
  const Handle type(H5Dget_type(dataset_), H5Tclose);
  const hid_t memory_type = memory_type_of(wanted);
  const bool as_stored = H5Tequal(type.id(), memory_type) > 0;
  const std::uint64_t tall = info_.chunk[0];
  const std::uint64_t wide = info_.chunk.size() == 1 ? 1 : info_.chunk[1];
  const std::uint64_t last_row = (part.first + part.rows - 1) / tall;
  const std::uint64_t last_col = (part.col + part.cols - 1) / wide;
  allow_(0, (last_row - part.first / tall + 1) * (last_col - part.col / wide + 1));
  // Chunks that the library does not keep, it reads in part.
  if (filters_.empty() && chunk_bytes_ > kWholeBytes)
    return read_slab(dataset_, info_.type_bytes, part, memory_type, out);
  for (std::uint64_t r = part.first / tall; r <= last_row; ++r)
    for (std::uint64_t c = part.col / wide; c <= last_col; ++c) {
      Overlap overlap{r, c, std::max(part.first, r * tall), 0, std::max(part.col, c * wide), 0};
      overlap.rows = std::min(part.first + part.rows, (r + 1) * tall) - overlap.row;
      overlap.cols = std::min(part.col + part.cols, (c + 1) * wide) - overlap.col;
      if (as_stored && read_whole(overlap, part, out)) continue;
      copy(overlap, part, as_stored ? std::nullopt : std::optional(wanted), out);
      forget_if_read(overlap);
    }
}

// Sets are read from their first row to their last: behind its last element a chunk is not asked for again.
void ChunkReader::forget_if_read(const Overlap& overlap) {
  const std::uint64_t wide = info_.chunk.size() == 1 ? 1 : info_.chunk[1];
  const std::uint64_t cols = info_.chunk.size() == 1 ? 1 : info_.shape[1];
  if (overlap.row + overlap.rows != std::min(info_.shape[0], (overlap.chunk_row + 1) * info_.chunk[0])) return;
  if (overlap.col + overlap.cols != std::min(cols, (overlap.chunk_col + 1) * wide)) return;
  kept_bytes_ -= kept_.erase({overlap.chunk_row, overlap.chunk_col}) * chunk_bytes_;
}

// A chunk without filters that lies in `out` as it does in the file is read to its place.
bool ChunkReader::read_whole(const Overlap& overlap, const Part& part, std::byte* out) const {
  const std::uint64_t wide = info_.chunk.size() == 1 ? 1 : info_.chunk[1];
  if (!filters_.empty() || overlap.rows != info_.chunk[0] || overlap.cols != wide || part.cols != wide) return false;
  const std::vector<hsize_t> offset = offset_of(overlap.chunk_row, overlap.chunk_col);
  if (stored_bytes(offset) != chunk_bytes_) return false;  // chunk_at tells
  std::uint32_t skipped = 0;
  std::byte* place = out + (overlap.row - part.first) * part.cols * info_.type_bytes;
  if (H5Dread_chunk(dataset_, H5P_DEFAULT, offset.data(), &skipped, place) < 0) throw Unreadable(last_error());
  return true;
}

// Copies and converts. No type: the elements are wanted as they are.
void ChunkReader::copy(const Overlap& overlap, const Part& part, std::optional<NumberType> wanted, std::byte* out) {
  const std::uint64_t wide = info_.chunk.size() == 1 ? 1 : info_.chunk[1];
  const std::size_t from_bytes = info_.type_bytes;
  const std::size_t to_bytes = wanted ? bytes_of(*wanted) : from_bytes;
  const std::size_t row_from = overlap.cols * from_bytes;
  const std::size_t row_to = overlap.cols * to_bytes;
  const Buffer& chunk = kept_chunk(overlap.chunk_row, overlap.chunk_col);
  const std::byte* const corner =
      chunk.data() + (overlap.row % info_.chunk[0] * wide + overlap.col % wide) * from_bytes;
  if (wanted && info_.number && is_converted(*wanted)) {
    for (std::uint64_t r = 0; r < overlap.rows; ++r) {
      std::byte* const to = out + ((overlap.row + r - part.first) * part.cols + (overlap.col - part.col)) * to_bytes;
      convert(*info_.number, info_.big_endian, corner + r * wide * from_bytes, *wanted, to, overlap.cols);
    }
    return;
  }
  const Handle type(H5Dget_type(dataset_), H5Tclose);
  // Whole rows follow each other in `out`; where they do not become shorter they are converted there.
  const bool in_place = overlap.cols == part.cols && to_bytes >= from_bytes;
  const std::uint64_t step = std::max<std::uint64_t>(kConvertedBytes / std::max(row_from, row_to), 1);
  for (std::uint64_t done = 0; done < overlap.rows; done += step) {
    const std::uint64_t rows = std::min(step, overlap.rows - done);
    const std::uint64_t row = overlap.row + done;
    if (!in_place) scratch_.resize(std::max(scratch_.size(), rows * std::max(row_from, row_to)));
    std::byte* to = out + ((row - part.first) * part.cols + (overlap.col - part.col)) * to_bytes;
    std::byte* packed = in_place ? to : scratch_.data();
    copy_rows({corner + done * wide * from_bytes, wide * from_bytes}, {packed, row_from}, row_from, rows);
    if (wanted && H5Tconvert(type.id(), memory_type_of(*wanted), rows * overlap.cols, packed, nullptr, H5P_DEFAULT) < 0)
      throw Unreadable(last_error());
    if (!in_place) copy_rows({packed, row_to}, {to, part.cols * to_bytes}, row_to, rows);
  }
}

}  // namespace gradloom::h5
