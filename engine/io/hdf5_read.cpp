#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/core/rounding.hpp"
#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_remote.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::uint64_t kDeflateRatio = 1100;       // zlib compresses by 1032 at best
constexpr std::uint64_t kUnprovenBytes = 1 << 20;   // that deflated chunks may promise before one of them is inflated
constexpr std::uint64_t kWidestEmptyRow = 1 << 16;  // elements in one row, or column, of a set without any
constexpr std::uint64_t kCountedPerRead = 8;        // chunks that are counted in the time of one that is read

std::string filter_name(H5Z_filter_t filter) {
  switch (filter) {
    case H5Z_FILTER_DEFLATE:
      return "deflate";
    case H5Z_FILTER_SHUFFLE:
      return "shuffle";
    case H5Z_FILTER_FLETCHER32:
      return "fletcher32";
    default:
      return std::to_string(filter);
  }
}

std::vector<std::string> filters_of(hid_t creation) {
  std::vector<std::string> names;
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    names.push_back(
        filter_name(H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, &config)));
  }
  return names;
}

// One data set under examination.
struct Examined {
  const OpenFile& file;
  const std::string& path;
  hid_t dataset;
  Handle creation;

  [[noreturn]] void refuse(std::string_view what) const { throw_data_error(file.name, path, what); }
};

void read_type(const Examined& e, DatasetInfo& info) {
  const Handle type(H5Dget_type(e.dataset), H5Tclose);
  if (!type.valid()) e.refuse("has no readable type: " + last_error());
  if (const std::string_view objection = describe_type(type.id(), info); !objection.empty()) e.refuse(objection);
}

void read_shape(const Examined& e, DatasetInfo& info) {
  const Handle space(H5Dget_space(e.dataset), H5Sclose);
  const auto shape = shape_of(space.id());
  if (!shape) e.refuse("has no readable shape: " + last_error());
  if (H5Sget_simple_extent_type(space.id()) == H5S_NULL) e.refuse("is empty (it has no shape)");
  info.shape = *shape;
}

void read_filters(const Examined& e, DatasetInfo& info) {
  info.filters = filters_of(e.creation.id());
  for (const std::string& filter : info.filters)
    if (filter.find_first_not_of("0123456789") == std::string::npos)
      e.refuse(fmt::format("needs HDF5 filter {}; only deflate (gzip), shuffle and fletcher32 are read", filter));
  if (std::count(info.filters.begin(), info.filters.end(), "deflate") > 1) e.refuse("is deflated more than once");
}

// Before the shape: for a virtual data set the library opens other files to tell its shape.
void read_layout(const Examined& e, DatasetInfo& info) {
  const H5D_layout_t layout = H5Pget_layout(e.creation.id());
  if (layout == H5D_VIRTUAL && e.file.external == External::kRefuse)
    e.refuse(
        "is a virtual data set over other files; copy its elements into one data set, or set data.allow-external = "
        "true");
  if (layout < 0) e.refuse("has no readable layout: " + last_error());
  if (H5Pget_external_count(e.creation.id()) > 0)
    e.refuse("keeps its elements in another file; copy them into this one");
  read_filters(e, info);
}

