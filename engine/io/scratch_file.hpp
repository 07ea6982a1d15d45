#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/io/descriptor.hpp"

namespace gradloom {

/// A file for what does not fit in memory, or can be read only once. It has no name, so that it ends with the object,
/// or with the process, whatever ends that.
class ScratchFile {
 public:
  /// On the file system of `folder`. FileError where no file can be made there.
  explicit ScratchFile(const std::string& folder);

  /// FileError (no room left).
  void write_at(std::uint64_t place, std::span<const std::byte> bytes) const;
  /// Behind what was appended before.
  void append(std::span<const std::byte> bytes);
  /// Fills `out`. FileError where the file ends before.
  void read_at(std::uint64_t place, std::span<std::byte> out) const;
  /// Gives the room of these bytes back, where the file system can. They are not to be read again before they are
  /// written.
  void discard(std::uint64_t place, std::uint64_t bytes) const;
  /// Opens the file from its beginning, as often as one likes.
  [[nodiscard]] std::string path() const;

 private:
  [[noreturn]] void throw_failed(const char* what, int error) const;

  std::string folder_;
  std::unique_ptr<Descriptor> file_;
  std::uint64_t appended_ = 0;  // bytes
};

}  // namespace gradloom
