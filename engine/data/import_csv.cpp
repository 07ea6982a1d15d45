#include "engine/data/import_csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/data/import_columns.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_table.hpp"
#include "engine/data/import_writer.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// A mean that does not lose small terms behind large sums (Neumaier 1974).
struct RunningSum {
  double sum = 0, lost = 0;
  std::uint64_t count = 0;
  void add(double value) {
    const double next = sum + value;
    lost += std::abs(sum) >= std::abs(value) ? (sum - next) + value : (value - next) + sum;
    sum = next;
    ++count;
  }
  [[nodiscard]] double mean() const { return (sum + lost) / static_cast<double>(count); }
};

class CsvImport {
 public:
  explicit CsvImport(const ImportOptions& options)
      : options_(options),
        shape_(table_shape(options.sources, options.header)),
        columns_(assign_roles(shape_, options)),
        cells_(columns_.size()) {
    for (const std::string& wanted : options.targets) targets_.push_back(shape_.column("--target", wanted));
  }

  ImportReport run() {
    survey();
    decide_uses(columns_, options_);
    plan_ = plan_parts(options_, kept_rows_);
    learn();
    write();
    return report_;
  }

 private:
  /// Calls row(reader, record, kept row) for every row that is kept; its cells are in cells_.
  template <class Row>
  void for_each_row(Row row);
  bool keep(const TableReader& reader, const CsvRecord& record) const;

  void survey();
  void learn();
  void learn_mean(ImportColumn& column, const RunningSum& sum) const;
  [[nodiscard]] ImportLayout layout() const;
  void write();
  void encode_features(std::vector<double>& x);
  void encode_targets(std::vector<double>& y) const;

  const ImportOptions& options_;
  TableShape shape_;
  std::vector<ImportColumn> columns_;
  std::vector<Cell> cells_;           ///< of the row at hand
  std::vector<std::size_t> targets_;  ///< columns, in the order in which they were named
  std::uint64_t kept_rows_ = 0;
  PartPlan plan_;
  ImportReport report_;
};

template <class Row>
void CsvImport::for_each_row(Row row) {
  TableReader reader(shape_);
  CsvRecord record;
  std::uint64_t kept = 0;
  report_.source_rows = 0;
  while (reader.next(record)) {
    ++report_.source_rows;
    std::transform(record.cells.begin(), record.cells.end(), cells_.begin(), parse_cell);
    if (keep(reader, record)) row(reader, record, kept++);
  }
}

// False where the row is dropped. DataError for missing cells that have no way on.
bool CsvImport::keep(const TableReader& reader, const CsvRecord& record) const {
  for (const ImportColumn& column : columns_) {
    const Cell& cell = cells_[column.index];
    if (cell.kind != CellKind::kMissing) continue;
    if (options_.missing == MissingCells::kDrop) return false;
    if (options_.missing == MissingCells::kMean && !column.target) continue;
    throw DataError(fmt::format(
        "{}:{}: {}: found {}, a missing cell{}", reader.path(), record.line, column.described(), shown(cell.text),
        column.target ? " of a target; drop such rows with --missing drop" : "; say --missing mean or --missing drop"));
  }
  return true;
}

void CsvImport::survey() {
  for_each_row([&](const TableReader& reader, const CsvRecord& record, std::uint64_t) {
    for (ImportColumn& column : columns_) column.see(cells_[column.index], record, reader.path());
    ++kept_rows_;
  });
  report_.dropped_rows = report_.source_rows - kept_rows_;
  if (report_.source_rows == 0)
    throw DataError(fmt::format("{}: holds no rows of data{}", shape_.sources.front(),
                                shape_.header ? ", only a header; say --no-header if it is data" : ""));
  if (kept_rows_ == 0)
    throw DataError(fmt::format("{}: every one of its {} rows has a missing cell; none is left", shape_.sources.front(),
                                report_.source_rows));
}

// Categories of all rows, means of the training rows alone: nothing of the others leaks into what is trained on.
void CsvImport::learn() {
  const auto collects = [](const ImportColumn& column) {
    return column.use == ColumnUse::kOneHot || column.use == ColumnUse::kLabel;
  };
  const auto averages = [](const ImportColumn& column) {
    return column.use == ColumnUse::kNumber && column.missing > 0;
  };
  if (std::none_of(columns_.begin(), columns_.end(), [&](const auto& c) { return collects(c) || averages(c); })) return;
  std::vector<RunningSum> sums(columns_.size());
  for_each_row([&](const TableReader&, const CsvRecord&, std::uint64_t row) {
    for (ImportColumn& column : columns_) {
      const Cell& cell = cells_[column.index];
      if (collects(column)) column.add_category(cell);
      if (averages(column) && cell.kind == CellKind::kNumber && plan_.part(row) == 0)
        sums[column.index].add(cell.number);
    }
  });
  for (ImportColumn& column : columns_) {
    if (collects(column)) column.sort_categories();
    if (averages(column)) learn_mean(column, sums[column.index]);
  }
}

void CsvImport::learn_mean(ImportColumn& column, const RunningSum& sum) const {
  if (sum.count == 0)
    throw DataError(fmt::format("{}: {}: has no number among the training rows to take the mean of; remove the column",
                                shape_.sources.front(), column.described()));
  column.mean = sum.mean();
}

ImportLayout CsvImport::layout() const {
  ImportLayout layout;
  for (const ImportColumn& column : columns_) {
    if (column.use == ColumnUse::kNumber) layout.features.push_back(column.name);
    if (column.use == ColumnUse::kOneHot)
      for (const std::string& category : column.categories)
        layout.features.push_back(fmt::format("{}={}", column.name, category));
    if (column.use == ColumnUse::kLabel) layout.classes = column.categories;
  }
  for (const std::size_t target : targets_) layout.targets.push_back(shape_.names[target]);
  return layout;
}

void CsvImport::write() {
  const ImportLayout layout = this->layout();
  ImportWriter<double> writer(plan_, layout);
  std::vector<double> x, y;
  for_each_row([&](const TableReader&, const CsvRecord&, std::uint64_t) {
    encode_features(x);
    encode_targets(y);
    writer.append(x, y);
  });
  report_.files = writer.finish();
  report_.features = layout.features.size();
  report_.outputs = layout.targets.size();
  report_.class_names = layout.classes;
}

void CsvImport::encode_features(std::vector<double>& x) {
  x.clear();
  for (const ImportColumn& column : columns_) {
    const Cell& cell = cells_[column.index];
    if (column.use == ColumnUse::kOneHot) {
      const std::size_t first = x.size();
      x.resize(first + column.categories.size(), 0.0);
      x[first + column.place_of(cell)] = 1;
    } else if (column.use == ColumnUse::kNumber) {
      const bool filled = cell.kind == CellKind::kMissing;
      x.push_back(filled ? column.mean : cell.number);
      report_.filled_cells += filled ? 1U : 0U;
    }
  }
}

void CsvImport::encode_targets(std::vector<double>& y) const {
  y.clear();
  for (const std::size_t target : targets_) {
    const ImportColumn& column = columns_[target];
    const Cell& cell = cells_[target];
    y.push_back(column.use == ColumnUse::kLabel ? static_cast<double>(column.place_of(cell)) : cell.number);
  }
}

}  // namespace

ImportReport import_csv(const ImportOptions& options) { return CsvImport(options).run(); }

}  // namespace gradloom