void read_chunk_shape(const Examined& e, DatasetInfo& info) {
  if (H5Pget_layout(e.creation.id()) != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(info.shape.size());
  const int rank = H5Pget_chunk(e.creation.id(), static_cast<int>(chunk.size()), chunk.data());
  if (rank < 1 || static_cast<std::size_t>(rank) != chunk.size() ||
      std::find(chunk.begin(), chunk.end(), 0U) != chunk.end())
    e.refuse("has no readable chunk shape");
  info.chunk.assign(chunk.begin(), chunk.end());
}

std::uint64_t chunks_needed(const DatasetInfo& info) {
  std::uint64_t count = 1;
  for (std::size_t i = 0; i < info.shape.size(); ++i)
    count = times(count, info.shape[i] / info.chunk[i] + (info.shape[i] % info.chunk[i] != 0 ? 1 : 0));
  return count;
}

// Bytes that the elements take, before compression, in whole chunks.
std::uint64_t promised_bytes(const DatasetInfo& info) {
  std::uint64_t bytes = info.type_bytes;
  for (const std::uint64_t n : info.chunk.empty() ? info.shape : info.chunk) bytes = times(bytes, n);
  return info.chunk.empty() ? bytes : times(bytes, chunks_needed(info));
}

// Deflate may have made a thousand bytes of one, but only the first chunk proves that it did.
void require_inflatable(const Examined& e, const DatasetInfo& info, std::uint64_t file_bytes) {
  try {
    const ChunkReader reader(e.dataset, info, file_bytes, e.file.allow);
    (void)reader.chunk_at(std::vector<hsize_t>(info.chunk.size(), 0));
  } catch (const Unreadable& reason) {
    e.refuse(fmt::format("promises more than the file holds: {}", reason.what()));
  }
}

void require_chunks(const Examined& e, const DatasetInfo& info) {
  hsize_t chunks = 0;
  const Handle space(H5Dget_space(e.dataset), H5Sclose);
  if (H5Dget_num_chunks(e.dataset, space.id(), &chunks) < 0) e.refuse("has no readable chunks: " + last_error());
  if (chunks < chunks_needed(info))
    e.refuse(fmt::format("is not fully written: {} of its {} chunks are there", chunks, chunks_needed(info)));
}

// Of the file that the set is in, which may be another one behind a link.
std::uint64_t bytes_of_file(const OpenFile& file, const std::string& path, hid_t dataset) {
  const Handle of_set(H5Iget_file_id(dataset), H5Fclose);
  hsize_t bytes = 0;
  if (!of_set.valid() || H5Fget_filesize(of_set.id(), &bytes) < 0)
    throw_data_error(file.name, path, "is in a file without a size: " + last_error());
  return bytes;
}

// Whether the elements stand in other files: behind a link, or as the sources of a virtual set.
bool is_elsewhere(const OpenFile& file, hid_t dataset) {
  const Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  if (H5Pget_layout(creation.id()) == H5D_VIRTUAL) return true;
  H5O_info_t root{}, set{};
  return H5Oget_info_by_name1(file.id(), "/", &root, H5P_DEFAULT) < 0 || H5Oget_info1(dataset, &set) < 0 ||
         root.fileno != set.fileno;
}

// Their index is walked through to tell what is stored, and has an address at least for each.
void allow_counting(const Examined& e, const DatasetInfo& info, std::uint64_t file_bytes) {
  if (info.chunk.empty()) return;
  const std::uint64_t chunks = std::min<std::uint64_t>(chunks_needed(info), file_bytes / sizeof(haddr_t));
  e.file.allow(0, chunks / kCountedPerRead);
}

// A file may promise any shape: what it holds decides what is allocated for it.
void require_stored(const Examined& e, DatasetInfo& info) {
  if (H5Pget_layout(e.creation.id()) == H5D_VIRTUAL)
    return require_virtual_sources(e.file, e.path, e.creation.id(), info);
  const std::uint64_t file_bytes = bytes_of_file(e.file, e.path, e.dataset);
  allow_counting(e, info, file_bytes);
  info.stored_bytes = H5Dget_storage_size(e.dataset);
  const std::uint64_t promised = promised_bytes(info);
  if (promised == 0) {
    for (const std::uint64_t n : info.shape)
      if (n > kWidestEmptyRow) e.refuse(fmt::format("holds no element and says it is {} wide", n));
    return;
  }
  const std::uint64_t stored = std::min<std::uint64_t>(info.stored_bytes, file_bytes);
  const bool deflated = std::find(info.filters.begin(), info.filters.end(), "deflate") != info.filters.end();
  if (promised > (deflated ? times(stored, kDeflateRatio) : stored))
    e.refuse(fmt::format("is not fully written: its shape needs {} bytes and the file holds {}", promised, stored));
  if (info.chunk.empty()) return;
  require_chunks(e, info);
  if (deflated && promised > kUnprovenBytes && promised > stored) require_inflatable(e, info, file_bytes);
}

ReadSet open_read_set(const OpenFile& file, const std::string& path) {
  ReadSet set;
  set.dataset = open_object(file, path);
  if (H5Iget_type(set.dataset.id()) != H5I_DATASET) throw_data_error(file.name, path, "is not a data set");
  set.info = describe(file, path, set.dataset.id());
  set.elsewhere = is_elsewhere(file, set.dataset.id());
  if (set.info.chunk.empty()) return set;
  try {
    set.chunks = std::make_unique<ChunkReader>(set.dataset.id(), set.info, bytes_of_file(file, path, set.dataset.id()),
                                               file.allow);
  } catch (const Unreadable& reason) {
    throw_data_error(file.name, path, fmt::format("cannot be read: {}", reason.what()));
  }
  return set;
}

}  // namespace

const ReadSet& read_set(OpenFile& file, const std::string& path) {
  const std::string key = absolute(path);
  if (file.writable) file.reading.erase(key);  // it may have grown
  const auto found = file.reading.find(key);
  if (found != file.reading.end()) return found->second;
  return file.reading.emplace(key, open_read_set(file, path)).first->second;
}

void require_part(const std::string& file, const std::string& path, const DatasetInfo& info, const Part& part) {
  if (!info.numeric()) throw_data_error(file, path, fmt::format("holds {}, not numbers", info.type_name()));
  if (info.shape.empty() || info.shape.size() > 2)
    throw_data_error(file, path, fmt::format("has {} dimensions; one or two are read", info.shape.size()));
  const std::uint64_t width = info.shape.size() == 1 ? 1 : info.shape[1];
  if (part.whole_rows && width != part.cols)
    throw_data_error(file, path, fmt::format("has {} columns where {} are wanted", width, part.cols));
  if (part.col > width || part.cols > width - part.col)
    throw_data_error(file, path, fmt::format("has {} columns, not {}", width, part.col + part.cols));
  if (part.first > info.shape[0] || part.rows > info.shape[0] - part.first)
    throw_data_error(file, path, fmt::format("has {} rows, not {}", info.shape[0], part.first + part.rows));
}

