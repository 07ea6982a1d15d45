#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/text_blocks.hpp"

namespace gradloom {

/// Separated text as RFC 4180 has it: cells that begin with a double quote may hold separators, line ends and doubled
/// quotes. LF and CRLF end a line, lines of blanks are skipped.
///
/// Walks through the records of a block, cell by cell. Cells look into the block, where doubled quotes are made single
/// ones, so each can be taken once.
class CsvCursor {
 public:
  /// `name`: what messages call the file. It must outlive the cursor.
  CsvCursor(char separator, const std::string& name) : separator_(separator), name_(name) {}

  /// Goes to the beginning of a block, which must stay as it is for as long as the cursor is in it.
  void enter(TextBlock& block);
  /// Goes to the next record, past what is left of this one's line; false at the end of the block.
  bool next_record();
  /// Where the record begins, from 1.
  [[nodiscard]] std::uint64_t line() const { return line_; }
  /// Whether the record has a cell that was not taken yet. Every record has one.
  [[nodiscard]] bool has_cell() const { return more_; }

  /// Takes the next cell: unquoted, blanks around it kept. DataError with file and line: a quote that is never closed,
  /// text behind a closing quote.
  std::string_view take_cell() { return *at_ == '"' ? take_quoted() : take_plain(); }
  /// Takes it where it is known to end at `end` if a separator or a line end stands there; else nothing is taken.
  bool take_cell_until(const char* end) {
    if (*end == separator_) {
      ++cells_;
      at_ += end + 1 - at_;
      return true;
    }
    return take_last_cell_until(end);
  }
  /// Where the next cell begins.
  [[nodiscard]] const char* position() const { return at_; }

 private:
  bool take_last_cell_until(const char* end);
  std::string_view take_plain();
  std::string_view take_quoted();
  void end_cell();
  [[noreturn]] void refuse(std::uint64_t line, const std::string& what) const;

  char* at_ = nullptr;
  char* end_ = nullptr;
  char separator_;
  bool more_ = false;
  std::size_t cells_ = 0;             ///< taken of this record
  std::uint64_t line_ = 0;            ///< of this record
  std::uint64_t lines_in_cells_ = 0;  ///< line ends inside quotes of this record
  std::uint64_t ended_lines_ = 0;     ///< lines between this record's beginning and the next one's, as far as is known
  const std::string& name_;
};

/// The separator of a text: the tab in files called .tsv or .tab; else whichever of comma, tab and semicolon stands
/// most often in the first line outside quotes, the comma in doubt.
char find_separator(const std::string& name, std::string_view text);

/// One record of a table. The cells look into the reader's block: valid until its next call.
struct CsvRecord {
  std::uint64_t line = 0;               ///< where it begins, from 1
  std::vector<std::string_view> cells;  ///< unquoted, blanks around them kept
};

/// Reads the records of a file one after the other. Memory is bounded by the longest record.
class CsvReader {
 public:
  static constexpr std::size_t kBlockBytes = 512 << 10;

  /// `block_bytes`: of the blocks; byte order mark and separator are looked for in the first one.
  explicit CsvReader(const std::string& path, const std::string& name = "", std::size_t block_bytes = kBlockBytes);

  /// The next record; false at the end. DataError as of TextBlockReader and CsvCursor.
  bool next(CsvRecord& record);

  [[nodiscard]] char separator() const { return separator_; }

 private:
  TextBlockReader reader_;
  char separator_;
  TextBlock block_;
  CsvCursor cursor_;
};

}  // namespace gradloom
