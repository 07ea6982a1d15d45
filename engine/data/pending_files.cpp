#include "engine/data/pending_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <system_error>

#include "gradloom/errors.hpp"
#include "gradloom/import.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;

// The temporary names of this process once more, in the only form that a signal handler may read: fixed storage, and
// flags without locks. A name that finds no room here is written all the same; it just outlives a signal.
struct Slot {
  std::atomic<bool> taken = false, ready = false;
  std::array<char, 4096> path{};
};
std::array<Slot, 1024> slots;  // pages that are not used take no memory
static_assert(std::atomic<bool>::is_always_lock_free);

void enter_slot(const std::string& path) {
  for (Slot& slot : slots) {
    if (path.size() >= slot.path.size() || slot.taken.exchange(true)) continue;
    *std::copy(path.begin(), path.end(), slot.path.begin()) = '\0';
    slot.ready = true;
    return;
  }
}

void leave_slot(const std::string& path) {
  for (Slot& slot : slots) {
    if (!slot.ready || path != slot.path.data()) continue;
    slot.ready = false;
    slot.taken = false;
  }
}

void remove_quietly(const std::string& path) {
  std::error_code ignored;  // also runs while an exception is on its way, which says more than this could
  fs::remove(path, ignored);
}

}  // namespace

PendingFiles::~PendingFiles() {
  for (const Pending& file : files_) {
    remove_quietly(file.temporary);
    leave_slot(file.temporary);
  }
}

std::string PendingFiles::add(const std::string& path) {
  const fs::path target(path), folder = folder_of_output(path);
  std::error_code ignored;
  if (!target.has_filename() || fs::is_directory(target, ignored))
    throw ConfigError(fmt::format("output {}: is a folder; name a file, such as data.h5", path));
  if (fs::exists(target, ignored) && !fs::is_regular_file(target, ignored))  // a rename would replace the device
    throw ConfigError(fmt::format("output {}: is not a regular file; name one, such as data.h5", path));
  const fs::path temporary = folder / fmt::format(".{}.tmp-{}", target.filename().string(), ::getpid());
  files_.push_back({temporary.string(), path});
  enter_slot(temporary.string());
  return files_.back().temporary;
}

void PendingFiles::publish() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    std::error_code error;
    fs::rename(files_[i].temporary, files_[i].path, error);
    if (!error) {
      leave_slot(files_[i].temporary);
      continue;
    }
    for (std::size_t done = 0; done < i; ++done) remove_quietly(files_[done].path);
    throw FileError(fmt::format("{}: rename failed: {}", files_[i].path, error.message()));
  }
  files_.clear();
}

std::string folder_of_output(const std::string& path) {
  const fs::path target(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored))
    throw FileError(fmt::format("output {}: there is no folder {}; create it first", path, folder.string()));
  return folder.string();
}

void remove_unfinished_outputs() noexcept {
  for (const Slot& slot : slots)
    if (slot.ready) ::unlink(slot.path.data());
}

}  // namespace gradloom