void read_part(const OpenFile& file, const std::string& path, const ReadSet& set, const Part& part, NumberType type,
               std::byte* out) {
  if (part.rows == 0) return;
  try {
    if (set.elsewhere) file.allow(part.rows * part.cols * (set.info.type_bytes + bytes_of(type)), 1);
    if (set.chunks)
      set.chunks->read(part, type, out);
    else
      read_slab(set.dataset.id(), set.info.type_bytes, part, memory_type_of(type), out);
  } catch (const Unreadable& reason) {
    throw_data_error(
        file.name, path,
        fmt::format("rows {} to {} cannot be read: {}", part.first, part.first + part.rows - 1, reason.what()));
  }
}

// Elements that do not become shorter are converted where they are wanted; the library would take them there through a
// buffer of its own.
void read_slab(hid_t dataset, std::size_t type_bytes, const Part& part, hid_t wanted, std::byte* out) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const Handle stored(H5Dget_type(dataset), H5Tclose);
  const bool in_place = type_bytes <= H5Tget_size(wanted);
  const std::array<hsize_t, 2> start{part.first, part.col};
  const std::array<hsize_t, 2> count{part.rows, part.cols};
  const Handle memory(H5Screate_simple(2, count.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(dataset, in_place ? stored.id() : wanted, memory.id(), space.id(), H5P_DEFAULT, out) < 0 ||
      (in_place && H5Tconvert(stored.id(), wanted, part.rows * part.cols, out, nullptr, H5P_DEFAULT) < 0))
    throw Unreadable(last_error());
}

std::optional<PlainElements> plain_elements(const ReadSet& set, const Part& part) {
  const bool whole_rows = set.info.shape.size() < 2 || part.cols == set.info.shape[1];
  if (!whole_rows || set.elsewhere) return std::nullopt;
  const Handle creation(H5Dget_create_plist(set.dataset.id()), H5Pclose);
  if (H5Pget_layout(creation.id()) != H5D_CONTIGUOUS) return std::nullopt;
  const haddr_t place = H5Dget_offset(set.dataset.id());
  const Handle file(H5Iget_file_id(set.dataset.id()), H5Fclose);
  haddr_t end = 0;  // of what the file says it uses; the library refuses to read behind it
  if (place == HADDR_UNDEF || H5Fget_eoa(file.id(), &end) < 0 || place > end || promised_bytes(set.info) > end - place)
    return std::nullopt;
  if (!set.info.number) return std::nullopt;
  const std::uint64_t type = 2 * static_cast<std::uint64_t>(*set.info.number) + (set.info.big_endian ? 1 : 0);
  return PlainElements{place, type};
}

std::optional<std::vector<std::uint64_t>> shape_of(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) return std::nullopt;
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  return std::vector<std::uint64_t>(dims.begin(), dims.end());
}

DatasetInfo describe(const OpenFile& file, const std::string& path, hid_t dataset) {
  const Examined examined{file, path, dataset, Handle(H5Dget_create_plist(dataset), H5Pclose)};
  if (!examined.creation.valid()) examined.refuse("cannot be read: " + last_error());
  DatasetInfo info;
  read_layout(examined, info);
  read_type(examined, info);
  read_shape(examined, info);
  read_chunk_shape(examined, info);
  require_stored(examined, info);
  return info;
}

DatasetInfo File::info(const std::string& path) const {
  if (impl_->remote) return impl_->remote->info(path);
  const LibraryTurn turn;
  return read_set(*impl_, path).info;
}

void File::read_elements(const std::string& path, const Part& part, NumberType type, std::byte* out) const {
  if (impl_->remote) return impl_->remote->read(path, part, type, out);
  const LibraryTurn turn;
  const ReadSet& set = read_set(*impl_, path);
  require_part(impl_->name, path, set.info, part);
  read_part(*impl_, path, set, part, type, out);
}

template <class T>
void File::read_rows(const std::string& path, std::uint64_t first, MatrixView<T> out) const {
  read_elements(path, {first, out.rows, 0, out.cols, true}, number_type<T>(), reinterpret_cast<std::byte*>(out.data));
}

template <class T>
void File::read_columns(const std::string& path, std::uint64_t first, std::uint64_t column, MatrixView<T> out) const {
  read_elements(path, {first, out.rows, column, out.cols, false}, number_type<T>(),
                reinterpret_cast<std::byte*>(out.data));
}

// NOLINTBEGIN(bugprone-macro-parentheses): a type's name takes none
#define GRADLOOM_INSTANTIATE(T)                                                             \
  template void File::read_rows<T>(const std::string&, std::uint64_t, MatrixView<T>) const; \
  template void File::read_columns<T>(const std::string&, std::uint64_t, std::uint64_t, MatrixView<T>) const
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
GRADLOOM_INSTANTIATE(std::int64_t);
GRADLOOM_INSTANTIATE(std::uint64_t);
#undef GRADLOOM_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace gradloom::h5
