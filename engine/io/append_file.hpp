#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/descriptor.hpp"

namespace gradloom {

/// A file that grows by whole lines, and outlives a disk that is full for a while: what the system does not take stays
/// in memory and is written with the next line, so that the file has no gap and no half line in its middle.
class AppendFile {
 public:
  /// Opens an existing file; FileError where that fails.
  explicit AppendFile(const std::string& path);

  /// Writes what is pending, then `text`. Returns why not all of it is in the file yet, or nothing.
  [[nodiscard]] std::optional<std::string> append(std::string_view text);

  /// FileError where something is still pending after another try.
  void flush();

  /// Returns when all that was written before is on disk. May be called by another thread than the rest.
  void sync() const { file_.sync(); }

  [[nodiscard]] std::size_t pending_bytes() const { return pending_.size(); }

 private:
  Descriptor file_;
  std::string pending_;
};

}  // namespace gradloom
