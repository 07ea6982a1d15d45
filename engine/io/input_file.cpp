#include "engine/io/input_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>
#include <system_error>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kBufferBytes = 256 << 10;
constexpr std::size_t kMostPerCall = 1 << 30;  // gzread counts in int
// Deflate never inflates to more than 1032 times its size (zlib, "Technical Details": maximum compression factor).
constexpr std::uint64_t kDeflateFactor = 1032;

gzFile handle(void* file) { return static_cast<gzFile>(file); }

// As many bytes as a small file has, and one to see its end; `most` where it is larger, or no regular file.
std::size_t bytes_up_to(const std::string& path, std::size_t most) {
  constexpr std::uint64_t kLeast = 4 << 10;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  return error ? most : static_cast<std::size_t>(std::min<std::uint64_t>(std::max(size + 1, kLeast), most));
}

}  // namespace

InputFile::InputFile(const std::string& path, const std::string& name)
    : path_(path), name_(name.empty() ? path : name) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    throw ConfigError(fmt::format("{}: there is no such file", name_));
  if (std::filesystem::is_directory(status)) throw ConfigError(fmt::format("{}: is a folder, not a file", name_));
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw FileError(fmt::format("{}: open failed: {}", name_, std::strerror(errno)));
  gzFile opened = gzdopen(descriptor_, "rb");
  if (opened == nullptr) {
    ::close(descriptor_);
    throw std::bad_alloc();  // the one reason that gzdopen has
  }
  file_ = opened;
  gzbuffer(opened, static_cast<unsigned>(bytes_up_to(path, kBufferBytes)));
}

InputFile::~InputFile() { gzclose_r(handle(file_)); }

std::size_t InputFile::read(std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t wanted = std::min(out.size() - done, kMostPerCall);
    const int count = gzread(handle(file_), out.data() + done, static_cast<unsigned>(wanted));
    if (count > 0) done += static_cast<std::size_t>(count);
    int code = Z_OK;
    const char* reason = gzerror(handle(file_), &code);
    if (code == Z_ERRNO) throw FileError(fmt::format("{}: read failed: {}", name_, std::strerror(errno)));
    if (code != Z_OK && code != Z_STREAM_END)
      throw DataError(fmt::format("{}: gzip data are damaged or cut short ({})", name_, reason));
    if (count <= 0) break;
  }
  return done;
}

std::size_t InputFile::read_at(std::uint64_t offset, std::span<char> out) {
  if (is_gzipped()) {
    if (gzseek(handle(file_), static_cast<z_off_t>(offset), SEEK_SET) < 0)
      throw FileError(fmt::format("{}: cannot go to byte {} of its inflated data", name_, offset));
    return read(out);
  }
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(fmt::format("{}: read failed: {}", name_, std::strerror(errno)));
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::uint64_t InputFile::bytes_used() const {
  return static_cast<std::uint64_t>(std::max<z_off_t>(gzoffset(handle(file_)), 0));
}

bool InputFile::is_gzipped() const { return gzdirect(handle(file_)) == 0; }

std::size_t InputFile::block_bytes(std::size_t most) const { return is_gzipped() ? most : bytes_up_to(path_, most); }

std::uint64_t InputFile::most_bytes() const {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path_, error);
  if (error) throw FileError(fmt::format("{}: stat failed: {}", name_, error.message()));
  return is_gzipped() ? size * kDeflateFactor : size;
}

}  // namespace gradloom
