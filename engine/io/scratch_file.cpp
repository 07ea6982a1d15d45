#include "engine/io/scratch_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr mode_t kOwnerOnly = 0600;

// For file systems without O_TMPFILE, such as NFS.
std::unique_ptr<Descriptor> named_and_unlinked(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / fmt::format(".scratch.tmp-{}", ::getpid())).string();
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

ScratchFile::ScratchFile(const std::string& folder) : folder_(folder), file_(nameless(folder)) {}

void ScratchFile::throw_failed(const char* what, int error) const {
  throw FileError(fmt::format("{}: a temporary file there cannot be {}: {}", folder_, what, std::strerror(error)));
}

void ScratchFile::write_at(std::uint64_t place, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = sys::pwrite(file_->id(), bytes.data(), bytes.size(), static_cast<off_t>(place));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_failed("written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    place += static_cast<std::uint64_t>(written);
  }
}

void ScratchFile::append(std::span<const std::byte> bytes) {
  write_at(appended_, bytes);
  appended_ += bytes.size();
}

void ScratchFile::read_at(std::uint64_t place, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count = sys::pread(file_->id(), out.data(), out.size(), static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw_failed("read", count < 0 ? errno : EIO);
    out = out.subspan(static_cast<std::size_t>(count));
    place += static_cast<std::uint64_t>(count);
  }
}

void ScratchFile::discard(std::uint64_t place, std::uint64_t bytes) const {
  // A file system that cannot keeps the room until the end.
  (void)::fallocate(file_->id(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(place),
                    static_cast<off_t>(bytes));
}

std::string ScratchFile::path() const { return fmt::format("/proc/self/fd/{}", file_->id()); }

}  // namespace gradloom
