#include <algorithm>
#include <array>

#include "engine/io/hdf5_internal.hpp"

namespace gradloom::h5 {
namespace {

constexpr hsize_t kChunkBytes = 1 << 20;

Handle simple_space(std::span<const std::uint64_t> shape) {
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return {H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose};
}

Handle growing_properties(const RowsOptions& options, std::size_t element_bytes) {
  const hsize_t cols = std::max<hsize_t>(options.cols, 1);
  const hsize_t by_size = rows_in_chunk(cols * element_bytes);
  const std::array<hsize_t, 2> chunk{options.chunk_rows != 0 ? options.chunk_rows : by_size, cols};
  Handle creation = creation_properties(H5P_DATASET_CREATE);
  H5Pset_chunk(creation.id(), options.cols == 0 ? 1 : 2, chunk.data());
  if (options.deflate > 0) {
    H5Pset_shuffle(creation.id());
    H5Pset_deflate(creation.id(), static_cast<unsigned>(options.deflate));
  }
  return creation;
}

// Rows are appended in order: two chunks in the cache are all that is ever touched.
Handle append_access(const RowsOptions& options, std::size_t element_bytes) {
  const hsize_t row_bytes = std::max<hsize_t>(options.cols, 1) * element_bytes;
  const hsize_t cache = std::max<hsize_t>(2 * kChunkBytes, 2 * options.chunk_rows * row_bytes);
  Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.id(), H5D_CHUNK_CACHE_NSLOTS_DEFAULT, cache, H5D_CHUNK_CACHE_W0_DEFAULT);
  return access;
}

// Rows as they lie in memory, their stride left out.
Handle memory_space(hsize_t rows, hsize_t cols, hsize_t stride) {
  const std::array<hsize_t, 2> dims{rows, std::max(stride, cols)};
  Handle space(H5Screate_simple(2, dims.data(), nullptr), H5Sclose);
  const std::array<hsize_t, 2> start{0, 0};
  const std::array<hsize_t, 2> count{rows, cols};
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return space;
}

GrowingSet& growing_set(OpenFile& file, const std::string& path) {
  const auto found = file.growing.find(absolute(path));
  if (found == file.growing.end()) throw_file_error(file.name, path, "was not created to be appended to");
  return found->second;
}

void grow(const OpenFile& file, const std::string& path, const GrowingSet& set, hsize_t rows) {
  const std::array<hsize_t, 2> extent{set.rows + rows, set.cols};
  if (H5Dset_extent(set.dataset.id(), extent.data()) < 0)
    throw_file_error(file.name, path, "cannot grow: " + last_error());
}

void append(OpenFile& file, const std::string& path, const Handle& memory, hsize_t rows, hid_t type, const void* data) {
  GrowingSet& set = growing_set(file, path);
  if (rows == 0) return;
  const std::array<hsize_t, 2> start{set.rows, 0};
  const std::array<hsize_t, 2> count{rows, std::max<hsize_t>(set.cols, 1)};
  grow(file, path, set, rows);
  const Handle space(H5Dget_space(set.dataset.id()), H5Sclose);
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  if (H5Dwrite(set.dataset.id(), type, memory.id(), space.id(), H5P_DEFAULT, data) < 0)
    throw_file_error(file.name, path, "cannot be written: " + last_error());
  set.rows += rows;
}

}  // namespace

std::size_t rows_in_chunk(std::size_t row_bytes) {
  return std::max<std::size_t>(kChunkBytes / std::max<std::size_t>(row_bytes, 1), 1);
}

