#include "engine/io/hdf5.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "engine/io/hdf5_internal.hpp"
#include "engine/io/hdf5_remote.hpp"
#include "gradloom/errors.hpp"

namespace gradloom::h5 {
namespace {

constexpr std::size_t kMemoryGrowth = 1 << 20;  // bytes by which a file in memory grows

herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* out) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
  return 0;
}

Handle access_properties() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Lock, but read on from file systems that have no locks.
  H5Pset_file_locking(access.id(), true, true);
  return access;
}

// For reading: indices of many chunks else take 32 MiB, in every process that has the file open.
Handle reading_properties() {
  constexpr std::size_t kMostCached = 4 << 20;  // bytes
  Handle access = access_properties();
  H5AC_cache_config_t cache{};
  cache.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  if (H5Pget_mdc_config(access.id(), &cache) < 0) return access;
  cache.set_initial_size = true;
  cache.initial_size = cache.min_size = kMostCached / 4;
  cache.max_size = kMostCached;
  H5Pset_mdc_config(access.id(), &cache);
  return access;
}

// The core driver tells files apart by name alone.
std::string unique_memory_name() {
  static std::atomic<unsigned> count{0};
  return fmt::format("gradloom-memory-{}", ++count);
}

// The core driver copies an image several times, by these calls; here everybody gets the one copy, `bytes`, which stays
// its owner's. The file is read only, so nobody asks for a larger one.
H5FD_file_image_callbacks_t sharing(void* bytes) {
  H5FD_file_image_callbacks_t calls{};
  calls.image_malloc = [](std::size_t, H5FD_file_image_op_t, void* image) { return image; };
  calls.image_memcpy = [](void* to, const void*, std::size_t, H5FD_file_image_op_t, void*) { return to; };
  calls.image_realloc = [](void*, std::size_t, H5FD_file_image_op_t, void*) -> void* { return nullptr; };
  calls.image_free = [](void*, H5FD_file_image_op_t, void*) { return herr_t{0}; };
  calls.udata_copy = [](void* image) { return image; };
  calls.udata_free = [](void*) { return herr_t{0}; };
  calls.udata = bytes;
  return calls;
}

// A descriptor of the regular file at `path`.
int openable(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) throw ConfigError(path + ": no such file");
    throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) throw FileError(path + ": is a folder, not an HDF5 file");
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  if (S_ISREG(status.st_mode) && status.st_size != 0) return descriptor;
  ::close(descriptor);
  if (!S_ISREG(status.st_mode)) throw FileError(path + ": is not a regular file");
  throw DataError(path + ": is empty, not an HDF5 file");
}

[[noreturn]] void throw_cannot_open(const std::string& path) {
  const std::string reason = last_error();
  const auto says = [&](std::string_view text) { return reason.find(text) != std::string::npos; };
  if (says("truncated")) throw DataError(path + ": is cut short (not all of the file is there); copy or make it again");
  if (says("Resource temporarily unavailable") || says("unable to lock"))
    throw FileError(path + ": is being written by another process; wait until it is closed");
  if (says("already open for"))
    throw DataError(path + ": was not closed by the program that wrote it; write it again, or try h5clear -s");
  throw DataError(fmt::format("{}: is damaged, or not an HDF5 file: {}", path, reason));
}

void quiet_errors() {
  // A file whose disk is full cannot be closed; the library's exit handler would try for ever and print.
  static const bool no_exit_handler = H5dont_atexit() >= 0;
  (void)no_exit_handler;
  thread_local const bool quiet = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)quiet;
}

}  // namespace

LibraryTurn::LibraryTurn() {
  if (depth_++ == 0) mutex_.lock();
  quiet_errors();
}

LibraryTurn::~LibraryTurn() {
  if (--depth_ == 0) mutex_.unlock();
}

OpenFile::~OpenFile() {
  if (!file.valid()) return;
  const LibraryTurn turn;
  reading.clear();
  growing.clear();
  (void)file.close();
}

std::string last_error() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &reason);
  constexpr std::string_view kMark = "error message = '";
  if (const auto begin = reason.find(kMark); begin != std::string::npos) {
    const std::string tail = reason.substr(begin + kMark.size());
    reason = tail.substr(0, tail.find('\''));
  }
  std::replace_if(
      reason.begin(), reason.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return reason.empty() ? "no reason given by the HDF5 library" : reason;
}

