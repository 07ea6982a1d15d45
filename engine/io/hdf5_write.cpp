#include <algorithm>
#include <array>

#include "engine/io/hdf5_internal.hpp"

namespace gradloom::h5 {
namespace {

constexpr hsize_t kChunkBytes = 1 << 20;

// Little-endian on disk, whatever the machine.
template <class T>
hid_t file_type();
template <>
hid_t file_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t file_type<double>() {
  return H5T_IEEE_F64LE;
}
template <>
hid_t file_type<std::int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t file_type<std::int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t file_type<std::uint8_t>() {
  return H5T_STD_U8LE;
}
template <>
hid_t file_type<std::uint64_t>() {
  return H5T_STD_U64LE;
}

Handle simple_space(std::span<const std::uint64_t> shape) {
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return {H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose};
}

Handle growing_properties(const RowsOptions& options, std::size_t element_bytes) {
  const hsize_t cols = std::max<hsize_t>(options.cols, 1);
  const hsize_t by_size = std::max<hsize_t>(kChunkBytes / (cols * element_bytes), 1);
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

// The rows as they lie in memory, their stride left out.
template <class T>
Handle memory_space(MatrixView<const T> rows) {
  const std::array<hsize_t, 2> dims{rows.rows, std::max(rows.stride, rows.cols)};
  Handle space(H5Screate_simple(2, dims.data(), nullptr), H5Sclose);
  const std::array<hsize_t, 2> start{0, 0};
  const std::array<hsize_t, 2> count{rows.rows, rows.cols};
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return space;
}

}  // namespace

template <class T>
void File::write(const std::string& path, std::span<const std::uint64_t> shape, const T* values) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const Handle creation = creation_properties(H5P_DATASET_CREATE);
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);  // every element is written here
  const Handle space = simple_space(shape);
  const Handle dataset(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type<T>(), space.id(), H5P_DEFAULT,
                                  creation.id(), H5P_DEFAULT),
                       H5Dclose);
  if (!dataset.valid() || H5Dwrite(dataset.id(), memory_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
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
  const Handle dataset(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type<T>(), space.id(), H5P_DEFAULT,
                                  creation.id(), H5P_DEFAULT),
                       H5Dclose);
  const haddr_t place = dataset.valid() ? H5Dget_offset(dataset.id()) : HADDR_UNDEF;
  if (place == HADDR_UNDEF) throw_file_error(impl_->name, path, "cannot be reserved: " + last_error());
  return place;
}

template <class T>
void File::create_rows(const std::string& path, const RowsOptions& options) {
  const LibraryTurn turn;
  create_parents(*impl_, path);
  const int rank = options.cols == 0 ? 1 : 2;
  const std::array<hsize_t, 2> dims{0, options.cols};
  const std::array<hsize_t, 2> limits{H5S_UNLIMITED, options.cols};
  const Handle space(H5Screate_simple(rank, dims.data(), limits.data()), H5Sclose);
  GrowingSet set;
  set.cols = options.cols;
  const Handle creation = growing_properties(options, sizeof(T));
  const Handle access = append_access(options, sizeof(T));
  set.dataset = Handle(H5Dcreate2(impl_->id(), absolute(path).c_str(), file_type<T>(), space.id(), H5P_DEFAULT,
                                  creation.id(), access.id()),
                       H5Dclose);
  if (!set.dataset.valid()) throw_file_error(impl_->name, path, "cannot be created: " + last_error());
  impl_->growing.insert_or_assign(absolute(path), std::move(set));
}

template <class T>
void File::append_rows(const std::string& path, MatrixView<const T> rows) {
  const LibraryTurn turn;
  const auto found = impl_->growing.find(absolute(path));
  if (found == impl_->growing.end()) throw_file_error(impl_->name, path, "was not created to be appended to");
  GrowingSet& set = found->second;
  if (rows.cols != std::max<std::size_t>(set.cols, 1)) throw_file_error(impl_->name, path, "has rows of another width");
  if (rows.rows == 0) return;
  const std::array<hsize_t, 2> start{set.rows, 0};
  const std::array<hsize_t, 2> count{rows.rows, rows.cols};
  const std::array<hsize_t, 2> extent{set.rows + rows.rows, rows.cols};
  if (H5Dset_extent(set.dataset.id(), extent.data()) < 0)
    throw_file_error(impl_->name, path, "cannot grow: " + last_error());
  const Handle space(H5Dget_space(set.dataset.id()), H5Sclose);
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const Handle memory = memory_space(rows);
  if (H5Dwrite(set.dataset.id(), memory_type<T>(), memory.id(), space.id(), H5P_DEFAULT, rows.data) < 0)
    throw_file_error(impl_->name, path, "cannot be written: " + last_error());
  set.rows += rows.rows;
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
