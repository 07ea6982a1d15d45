#include "engine/io/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "engine/io/folder.hpp"
#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

void rename_file(const std::string& from, const std::string& to) {
  if (sys::rename(from.c_str(), to.c_str()) != 0) throw_call_failed(to, "rename", errno);
}

// False where the file system has no hard links, or no more of them for this file.
bool make_link(const std::string& target, const std::string& link) {
  if (sys::link(target.c_str(), link.c_str()) == 0) return true;
  if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK) return false;
  throw_call_failed(link, "link", errno);
}

bool unlink_file(const std::string& path) {
  if (sys::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  throw_call_failed(path, "unlink", errno);
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
    if (!path_.empty()) sys::unlink(path_.c_str());
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
  sync_folder(parent_folder(path));
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
  sync_folder(parent_folder(link));
}

void remove_durably(const std::string& path) {
  if (unlink_file(path)) sync_folder(parent_folder(path));
}

void remove_file(const std::string& path) { unlink_file(path); }

void set_aside(const std::string& path, const std::string& prefix) {
  const std::filesystem::path from(path);
  rename_file(path, (from.parent_path() / (prefix + "-" + from.filename().string())).string());
  sync_folder(parent_folder(path));
}

std::vector<std::byte> read_file(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  std::vector<std::byte> bytes(file.size());
  bytes.resize(file.read_some(bytes));
  return bytes;
}

FileLock::FileLock(const std::string& path) : file_(path, O_RDWR | O_CREAT, 0666) {
  int result = 0;
  do result = sys::flock(file_.id(), LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EWOULDBLOCK) throw_call_failed(path, "flock", errno);
  if (result != 0) {
    std::array<std::byte, 32> bytes{};
    std::string holder(reinterpret_cast<const char*>(bytes.data()), file_.read_some(bytes));
    holder.resize(std::min(holder.find('\n'), holder.size()));
    throw ConfigError(fmt::format("{} is in use by process {}; wait for it, or choose another run.dir",
                                  parent_folder(path), holder.empty() ? "?" : holder));
  }
  // Where this fails only the message of a second process suffers: the lock itself is held.
  const std::string pid = fmt::format("{}\n", ::getpid());
  [[maybe_unused]] const bool told =
      sys::ftruncate(file_.id(), 0) == 0 && sys::write(file_.id(), pid.data(), pid.size()) > 0;
}

}  // namespace gradloom
