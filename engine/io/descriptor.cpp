#include "engine/io/descriptor.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

void throw_call_failed(const std::string& path, std::string_view call, int error) {
  throw FileError(fmt::format("{}: {} failed: {}", path, call, std::strerror(error)));
}

Descriptor::Descriptor(std::string path, int flags, mode_t mode) : path_(std::move(path)) {
  do id_ = sys::open(path_.c_str(), flags | O_CLOEXEC, mode);
  while (id_ < 0 && errno == EINTR);
  if (id_ < 0) throw_call_failed(path_, "open", errno);
}

Descriptor::~Descriptor() {
  if (id_ >= 0) sys::close(id_);
}

void Descriptor::write_all(std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = sys::write(id_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_call_failed(path_, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::size_t Descriptor::read_some(std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = sys::read(id_, out.data() + done, out.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_call_failed(path_, "read", errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::size_t Descriptor::size() const {
  struct stat status {};
  if (sys::fstat(id_, &status) != 0) throw_call_failed(path_, "fstat", errno);
  if (S_ISDIR(status.st_mode)) throw_call_failed(path_, "read", EISDIR);
  return static_cast<std::size_t>(status.st_size);
}

void Descriptor::sync() const {
  if (sys::fsync(id_) != 0) throw_call_failed(path_, "fsync", errno);
}

void Descriptor::close() {
  const int id = std::exchange(id_, -1);
  if (sys::close(id) != 0 && errno != EINTR) throw_call_failed(path_, "close", errno);
}

}  // namespace gradloom
