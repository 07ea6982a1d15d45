#include "engine/io/append_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "engine/io/system_calls.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

AppendFile::AppendFile(const std::string& path) : file_(path, O_WRONLY | O_APPEND) {}

std::optional<std::string> AppendFile::append(std::string_view text) {
  pending_ += text;
  std::size_t done = 0;
  std::optional<std::string> failure;
  while (done < pending_.size()) {
    const ssize_t written = sys::write(file_.id(), pending_.data() + done, pending_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) failure = fmt::format("{}: write failed: {}", file_.path(), std::strerror(errno));
    if (written < 0) break;
    done += static_cast<std::size_t>(written);
  }
  pending_.erase(0, done);
  return failure;
}

void AppendFile::flush() {
  if (const auto failure = append("")) throw FileError(*failure);
}

}  // namespace gradloom
