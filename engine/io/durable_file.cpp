#include "engine/io/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

[[noreturn]] void fail(const std::string& path, std::string_view call, int error) {
  throw FileError(fmt::format("{}: {} failed: {}", path, call, std::strerror(error)));
}

// One open descriptor. The system calls on files are all in this class and in the four functions behind it.
class Descriptor {
 public:
  Descriptor(std::string path, int flags, mode_t mode = 0) : path_(std::move(path)) {
    do id_ = ::open(path_.c_str(), flags | O_CLOEXEC, mode);
    while (id_ < 0 && errno == EINTR);
    if (id_ < 0) fail(path_, "open", errno);
  }
  ~Descriptor() {
    if (id_ >= 0) ::close(id_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write_all(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(id_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(path_, "write", errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  // Up to out.size() bytes; fewer only at the end of the file.
  [[nodiscard]] std::size_t read_some(std::span<std::byte> out) const {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = ::read(id_, out.data() + done, out.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path_, "read", errno);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  // Never tried twice: after a failure the kernel has marked the pages clean, and a second call would lie.
  void sync() const {
    if (::fsync(id_) != 0) fail(path_, "fsync", errno);
  }

  void close() {
    const int id = std::exchange(id_, -1);
    if (::close(id) != 0 && errno != EINTR) fail(path_, "close", errno);  // NFS reports a full disk here
  }

  [[nodiscard]] std::size_t size() const {
    struct stat status {};
    if (::fstat(id_, &status) != 0) fail(path_, "fstat", errno);
    if (S_ISDIR(status.st_mode)) fail(path_, "read", EISDIR);
    return static_cast<std::size_t>(status.st_size);
  }

 private:
  std::string path_;
  int id_ = -1;
};

void rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail(to, "rename", errno);
}

// False where the file system has no hard links, or no more of them for this file.
bool make_link(const std::string& target, const std::string& link) {
  if (::link(target.c_str(), link.c_str()) == 0) return true;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) return false;
  fail(link, "link", errno);
}

bool unlink_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  fail(path, "unlink", errno);
}

void sync_folder(const std::string& folder) { Descriptor(folder, O_RDONLY | O_DIRECTORY).sync(); }

std::string folder_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// A name beside `path` that is removed again unless it was renamed.
class TemporaryName {
 public:
  explicit TemporaryName(const std::string& path)
      : path_((std::filesystem::path(path).parent_path() /
               fmt::format(".{}.tmp-{}", std::filesystem::path(path).filename().string(), ::getpid()))
                  .string()) {
    unlink_file(path_);  // left by a killed process that had our number
  }
  ~TemporaryName() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryName(const TemporaryName&) = delete;
  TemporaryName& operator=(const TemporaryName&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  void rename_over(const std::string& path) {
    rename_file(path_, path);
    path_.clear();
  }

 private:
  std::string path_;
};

void write_and_sync(const std::string& path, std::span<const std::span<const std::byte>> parts) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  for (const auto part : parts) file.write_all(part);
  file.sync();
  file.close();
}

}  // namespace

void write_durably(const std::string& path, std::span<const std::span<const std::byte>> parts) {
  TemporaryName temporary(path);
  write_and_sync(temporary.path(), parts);
  temporary.rename_over(path);
  sync_folder(folder_of(path));
}

void write_durably(const std::string& path, std::string_view text) {
  const std::array<std::span<const std::byte>, 1> parts{std::as_bytes(std::span(text))};
  write_durably(path, parts);
}

void link_durably(const std::string& target, const std::string& link) {
  TemporaryName temporary(link);
  if (!make_link(target, temporary.path())) {
    const std::vector<std::byte> bytes = read_file(target);
    const std::array<std::span<const std::byte>, 1> parts{std::span(bytes)};
    write_and_sync(temporary.path(), parts);
  }
  rename_file(temporary.path(), link);  // nothing happens, and the temporary name stays, where both are one file
  sync_folder(folder_of(link));
}

void remove_durably(const std::string& path) {
  if (unlink_file(path)) sync_folder(folder_of(path));
}

void create_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw FileError(fmt::format("{}: cannot be created as a folder: {}", path, error.message()));
  if (!std::filesystem::is_directory(path, error)) throw FileError(path + ": is not a folder");
}

std::vector<std::byte> read_file(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  std::vector<std::byte> bytes(file.size());
  bytes.resize(file.read_some(bytes));
  return bytes;
}

FileLock::FileLock(const std::string& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(path, "open", errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    std::array<char, 32> text{};
    const ssize_t length = ::pread(descriptor_, text.data(), text.size(), 0);
    ::close(descriptor_);
    if (error != EWOULDBLOCK) fail(path, "flock", error);
    std::string holder(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    holder.resize(std::min(holder.find('\n'), holder.size()));
    throw ConfigError(fmt::format("{} is in use by process {}; wait for it, or choose another run.dir", folder_of(path),
                                  holder.empty() ? "?" : holder));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  // Where this fails only the message of a second process suffers: the lock itself is held.
  [[maybe_unused]] const bool told =
      ::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, pid.data(), pid.size(), 0) > 0;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace gradloom
