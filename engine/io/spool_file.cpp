#include "engine/io/spool_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr mode_t kOwnerOnly = 0600;

// For file systems without O_TMPFILE, such as NFS.
std::unique_ptr<Descriptor> named_and_unlinked(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / fmt::format(".spool.tmp-{}", ::getpid())).string();
  auto file = std::make_unique<Descriptor>(path, O_CREAT | O_EXCL | O_RDWR, kOwnerOnly);
  if (sys::unlink(path.c_str()) != 0) throw_call_failed(path, "unlink", errno);
  return file;
}

std::unique_ptr<Descriptor> nameless(const std::string& folder) {
  try {
    return std::make_unique<Descriptor>(folder, O_TMPFILE | O_RDWR, kOwnerOnly);
  } catch (const FileError&) {
    return named_and_unlinked(folder);
  }
}

}  // namespace

SpoolFile::SpoolFile(const std::string& folder) : file_(nameless(folder)) {}

void SpoolFile::append(std::span<const char> bytes) const { file_->write_all(std::as_bytes(bytes)); }

std::string SpoolFile::path() const { return fmt::format("/proc/self/fd/{}", file_->id()); }

}  // namespace gradloom
