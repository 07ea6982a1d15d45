#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/descriptor.hpp"

namespace gradloom {

/// Replaces `path` by these bytes, durably: a temporary file in the same folder is written, fsynced and renamed over
/// `path`, and the folder is fsynced. On return the bytes are on disk; on FileError (which names the call and the
/// system's reason) what stood at `path` stands unchanged and the temporary file is gone; only where the last fsync, of
/// the folder, failed, the new bytes stand there, whole. A failed fsync is never retried. Temporary files are called
/// `.NAME.tmp-PID`.
void write_durably(const std::string& path, std::span<const std::span<const std::byte>> parts);
void write_durably(const std::string& path, std::string_view text);

/// Makes `link` another name of `target` (same folder), atomically and durably; a copy where the file system has no
/// hard links.
void link_durably(const std::string& target, const std::string& link);

/// Removes a file and fsyncs its folder. Absent files are not an error.
void remove_durably(const std::string& path);
/// The same without the fsync: after a crash of the machine the file may stand again.
void remove_file(const std::string& path);

/// Renames a file to PREFIX-NAME beside it, for whoever wants to look at it.
void set_aside(const std::string& path, const std::string& prefix = "damaged");

/// A whole file; FileError where it cannot be read.
std::vector<std::byte> read_file(const std::string& path);

/// An exclusive lock on a file that lasts as long as the object, or the process. Created where absent, never removed
/// (a lock that is removed can be held twice).
class FileLock {
 public:
  /// ConfigError "... is in use by process N" where another process holds it.
  explicit FileLock(const std::string& path);

 private:
  Descriptor file_;
};

}  // namespace gradloom
