#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "gradloom/errors.hpp"

/// What the fuzzers share. The property of every one of them: whatever the input, a parser returns or throws
/// gradloom::Error. Anything else ends the process, and libFuzzer keeps the input.
namespace gradloom::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A stronger property of one fuzzer.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: this does not hold: %s\n", property);
  std::abort();
}

/// A file in memory, for parsers that take a path. Opened anew by every reader of the path, so each begins at 0.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("fuzz", 0)) {
    require(descriptor_ >= 0, "memfd_create succeeds");
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void hold(std::string_view content) const {
    require(::ftruncate(descriptor_, 0) == 0, "ftruncate succeeds");
    require(::pwrite(descriptor_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()),
            "pwrite succeeds");
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

/// What `parse` returns; nothing where it refuses the input with an Error.
template <class Parse>
auto accepted(const Parse& parse) -> std::optional<decltype(parse())> {
  try {
    return parse();
  } catch (const Error& error) {
    require(*error.what() != '\0', "a refusal says why");
    require(error.code() != ExitCode::kDefect, "a refusal is not called a defect of the program");
    return std::nullopt;
  }
}

/// Takes numbers and choices from the front of the input; zeros where it is used up.
class Choices {
 public:
  explicit Choices(std::string_view input) : rest_(input) {}
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace gradloom::fuzz
