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

ScratchFile::ScratchFile(const std::string& beside) : beside_(beside) {
  const std::filesystem::path target(beside);
  const std::string name =
      (target.parent_path() / fmt::format(".{}.scratch-{}", target.filename().string(), ::getpid())).string();
  sys::unlink(name.c_str());  // left by a killed process that had our number
  file_ = std::make_unique<Descriptor>(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (sys::unlink(name.c_str()) != 0) throw_failed("removed", errno);
}

void ScratchFile::throw_failed(const char* what, int error) const {
  throw FileError(
      fmt::format("{}: the temporary file beside it cannot be {}: {}", beside_, what, std::strerror(error)));
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

}  // namespace gradloom
