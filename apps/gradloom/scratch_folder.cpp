#include "apps/gradloom/scratch_folder.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "gradloom/errors.hpp"

namespace fs = std::filesystem;

namespace {

/// Its path without "." and slashes at the end, so that a suffix makes a name beside it; relative where it can be.
fs::path plain(const std::string& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return fs::path(folder).is_absolute() ? path : path.lexically_proximate(fs::current_path());
}

}  // namespace

ScratchFolder::ScratchFolder(const std::string& beside) : path_(plain(beside).string() + ".verify-XXXXXX") {
  std::error_code error;
  const fs::path parent = fs::path(path_).parent_path();
  for (fs::path missing = parent; !missing.empty() && !fs::exists(missing, error); missing = missing.parent_path())
    first_made_ = missing.string();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) throw gradloom::FileError(fmt::format("{}: cannot be created: {}", parent.string(), error.message()));
  if (::mkdtemp(path_.data()) == nullptr)
    throw gradloom::FileError(fmt::format("{}: cannot be created: {}", path_, std::strerror(errno)));
}

ScratchFolder::~ScratchFolder() {
  if (kept_) return;
  std::error_code ignored;  // a destructor has nobody to tell
  fs::remove_all(path_, ignored);
  if (first_made_.empty()) return;
  fs::path folder = fs::path(path_).parent_path();
  while (fs::remove(folder, ignored) && folder != first_made_) folder = folder.parent_path();  // empty ones alone
}
