#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "engine/io/hdf5_internal.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::uint64_t kBlockBytes = 8 << 20;      // of one H5Dread, where a set is chunked
constexpr std::uint64_t kDefaultCache = 1 << 20;    // of the library, for each data set
constexpr std::uint64_t kLargestCache = 256 << 20;  // chunks of one band of rows, kept between reads
constexpr std::uint64_t kDeflateRatio = 1100;       // zlib compresses by 1032 at best
constexpr std::size_t kLargestElement = 16;         // long double

// Saturates: a shape that overflows is larger than any file.
std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max() : product;
}

// h5py's bool: an enumeration of FALSE and TRUE over one byte.
bool is_boolean(hid_t type) { return H5Tget_nmembers(type) == 2 && H5Tget_size(type) == 1; }

TypeClass class_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return TypeClass::kInteger;
    case H5T_FLOAT:
      return TypeClass::kFloat;
    case H5T_ENUM:
      return is_boolean(type) ? TypeClass::kBoolean : TypeClass::kOther;
    case H5T_STRING:
      return TypeClass::kString;
    default:
      return TypeClass::kOther;
  }
}

// What is wrong with the type itself; empty where nothing is.
std::string_view type_objection(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_COMPOUND:
      return "is of a compound type; store one plain data set for each member";
    case H5T_VLEN:
    case H5T_REFERENCE:
      return "holds elements of variable length; store numbers or fixed-length strings";
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "holds strings of variable length; store fixed-length ones" : "";
    case H5T_ARRAY:
      return "is of an array type; store a data set of rows and columns";
    default:
      return "";
  }
}

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
  const std::string& file;
  const std::string& path;
  hid_t file_id;
  hid_t dataset;
  Handle creation;

  [[noreturn]] void refuse(std::string_view what) const { throw_data_error(file, path, what); }
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

void read_layout(const Examined& e, DatasetInfo& info) {
  const H5D_layout_t layout = H5Pget_layout(e.creation.id());
  if (layout == H5D_VIRTUAL) e.refuse("is a virtual data set over other files; copy its elements into one data set");
  if (layout < 0) e.refuse("has no readable layout: " + last_error());
  if (H5Pget_external_count(e.creation.id()) > 0)
    e.refuse("keeps its elements in another file; copy them into this one");
  info.filters = filters_of(e.creation.id());
  for (const std::string& filter : info.filters)
    if (filter.find_first_not_of("0123456789") == std::string::npos)
      e.refuse(fmt::format("needs HDF5 filter {}; only deflate (gzip), shuffle and fletcher32 are read", filter));
  if (layout != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(info.shape.size());
  if (H5Pget_chunk(e.creation.id(), static_cast<int>(chunk.size()), chunk.data()) < 0 ||
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

// A file may promise any shape: what it holds decides what is allocated for it.
void require_stored(const Examined& e, DatasetInfo& info) {
  info.stored_bytes = H5Dget_storage_size(e.dataset);
  const std::uint64_t promised = promised_bytes(info);
  if (promised == 0) return;
  hsize_t file_bytes = 0;
  if (H5Fget_filesize(e.file_id, &file_bytes) < 0) e.refuse("is in a file without a size: " + last_error());
  const std::uint64_t stored = std::min<std::uint64_t>(info.stored_bytes, file_bytes);
  std::uint64_t possible = stored;
  for (const std::string& filter : info.filters)
    if (filter == "deflate") possible = times(possible, kDeflateRatio);
  if (promised > possible)
    e.refuse(fmt::format("is not fully written: its shape needs {} bytes and the file holds {}", promised, stored));
  if (info.chunk.empty()) return;
  hsize_t chunks = 0;
  const Handle space(H5Dget_space(e.dataset), H5Sclose);
  if (H5Dget_num_chunks(e.dataset, space.id(), &chunks) < 0) e.refuse("has no readable chunks: " + last_error());
  if (chunks < chunks_needed(info))
    e.refuse(fmt::format("is not fully written: {} of its {} chunks are there", chunks, chunks_needed(info)));
}

// Bytes of the chunks that a row runs through.
std::uint64_t band_bytes(const DatasetInfo& info) {
  std::uint64_t bytes = times(info.chunk[0], info.type_bytes);
  for (std::size_t i = 1; i < info.shape.size(); ++i)
    bytes = times(bytes, (info.shape[i] + info.chunk[i] - 1) / info.chunk[i] * info.chunk[i]);
  return bytes;
}

// Opened again with a chunk cache that holds one band, so that reads which end within a chunk do not inflate it twice.
Handle with_cache(const OpenFile& file, const std::string& path, Handle dataset, const DatasetInfo& info) {
  if (info.chunk.empty() || info.filters.empty()) return dataset;
  const std::uint64_t band = band_bytes(info);
  if (band <= kDefaultCache || band > kLargestCache) return dataset;
  const Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.id(), H5D_CHUNK_CACHE_NSLOTS_DEFAULT, band, 1.0);
  (void)dataset.close();  // the cache of an open data set does not change
  return {H5Dopen2(file.id(), absolute(path).c_str(), access.id()), H5Dclose};
}

ReadSet open_read_set(const OpenFile& file, const std::string& path) {
  Handle object = open_object(file, path);
  if (H5Iget_type(object.id()) != H5I_DATASET) throw_data_error(file.name, path, "is not a data set");
  ReadSet set;
  set.info = describe(file.name, path, file.id(), object.id());
  set.dataset = with_cache(file, path, std::move(object), set.info);
  if (!set.dataset.valid()) throw_data_error(file.name, path, "cannot be opened: " + last_error());
  return set;
}

const ReadSet& read_set(OpenFile& file, const std::string& path) {
  const std::string key = absolute(path);
  if (file.writable) file.reading.erase(key);  // it may have grown
  const auto found = file.reading.find(key);
  if (found != file.reading.end()) return found->second;
  return file.reading.emplace(key, open_read_set(file, path)).first->second;
}

// Rows of one H5Dread: whole bands of chunks.
std::uint64_t block_rows(const DatasetInfo& info, std::uint64_t row_bytes) {
  if (info.chunk.empty()) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t bands = kBlockBytes / std::max<std::uint64_t>(times(row_bytes, info.chunk[0]), 1);
  return times(std::max<std::uint64_t>(bands, 1), info.chunk[0]);
}

// Rows [first, first + out.rows) into `out`; the reason where that fails.
template <class T>
std::optional<std::string> read_slab(const ReadSet& set, std::uint64_t first, MatrixView<T> out) {
  const Handle space(H5Dget_space(set.dataset.id()), H5Sclose);
  const std::array<hsize_t, 2> start{first, 0};
  const std::array<hsize_t, 2> count{out.rows, out.cols};
  const Handle memory(H5Screate_simple(2, count.data(), nullptr), H5Sclose);
  if (H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(set.dataset.id(), memory_type<T>(), memory.id(), space.id(), H5P_DEFAULT, out.data) < 0)
    return last_error();
  return std::nullopt;
}

void require_rows(const std::string& file, const std::string& path, const DatasetInfo& info, std::uint64_t first,
                  std::uint64_t rows, std::size_t cols) {
  if (!info.numeric()) throw_data_error(file, path, fmt::format("holds {}, not numbers", info.type_name()));
  if (info.shape.empty() || info.shape.size() > 2)
    throw_data_error(file, path, fmt::format("has {} dimensions; one or two are read", info.shape.size()));
  const std::uint64_t width = info.shape.size() == 1 ? 1 : info.shape[1];
  if (width != cols) throw_data_error(file, path, fmt::format("has {} columns where {} are wanted", width, cols));
  if (first > info.shape[0] || rows > info.shape[0] - first)
    throw_data_error(file, path, fmt::format("has {} rows, not {}", info.shape[0], first + rows));
}

}  // namespace

std::string DatasetInfo::type_name() const {
  const auto sized = [&](std::string_view name) {
    return fmt::format("{}{}{}", name, 8 * type_bytes, big_endian ? " big-endian" : "");
  };
  switch (type_class) {
    case TypeClass::kInteger:
      return sized(is_signed ? "int" : "uint");
    case TypeClass::kFloat:
      return sized("float");
    case TypeClass::kBoolean:
      return "bool";
    case TypeClass::kString:
      return fmt::format("string of {} bytes", type_bytes);
    case TypeClass::kOther:
      break;
  }
  return "values of another type";
}

std::string_view describe_type(hid_t type, DatasetInfo& info) {
  if (const std::string_view objection = type_objection(type); !objection.empty()) return objection;
  info.type_class = class_of(type);
  info.type_bytes = H5Tget_size(type);
  if (!info.numeric()) return "";
  if (info.type_bytes == 0 || info.type_bytes > kLargestElement) return "is of a number type that is not known";
  const Handle base(info.type_class == TypeClass::kBoolean ? H5Tget_super(type) : H5Tcopy(type), H5Tclose);
  info.is_signed = info.type_class == TypeClass::kFloat || H5Tget_sign(base.id()) == H5T_SGN_2;
  info.big_endian = info.type_bytes > 1 && H5Tget_order(base.id()) == H5T_ORDER_BE;
  return "";
}

std::optional<std::vector<std::uint64_t>> shape_of(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) return std::nullopt;
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  return std::vector<std::uint64_t>(dims.begin(), dims.end());
}

