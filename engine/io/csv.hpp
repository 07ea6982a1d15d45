#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/input_file.hpp"

namespace gradloom {

/// One record of a table. The cells look into the reader's buffer: valid until its next call.
struct CsvRecord {
  std::uint64_t line = 0;               ///< where it begins, from 1
  std::vector<std::string_view> cells;  ///< unquoted, blanks around them kept
};

/// Reads separated text as RFC 4180 has it, plain or gzipped: cells that begin with a double quote may hold separators,
/// line ends and doubled quotes. LF and CRLF end a line, a UTF-8 byte order mark is skipped, so are lines of blanks.
/// The separator is the tab in files called .tsv or .tab; else whichever of comma, tab and semicolon stands most often
/// in the first line outside quotes, the comma in doubt. Memory is bounded by the longest record.
class CsvReader {
 public:
  static constexpr std::size_t kBlockBytes = 1 << 20;

  /// `block_bytes`: of the first block, in which byte order mark and separator are looked for; longer records make it
  /// grow.
  explicit CsvReader(const std::string& path, std::size_t block_bytes = kBlockBytes);

  /// The next record; false at the end. DataError with file and line: a quote that is never closed, text behind a
  /// closing quote, a record that is too long, bytes that are no text.
  bool next(CsvRecord& record);

  [[nodiscard]] char separator() const { return separator_; }
  [[nodiscard]] const std::string& path() const { return input_.path(); }

 private:
  // A cell in the buffer; a quoted one may hold doubled quotes yet.
  struct Span {
    std::size_t begin, end;
    bool doubled;
  };
  enum class Scan { kDone, kNeedsMore };

  void detect_separator();
  Scan scan_record();
  Scan scan_quoted(std::size_t& at);
  Scan scan_plain(std::size_t& at);
  bool refill();
  void take(CsvRecord& record);
  std::string_view unquoted(Span cell);
  [[noreturn]] void refuse(std::uint64_t line, const std::string& what) const;

  InputFile input_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  ///< of the next record
  std::size_t end_ = 0;    ///< of what was read
  std::size_t after_ = 0;  ///< behind the record that was scanned
  bool at_end_ = false;    ///< the file holds no more than the buffer
  std::uint64_t line_ = 1;
  std::uint64_t lines_in_cells_ = 0;  ///< line ends inside the quotes of the record that is scanned
  std::vector<Span> spans_;
  char separator_ = ',';
};

}  // namespace gradloom
