#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/io/csv.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// What text sources have in common.
struct TableShape {
  std::vector<std::string> sources;
  std::vector<std::string> names;  ///< of the columns: from the header, or x0, x1, ...
  bool header = false;             ///< every source begins with one

  /// Column by name, or by index from 0 (negative: from the end). ConfigError with the nearest name.
  [[nodiscard]] std::size_t column(const std::string& option, const std::string& wanted) const;
};

/// Reads the beginning of the first source and finds out whether it has a header. Of the first line and up to 100
/// after it: a header holds a text where the cells below are all numbers; or, where no column is so and the first
/// line holds nothing but texts, none of them is repeated in the line or below itself. DataError for an empty source
/// and for names that stand twice.
TableShape table_shape(const std::vector<std::string>& sources, HeaderMode mode);

/// The records of all sources, one after the other, without headers. DataError where a record has another number of
/// cells, or a later source has another header.
class TableReader {
 public:
  explicit TableReader(const TableShape& shape);
  bool next(CsvRecord& record);
  [[nodiscard]] const std::string& path() const { return reader_->path(); }

 private:
  void require_header(CsvRecord& record);

  const TableShape& shape_;  ///< must outlive the reader
  std::size_t next_source_ = 0;
  std::unique_ptr<CsvReader> reader_;
};

}  // namespace gradloom
