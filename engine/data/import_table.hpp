#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/data/import_cell.hpp"
#include "engine/data/import_sources.hpp"
#include "engine/data/source_blocks.hpp"
#include "engine/io/csv.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// What text sources have in common.
struct TableShape {
  std::vector<ImportSource> sources;
  std::vector<std::string> names;  ///< of the columns: from the header, or x0, x1, ...
  bool header = false;             ///< every source begins with one

  /// Column by name, or by index from 0 (negative: from the end). ConfigError with the nearest name.
  [[nodiscard]] std::size_t column(const std::string& option, const std::string& wanted) const;
  /// DataError where the record at the cursor is not the header of a source.
  void require_header(CsvCursor& cursor, const std::string& source) const;
};

/// Reads the beginning of the first source and finds out whether it has a header. Of the first line and up to 100
/// after it: a header holds a text where the cells below are all numbers; or, where no column is so and the first
/// line holds nothing but texts, none of them is repeated in the line or below itself. DataError for an empty source,
/// and for names that stand twice or are not UTF-8.
TableShape table_shape(const std::vector<ImportSource>& sources, HeaderMode mode);

/// What a pass over the rows wants to know of a column.
enum class CellNeed : std::uint8_t {
  kNothing,
  kNumber,  ///< its number, or what else stands there
  kText     ///< what stands there, a number too
};

/// A cell that is more, or less, than a number.
struct OddCell {
  std::size_t column;
  Cell cell;
};

/// The rows of a block. Numbers go straight from the text to where they are wanted.
class TableRows {
 public:
  /// `needs`: of each column. All of it must outlive this.
  TableRows(const TableShape& shape, const std::vector<CellNeed>& needs, SourceBlock& block);

  /// The next row; false at the end of the block. `numbers` (columns): the numbers of columns that need one; what
  /// stands elsewhere means nothing. DataError where a row has another number of cells.
  bool next(double* numbers);
  [[nodiscard]] std::uint64_t line() const { return cursor_.line(); }
  [[nodiscard]] const std::string& source() const { return source_; }
  /// The cells of this row that need text, and those that need a number and are none, in the order of columns.
  [[nodiscard]] const std::vector<OddCell>& odd() const { return odd_; }

 private:
  void take(std::size_t column, double& number);
  [[noreturn]] void refuse_width(std::size_t cells);

  const TableShape& shape_;
  const std::vector<CellNeed>& needs_;
  const std::string& source_;
  CsvCursor cursor_;
  std::vector<OddCell> odd_;
};

}  // namespace gradloom
