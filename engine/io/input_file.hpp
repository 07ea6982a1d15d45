#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gradloom {

/// Reads a file from its beginning; gzip is inflated on the way, found by its content.
class InputFile {
 public:
  /// `name`: what messages call it; its path where empty. ConfigError where there is no such file; FileError where it
  /// cannot be opened.
  explicit InputFile(const std::string& path, const std::string& name = "");
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// The next bytes: fewer than asked for only at the end. DataError where gzip data are damaged or cut short;
  /// FileError where reading fails.
  std::size_t read(std::span<char> out);
  /// The same from byte `offset` on, in any order; read() goes on anywhere after it. In gzip data a step back
  /// inflates everything again from the beginning.
  std::size_t read_at(std::uint64_t offset, std::span<char> out);
  [[nodiscard]] bool is_gzipped() const;
  /// Bytes of the file itself that read() has used up, of a gzipped one too.
  [[nodiscard]] std::uint64_t bytes_used() const;
  /// Bytes that the whole file can hold: its size, or for gzip what deflate can make of that at most.
  [[nodiscard]] std::uint64_t most_bytes() const;
  /// A block for read(): `most` bytes, or, of a small file that is not gzipped, all of it and a byte to see its end.
  [[nodiscard]] std::size_t block_bytes(std::size_t most) const;

 private:
  std::string path_, name_;
  int descriptor_ = -1;   ///< owned by file_
  void* file_ = nullptr;  ///< zlib's gzFile
};

}  // namespace gradloom
