#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/import_cell.hpp"
#include "engine/data/import_table.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// A place in the sources, and what stands there.
struct CellPlace {
  std::string path;
  std::uint64_t line = 0;
  std::string text;
};

enum class ColumnUse { kNumber, kOneHot, kTarget, kLabel };

/// A column of the table: what it is asked to be, what was seen in it, and what it therefore becomes.
struct ImportColumn {
  std::string name;
  std::size_t index = 0;  ///< in the table, from 0
  bool target = false;
  bool categorical = false;  ///< asked for

  // Seen in the rows that are kept.
  std::uint64_t numbers = 0, texts = 0, missing = 0;
  std::optional<CellPlace> first_text, first_not_finite;

  // Decided from them.
  ColumnUse use = ColumnUse::kNumber;
  double mean = 0;                                         ///< of the training rows; for missing cells
  std::map<std::string, std::size_t, std::less<>> places;  ///< category or label -> its index
  std::vector<std::string> categories;                     ///< sorted: as numbers where all are numbers

  void see(const Cell& cell, const CsvRecord& record, const std::string& path);
  /// "column total_bedrooms (index 4)"
  [[nodiscard]] std::string described() const;
  /// The category or label of a cell: its text; where every cell of the column is a number, the number, so that 1 and
  /// 1.0 are the same. A missing cell is a category of its own.
  [[nodiscard]] std::string category_of(const Cell& cell) const;
  /// DataError beyond 10,000 of them.
  void add_category(const Cell& cell);
  void sort_categories();
  /// Where a cell's category stands. DataError for one that was not there before: the file changed meanwhile.
  [[nodiscard]] std::size_t place_of(const Cell& cell) const;
};

/// The columns with the roles that the options give them. ConfigError for unknown, repeated and contradictory ones.
std::vector<ImportColumn> assign_roles(const TableShape& shape, const ImportOptions& options);

/// Decides what the columns become. A column with texts is categorical unless more than half of what is not missing
/// are numbers: then the first text is a bad cell. DataError for bad cells, ConfigError for a text target without
/// --classify.
void decide_uses(std::vector<ImportColumn>& columns, const ImportOptions& options);

}  // namespace gradloom
