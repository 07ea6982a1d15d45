#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/import_columns.hpp"
#include "engine/data/import_writer.hpp"

namespace gradloom {

/// Makes rows of a data set of rows of a table.
class RowEncoder {
 public:
  /// `columns`: of the table, their uses decided; must outlive the encoder. `targets`: columns of /y, in their order;
  /// `weight`: that of /weight.
  /// DataError where there would be too many features.
  RowEncoder(const std::vector<ImportColumn>& columns, std::vector<std::size_t> targets,
             std::optional<std::size_t> weight, const std::string& source);

  [[nodiscard]] const ImportLayout& layout() const { return layout_; }
  /// `numbers` (rows, columns): a number for each cell, of a category its index.
  void append(const std::vector<double>& numbers, std::uint64_t rows, ImportWriter<double>& writer);

 private:
  /// Columns side by side that become features as they are, or a column that becomes a feature for each category.
  struct Run {
    std::size_t first, columns, categories;
  };
  void add(const ImportColumn& column);
  [[nodiscard]] std::span<const double> features_of(const double* row);

  std::size_t columns_;
  std::vector<std::size_t> targets_;
  std::optional<std::size_t> weight_;
  ImportLayout layout_;
  std::vector<Run> runs_;
  std::size_t features_ = 0;
  std::vector<double> x_, y_;
};

}  // namespace gradloom
