#include "engine/io/folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/io/descriptor.hpp"
#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// st_mode of what stands there, links followed; nothing where there is nothing.
std::optional<mode_t> mode_of(const std::string& path) {
  struct stat status {};
  int result = 0;
  do result = sys::stat(path.c_str(), &status);
  while (result != 0 && errno == EINTR);
  if (result == 0) return status.st_mode;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_call_failed(path, "stat", errno);
}

// Makes `path`, which is `wanted` or a parent of it.
void create_folder(const std::string& path, const std::string& wanted) {
  const auto fail = [&](const std::string& reason) {
    throw FileError(fmt::format("{}: cannot be created as a folder: {}", wanted, reason));
  };
  if (const auto mode = mode_of(path)) {
    if (!S_ISDIR(*mode)) fail(path + " is not a folder");
    return;
  }
  const std::string parent = parent_folder(path);
  if (parent != path) create_folder(parent, wanted);
  int result = 0;
  do result = sys::mkdir(path.c_str(), 0777);
  while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EEXIST) fail(std::strerror(errno));
  sync_folder(parent);
}

}  // namespace

bool file_exists(const std::string& path) { return mode_of(path).has_value(); }

std::string parent_folder(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

void create_folders(const std::string& path) { create_folder(path, path); }

void sync_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (sys::fsync(folder.id()) != 0 && errno != EINVAL) throw_call_failed(path, "fsync", errno);  // EINVAL: has no such
}

std::vector<std::string> list_folder(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> folder(sys::opendir(path.c_str()), ::closedir);
  if (!folder && errno == EINTR) return list_folder(path);
  if (!folder && errno == ENOENT) return {};
  if (!folder) throw_call_failed(path, "opendir", errno);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* const entry = sys::readdir(folder.get());
    if (entry == nullptr && errno == EINTR) continue;
    if (entry == nullptr && errno != 0) throw_call_failed(path, "readdir", errno);
    if (entry == nullptr) return names;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
}

std::optional<std::uint64_t> free_bytes(const std::string& path) {
  std::string existing = path;
  while (!file_exists(existing) && existing != parent_folder(existing)) existing = parent_folder(existing);
  struct statvfs status {};
  if (sys::statvfs(existing.c_str(), &status) != 0 || status.f_blocks == 0) return std::nullopt;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

}  // namespace gradloom
