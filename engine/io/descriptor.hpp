#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace gradloom {

/// FileError "PATH: CALL failed: REASON".
[[noreturn]] void throw_call_failed(const std::string& path, std::string_view call, int error);

/// One open file descriptor. Members throw FileError naming file, call and reason; calls that a signal interrupted are
/// made again, but for fsync: after a failure the kernel has marked the pages clean, and a second call would lie.
class Descriptor {
 public:
  Descriptor(std::string path, int flags, mode_t mode = 0);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int id() const { return id_; }

  void write_all(std::span<const std::byte> bytes) const;
  /// Up to out.size() bytes from where the file stands; fewer only at its end.
  [[nodiscard]] std::size_t read_some(std::span<std::byte> out) const;
  [[nodiscard]] std::size_t size() const;
  void sync() const;
  /// Reports what a destructor would have to swallow: NFS tells of a full disk here.
  void close();

 private:
  std::string path_;
  int id_ = -1;
};

}  // namespace gradloom