DatasetInfo describe(const std::string& file, const std::string& path, hid_t file_id, hid_t dataset) {
  const Examined examined{file, path, file_id, dataset, Handle(H5Dget_create_plist(dataset), H5Pclose)};
  if (!examined.creation.valid()) examined.refuse("cannot be read: " + last_error());
  DatasetInfo info;
  read_type(examined, info);
  read_shape(examined, info);
  read_layout(examined, info);
  require_stored(examined, info);
  return info;
}

DatasetInfo File::info(const std::string& path) const {
  quiet_errors();
  return read_set(*impl_, path).info;
}

template <class T>
void File::read_rows(const std::string& path, std::uint64_t first, MatrixView<T> out) const {
  quiet_errors();
  const ReadSet& set = read_set(*impl_, path);
  require_rows(impl_->name, path, set.info, first, out.rows, out.cols);
  const std::uint64_t step = block_rows(set.info, out.cols * set.info.type_bytes);
  for (std::uint64_t done = 0; done < out.rows;) {
    // A read that starts within a band of chunks ends with it, so that all others are whole.
    const std::uint64_t offset = set.info.chunk.empty() ? 0 : (first + done) % set.info.chunk[0];
    const std::uint64_t rows = std::min<std::uint64_t>(out.rows - done, step - offset);
    if (const auto reason = read_slab(set, first + done, out.row_range(done, rows)))
      throw_data_error(impl_->name, path,
                       fmt::format("rows {} to {} cannot be read: {}", first + done, first + done + rows - 1, *reason));
    done += rows;
  }
}

template void File::read_rows<float>(const std::string&, std::uint64_t, MatrixView<float>) const;
template void File::read_rows<double>(const std::string&, std::uint64_t, MatrixView<double>) const;
template void File::read_rows<std::int64_t>(const std::string&, std::uint64_t, MatrixView<std::int64_t>) const;

}  // namespace gradloom::h5