std::string absolute(std::string_view path) {
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

void throw_data_error(std::string_view file, std::string_view path, std::string_view what) {
  throw DataError(fmt::format("{}: {} {}", file, absolute(path), what));
}

void throw_file_error(std::string_view file, std::string_view path, std::string_view what) {
  throw FileError(fmt::format("{}: {} {}", file, absolute(path), what));
}

Handle creation_properties(hid_t property_class) {
  Handle properties(H5Pcreate(property_class), H5Pclose);
  H5Pset_obj_track_times(properties.id(), false);
  // Brings object headers of version 2, whose attributes may be larger than 64 KiB (many column names). The wider way
  // to them, H5Pset_libver_bounds, would also give a superblock whose checksum H5Fget_file_image spoils.
  H5Pset_attr_creation_order(properties.id(), H5P_CRT_ORDER_TRACKED);
  return properties;
}

File::File(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;

const std::string& File::name() const { return impl_->name; }

File File::open(const std::string& path, External external) {
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  impl->remote = std::make_unique<RemoteFile>(path, openable(path), external);
  return File(std::move(impl));
}

File File::open_in_process(const std::string& path, External external) {
  const LibraryTurn turn;
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  impl->external = external;
  if (H5Fis_hdf5(path.c_str()) == 0)
    throw DataError(path + ": is not an HDF5 file; text, IDX and NumPy files are brought in by 'gradloom import'");
  const Handle access = reading_properties();
  impl->file = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (!impl->file.valid()) throw_cannot_open(path);
  return File(std::move(impl));
}

File File::create(const std::string& path) {
  const LibraryTurn turn;
  auto impl = std::make_unique<Impl>();
  impl->name = path;
  impl->writable = true;
  const Handle creation = creation_properties(H5P_FILE_CREATE);
  const Handle access = access_properties();
  impl->file = Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose);
  if (!impl->file.valid()) throw FileError(fmt::format("{}: cannot be created: {}", path, last_error()));
  return File(std::move(impl));
}

File File::create_in_memory() {
  const LibraryTurn turn;
  auto impl = std::make_unique<Impl>();
  impl->name = "file in memory";
  impl->writable = true;
  const Handle creation = creation_properties(H5P_FILE_CREATE);
  const Handle access = access_properties();
  H5Pset_fapl_core(access.id(), kMemoryGrowth, false);
  impl->file = Handle(H5Fcreate(unique_memory_name().c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose);
  if (!impl->file.valid()) throw FileError(fmt::format("{}: cannot be created: {}", impl->name, last_error()));
  return File(std::move(impl));
}

File File::open_image(std::vector<std::byte> bytes, const std::string& name, std::size_t room) {
  const LibraryTurn turn;
  auto impl = std::make_unique<Impl>();
  impl->name = name;
  impl->image = std::move(bytes);
  if (impl->image.size() <= room) throw DataError(name + ": holds no HDF5 file");
  std::byte* const begin = impl->image.data() + room;
  H5FD_file_image_callbacks_t calls = sharing(begin);
  const Handle access = access_properties();
  H5Pset_fapl_core(access.id(), kMemoryGrowth, false);
  H5Pset_file_image_callbacks(access.id(), &calls);
  H5Pset_file_image(access.id(), begin, impl->image.size() - room);
  impl->file = Handle(H5Fopen(unique_memory_name().c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (!impl->file.valid()) throw_cannot_open(name);
  return File(std::move(impl));
}

std::span<std::byte> File::memory() {
  const LibraryTurn turn;
  const auto fail = [&] { throw FileError(fmt::format("{}: no image of it: {}", impl_->name, last_error())); };
  if (H5Fflush(impl_->id(), H5F_SCOPE_GLOBAL) < 0) fail();
  const ssize_t size = H5Fget_file_image(impl_->id(), nullptr, 0);
  void* place = nullptr;  // of the core driver's pointer to the bytes
  if (size < 0 || H5Fget_vfd_handle(impl_->id(), H5P_DEFAULT, &place) < 0) fail();
  return {*static_cast<std::byte**>(place), static_cast<std::size_t>(size)};
}

std::vector<std::byte> File::image(std::size_t room) {
  const std::span<const std::byte> content = memory();
  std::vector<std::byte> bytes(room + content.size());
  std::ranges::copy(content, bytes.begin() + static_cast<std::ptrdiff_t>(room));
  return bytes;
}

void File::close() {
  impl_->remote.reset();
  const LibraryTurn turn;
  if (!impl_->file.valid()) return;
  impl_->reading.clear();
  std::string failure;
  const auto note = [&](bool ok) {
    if (!ok && failure.empty()) failure = last_error();
  };
  for (auto& [path, set] : impl_->growing) note(set.dataset.close());
  impl_->growing.clear();
  if (impl_->writable) note(H5Fflush(impl_->id(), H5F_SCOPE_GLOBAL) >= 0);
  note(impl_->file.close());
  if (!failure.empty()) throw FileError(fmt::format("{}: cannot be written: {}", impl_->name, failure));
}

std::string version() {
  const LibraryTurn turn;
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("HDF5 {}.{}.{}", major, minor, release);
}

}  // namespace gradloom::h5