template <class T>
void File::write(const std::string& path, std::span<const std::uint64_t> shape, const T* values) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const Handle creation = creation_properties(H5P_DATASET_CREATE);
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);  // every element is written here
  const Handle space = simple_space(shape);
  const Handle dataset(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type_of(number_type<T>()), space.id(),
                                  H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                       H5Dclose);
  if (!dataset.valid() ||
      H5Dwrite(dataset.id(), memory_type_of(number_type<T>()), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    throw_file_error(impl_->name, path, "cannot be written: " + last_error());
}

template <class T>
std::uint64_t File::reserve(const std::string& path, std::span<const std::uint64_t> shape) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const Handle creation = creation_properties(H5P_DATASET_CREATE);
  H5Pset_alloc_time(creation.id(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);
  const Handle space = simple_space(shape);
  const Handle dataset(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type_of(number_type<T>()), space.id(),
                                  H5P_DEFAULT, creation.id(), H5P_DEFAULT),
                       H5Dclose);
  const haddr_t place = dataset.valid() ? H5Dget_offset(dataset.id()) : HADDR_UNDEF;
  if (place == HADDR_UNDEF) throw_file_error(impl_->name, path, "cannot be reserved: " + last_error());
  return place;
}

void File::create_rows(const std::string& path, NumberType type, const RowsOptions& options) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const int rank = options.cols == 0 ? 1 : 2;
  const std::array<hsize_t, 2> dims{0, options.cols};
  const std::array<hsize_t, 2> limits{H5S_UNLIMITED, options.cols};
  const Handle space(H5Screate_simple(rank, dims.data(), limits.data()), H5Sclose);
  GrowingSet set;
  set.type = type;
  set.cols = options.cols;
  const Handle creation = growing_properties(options, bytes_of(type));
  const Handle access = append_access(options, bytes_of(type));
  set.dataset = Handle(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type_of(type), space.id(), H5P_DEFAULT,
                                  creation.id(), access.id()),
                       H5Dclose);
  if (!set.dataset.valid()) throw_file_error(impl_->name, path, "cannot be created: " + last_error());
  impl_->growing.insert_or_assign(absolute(path), std::move(set));
}

template <class T>
void File::create_rows(const std::string& path, const RowsOptions& options) {
  create_rows(path, number_type<T>(), options);
}

template <class T>
void File::append_rows(const std::string& path, MatrixView<const T> rows) {
  const LibraryTurn turn;
  if (rows.cols != std::max<std::size_t>(growing_set(*impl_, path).cols, 1))
    throw_file_error(impl_->name, path, "has rows of another width");
  const Handle memory = memory_space(rows.rows, rows.cols, rows.stride);
  append(*impl_, path, memory, rows.rows, memory_type_of(number_type<T>()), rows.data);
}

void File::append_elements(const std::string& path, std::size_t rows, const std::byte* elements) {
  const LibraryTurn turn;
  const GrowingSet& set = growing_set(*impl_, path);
  const hsize_t cols = std::max<hsize_t>(set.cols, 1);
  append(*impl_, path, memory_space(rows, cols, cols), rows, memory_type_of(set.type), elements);
}

void File::append_chunk(const std::string& path, std::size_t rows, std::span<const std::byte> chunk) {
  const LibraryTurn turn;
  GrowingSet& set = growing_set(*impl_, path);
  grow(*impl_, path, set, rows);
  const std::array<hsize_t, 2> offset{set.rows, 0};
  if (H5Dwrite_chunk(set.dataset.id(), H5P_DEFAULT, 0, offset.data(), chunk.size(), chunk.data()) < 0)
    throw_file_error(impl_->name, path, "cannot be written: " + last_error());
  set.rows += rows;
}

#define GRADLOOM_INSTANTIATE(T)                                                                \
  template void File::write<T>(const std::string&, std::span<const std::uint64_t>, const T*);  \
  template std::uint64_t File::reserve<T>(const std::string&, std::span<const std::uint64_t>); \
  template void File::create_rows<T>(const std::string&, const RowsOptions&);                  \
  template void File::append_rows<T>(const std::string&, MatrixView<const T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
GRADLOOM_INSTANTIATE(std::int32_t);
GRADLOOM_INSTANTIATE(std::int64_t);
GRADLOOM_INSTANTIATE(std::uint8_t);
GRADLOOM_INSTANTIATE(std::uint64_t);
#undef GRADLOOM_INSTANTIATE

}  // namespace gradloom::h5
