#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gradloom {

/// The arrays of an NPZ file, which numpy.savez and numpy.savez_compressed write: a ZIP archive of NPY files.
class NpzFile {
 public:
  /// `name`: what messages call it; its path where empty. DataError where it is no whole ZIP archive.
  explicit NpzFile(const std::string& path, const std::string& name = "");
  ~NpzFile();
  NpzFile(const NpzFile&) = delete;
  NpzFile& operator=(const NpzFile&) = delete;

  /// Names of the arrays, without ".npy", in the order in which they were saved.
  [[nodiscard]] const std::vector<std::string>& arrays() const { return arrays_; }
  /// Bytes of an array's NPY file, as the archive promises.
  [[nodiscard]] std::uint64_t bytes(std::size_t array) const;
  /// Hands an array's NPY file to `sink`, piece by piece. DataError where the archive is damaged: what was handed out
  /// before is of no use then.
  void extract(std::size_t array, const std::function<void(std::span<const char>)>& sink) const;

 private:
  [[noreturn]] void refuse(std::size_t array, const std::string& why) const;

  std::string name_;
  void* archive_ = nullptr;  ///< libzip's zip_t
  std::vector<std::string> arrays_;
  std::vector<std::uint64_t> entries_;  ///< of the arrays, in the archive
};

/// "libzip 1.7.3"
std::string libzip_version();

}  // namespace gradloom
