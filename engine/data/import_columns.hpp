#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
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

/// What stands in the cells of a column that are no numbers.
struct OddCells {
  std::uint64_t texts = 0, missing = 0, not_finite = 0;
  std::optional<CellPlace> first_text, first_not_finite;

  void add(const Cell& cell, const std::string& path, std::uint64_t line);
  /// Those of later rows.
  void add(const OddCells& later);
};

enum class ColumnUse { kNumber, kOneHot, kTarget, kLabel, kWeight };

using CategorySet = std::set<std::string, std::less<>>;

/// A column of the table: what it is asked to be, what was seen in it, and what it therefore becomes.
struct ImportColumn {
  std::string name;
  std::size_t index = 0;  ///< in the table, from 0
  bool target = false;
  bool weight = false;       ///< of the rows
  bool categorical = false;  ///< asked for

  // Seen in the rows that are kept.
  std::uint64_t numbers = 0;
  OddCells odd;

  // Decided from them.
  ColumnUse use = ColumnUse::kNumber;
  double mean = 0;                                         ///< of the training rows; for missing cells
  std::map<std::string, std::size_t, std::less<>> places;  ///< category or label -> its index
  std::vector<std::string> categories;                     ///< sorted: as numbers where all are numbers

  /// "column total_bedrooms (index 4)"
  [[nodiscard]] std::string described() const;
  /// The category or label of a cell: its text; where every cell of the column is a number, the number, so that 1 and
  /// 1.0 are the same. A missing cell is a category of its own.
  [[nodiscard]] std::string category_of(const Cell& cell) const;
  /// Adds the category of a cell; nothing once `found` is too large for a column. DataError where it is not UTF-8.
  void collect(const Cell& cell, const std::string& path, std::uint64_t line, CategorySet& found) const;
  /// Adds those that a part of the rows has. DataError beyond 10,000 of them.
  void add_categories(const CategorySet& found);
  /// To be called once all were added.
  void sort_categories();
  /// Where a cell's category stands. DataError for one that was not there before: the file changed meanwhile.
  [[nodiscard]] std::size_t place_of(const Cell& cell) const;

 private:
  [[nodiscard]] bool counts_as_number(const Cell& cell) const;
};

/// The columns with the roles that the options give them. ConfigError for unknown, repeated and contradictory ones.
std::vector<ImportColumn> assign_roles(const TableShape& shape, const ImportOptions& options);

/// Decides what the columns become. A column with texts is categorical unless more than half of what is not missing
/// are numbers: then the first text is a bad cell. DataError for bad cells, ConfigError for a text target without
/// --classify.
void decide_uses(std::vector<ImportColumn>& columns, const ImportOptions& options);

}  // namespace gradloom
