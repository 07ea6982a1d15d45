#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/input_file.hpp"

namespace gradloom {

/// Whole lines or records of a text file: the last one's line end included, and put there where the file has none.
struct TextBlock {
  static constexpr std::size_t kPadding = 8;

  std::vector<char> bytes;  ///< the text and at least kPadding bytes more, so that it can be read eight at once
  std::size_t size = 0;     ///< of the text
  std::uint64_t line = 1;   ///< the first one's number in its file, from 1
  [[nodiscard]] const char* begin() const { return bytes.data(); }
  [[nodiscard]] const char* end() const { return bytes.data() + size; }
};

/// Cuts a text file, plain or gzipped, into blocks. A UTF-8 byte order mark is left out. Where the cuts lie depends on
/// the text alone. Memory: twice the block, or what the longest record takes.
class TextBlockReader {
 public:
  /// `block_bytes`: of a block, unless a record is longer; at least 3, the byte order mark.
  TextBlockReader(const std::string& path, const std::string& name, std::size_t block_bytes);

  /// What the first block is cut from.
  [[nodiscard]] std::string_view beginning() const { return {rest_.data(), rest_.size()}; }
  /// Cells that begin with a double quote, at the beginning of a line or behind this separator, may hold line ends.
  void set_quoting(char separator) { separator_ = separator; }

  /// The next block; false at the end. DataError with file and line: bytes that are no text, a record longer than
  /// 256 MiB. The room of the block is used again.
  bool next(TextBlock& block);

  [[nodiscard]] const std::string& name() const { return input_.name(); }
  /// Bytes of the file itself, gzipped or not, that the blocks so far are made of.
  [[nodiscard]] std::uint64_t bytes_used() const { return input_.bytes_used(); }

 private:
  void fill(TextBlock& block, std::size_t upto);
  [[nodiscard]] std::size_t end_of_records(const TextBlock& block) const;
  [[noreturn]] void refuse(std::uint64_t line, const std::string& what) const;

  InputFile input_;
  std::size_t block_bytes_;
  std::vector<char> rest_;  ///< what was read and is in no block yet
  bool at_end_ = false;     ///< the file holds no more than that
  char separator_ = '\0';   ///< where it is 0, quotes mean nothing
  std::uint64_t line_ = 1;
};

/// Line ends in a text.
std::uint64_t count_lines(std::string_view text);

}  // namespace gradloom
