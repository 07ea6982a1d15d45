#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/io/descriptor.hpp"

namespace gradloom {

/// A file without a name, for what can be read only once: it is gone with this object, however the process ends.
class SpoolFile {
 public:
  /// On the file system of `folder`. FileError where none can be made there.
  explicit SpoolFile(const std::string& folder);

  /// FileError where the disk is full or fails.
  void append(std::span<const char> bytes) const;
  /// Opens the file from its beginning, as often as one likes.
  [[nodiscard]] std::string path() const;

 private:
  std::unique_ptr<Descriptor> file_;
};

}  // namespace gradloom
