#include "engine/data/import_csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>

#include "engine/data/import_columns.hpp"
#include "engine/data/import_encoder.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_table.hpp"
#include "engine/data/import_writer.hpp"
#include "engine/data/row_weights.hpp"
#include "engine/data/running_sum.hpp"
#include "engine/data/source_blocks.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

/// The kept rows of a block as numbers: of a category its index.
struct BlockRows {
  std::vector<double> numbers;  ///< (rows, columns), and room for one more
  std::uint64_t rows = 0, filled_cells = 0;

  void clear() { rows = filled_cells = 0; }
  /// Where the next row's numbers go.
  double* next(std::size_t columns) {
    const std::size_t begin = rows * columns, end = begin + columns;
    if (numbers.size() < end) numbers.resize(std::max(end, 2 * begin));
    return numbers.data() + begin;
  }
};

/// What the survey finds in a block.
struct BlockSurvey {
  std::uint64_t source_rows = 0;
  BlockRows kept;
  std::vector<std::uint32_t> places;                  ///< column -> its place in `odd` and 1 more; 0: nowhere
  std::vector<std::pair<std::size_t, OddCells>> odd;  ///< by column, for those that have any
};

/// Categories and means of a block, beside the columns that want them.
struct BlockFacts {
  std::vector<CategorySet> categories;
  std::vector<RunningSum> sums;
};

/// Where the survey writes what it reads, for as long as all cells are numbers.
struct Direct {
  Direct(RowEncoder rows, const PartPlan& plan) : encoder(std::move(rows)), writer(plan, encoder.layout()) {}
  RowEncoder encoder;
  ImportWriter<double> writer;
};

class CsvImport {
 public:
  CsvImport(const ImportOptions& options, const std::vector<ImportSource>& sources, std::size_t block_bytes)
      : options_(options),
        shape_(table_shape(sources, options.header)),
        pass_{sources,
              {.separated = true, .header = shape_.header, .block_bytes = block_bytes},
              threads_of(options),
              options.on_progress},
        columns_(assign_roles(shape_, options)) {
    for (const std::string& wanted : options.targets) targets_.push_back(shape_.column("--target", wanted));
    if (!options.weight.empty()) weight_ = shape_.column("--weight", options.weight);
  }

  ImportReport run() {
    if (survey()) return report_;
    decide_uses(columns_, options_);
    plan_ = plan_parts(options_, kept_rows());
    learn();
    write();
    return report_;
  }

 private:
  bool keep(const TableRows& row) const;
  void require_weight(const TableRows& row, const double* numbers) const;
  [[nodiscard]] std::uint64_t kept_rows() const { return first_rows_.back(); }
  [[nodiscard]] std::uint64_t first_row(std::uint64_t block) const;
  void require_same_rows(std::uint64_t block, std::uint64_t rows) const;
  [[noreturn]] void refuse_change() const;

  bool survey();
  void survey_block(TableRows rows, BlockSurvey& found) const;
  void merge_survey(const BlockSurvey& found);
  void require_rows() const;
  void start_direct();
  void learn();
  std::vector<CellNeed> find_learners();
  void learn_block(TableRows rows, std::uint64_t block, BlockFacts& found) const;
  void learn_mean(ImportColumn& column, const RunningSum& sum) const;
  void write();
  void finish(ImportWriter<double>& writer, const ImportLayout& layout);
  void read_block(TableRows rows, std::uint64_t block, BlockRows& found) const;
  void number_odd_cells(const TableRows& row, double* numbers, BlockRows& found) const;

  const ImportOptions& options_;
  TableShape shape_;
  PassOptions pass_;
  std::vector<ImportColumn> columns_;
  std::vector<std::size_t> targets_;            ///< columns, in the order in which they were named
  std::optional<std::size_t> weight_;           ///< column
  std::vector<std::size_t> collect_, average_;  ///< columns that learn categories, and those that learn a mean
  std::vector<std::uint64_t> first_rows_{0};    ///< of each block, counting kept rows; behind them how many there are
  PartPlan plan_;
  ImportReport report_;
  std::unique_ptr<Direct> direct_;
};

// False where the row is dropped. DataError for missing cells that have no way on.
bool CsvImport::keep(const TableRows& row) const {
  for (const auto& [index, cell] : row.odd()) {
    if (cell.kind != CellKind::kMissing) continue;
    const ImportColumn& column = columns_[index];
    if (options_.missing == MissingCells::kDrop) return false;
    if (options_.missing == MissingCells::kMean && !column.target && !column.weight) continue;
    throw DataError(fmt::format("{}:{}: {}: found {}, a missing cell{}", row.source(), row.line(), column.described(),
                                shown(cell.text),
                                column.target   ? " of a target; drop such rows with --missing drop"
                                : column.weight ? ", and a row's weight; drop such rows with --missing drop"
                                                : "; say --missing mean or --missing drop"));
  }
  return true;
}

// DataError where a number is no weight. What is no number is refused once the whole column was seen.
void CsvImport::require_weight(const TableRows& row, const double* numbers) const {
  if (!weight_) return;
  for (const auto& [index, cell] : row.odd())
    if (index == *weight_) return;
  if (const std::string fault = fault_of_weight(numbers[*weight_]); !fault.empty())
    throw DataError(fmt::format("{}:{}: {}: {}", row.source(), row.line(), columns_[*weight_].described(), fault));
}

// True where nothing is left to do: all cells are numbers, and are written.
bool CsvImport::survey() {
  const std::vector<CellNeed> needs(columns_.size(), CellNeed::kNumber);
  if (options_.split.empty() && !options_.classify && options_.categorical.empty()) start_direct();
  for_each_block<BlockSurvey>(
      pass_, "reading",
      [&](SourceBlock& block, BlockSurvey& found) { survey_block(TableRows(shape_, needs, block), found); },
      [&](const BlockSurvey& found) { merge_survey(found); });
  for (ImportColumn& column : columns_)
    column.numbers = kept_rows() - column.odd.texts - column.odd.missing - column.odd.not_finite;
  report_.dropped_rows = report_.source_rows - kept_rows();
  require_rows();
  if (direct_ != nullptr) finish(direct_->writer, direct_->encoder.layout());
  return direct_ != nullptr;
}

void CsvImport::start_direct() {
  decide_uses(columns_, options_);  // of columns in which nothing odd was seen
  plan_ = plan_parts(options_, 1);  // without a split their number changes nothing
  direct_ = std::make_unique<Direct>(RowEncoder(columns_, targets_, weight_, shape_.sources.front().name), plan_);
}

void CsvImport::require_rows() const {
  const std::string& source = shape_.sources.front().name;
  if (report_.source_rows == 0)
    throw DataError(fmt::format("{}: holds no rows of data{}", source,
                                shape_.header ? ", only a header; say --no-header if it is data" : ""));
  if (kept_rows() == 0)
    throw DataError(
        fmt::format("{}: every one of its {} rows has a missing cell; none is left", source, report_.source_rows));
}

void CsvImport::survey_block(TableRows rows, BlockSurvey& found) const {
  found.source_rows = 0;
  found.kept.clear();
  for (const auto& [column, odd] : found.odd) found.places[column] = 0;
  found.odd.clear();
  found.places.resize(columns_.size());
  for (double* numbers = found.kept.next(columns_.size()); rows.next(numbers);
       numbers = found.kept.next(columns_.size())) {
    ++found.source_rows;
    if (!keep(rows)) continue;
    require_weight(rows, numbers);
    ++found.kept.rows;
    for (const auto& [column, cell] : rows.odd()) {
      std::uint32_t& place = found.places[column];
      if (place == 0) {
        found.odd.emplace_back().first = column;
        place = static_cast<std::uint32_t>(found.odd.size());
      }
      found.odd[place - 1].second.add(cell, rows.source(), rows.line());
    }
  }
}

void CsvImport::merge_survey(const BlockSurvey& found) {
  report_.source_rows += found.source_rows;
  first_rows_.push_back(kept_rows() + found.kept.rows);
  for (const auto& [column, odd] : found.odd) columns_[column].odd.add(odd);
  if (!found.odd.empty()) direct_.reset();
  if (direct_ != nullptr) direct_->encoder.append(found.kept.numbers, found.kept.rows, direct_->writer);
}

// Categories of all rows, means of the training rows alone: nothing of the others leaks into what is trained on.
void CsvImport::learn() {
  const std::vector<CellNeed> needs = find_learners();
  if (collect_.empty() && average_.empty()) return;
  std::vector<RunningSum> sums(average_.size());
  for_each_block<BlockFacts>(
      pass_, "learning",
      [&](SourceBlock& block, BlockFacts& found) { learn_block(TableRows(shape_, needs, block), block.number, found); },
      [&](const BlockFacts& found) {
        std::uint64_t categories = 0;  // each becomes a feature
        for (std::size_t i = 0; i < collect_.size(); ++i) {
          columns_[collect_[i]].add_categories(found.categories[i]);
          categories += columns_[collect_[i]].places.size();
        }
        require_feature_count(shape_.sources.front().name, categories);
        for (std::size_t i = 0; i < average_.size(); ++i) sums[i].add(found.sums[i]);
      });
  for (const std::size_t column : collect_) columns_[column].sort_categories();
  for (std::size_t i = 0; i < average_.size(); ++i) learn_mean(columns_[average_[i]], sums[i]);
}

std::vector<CellNeed> CsvImport::find_learners() {
  // All cells of a row tell whether it is dropped.
  const bool all = options_.missing == MissingCells::kDrop;
  std::vector<CellNeed> needs(columns_.size(), all ? CellNeed::kNumber : CellNeed::kNothing);
  for (const ImportColumn& column : columns_) {
    if (column.use == ColumnUse::kOneHot || column.use == ColumnUse::kLabel) {
      collect_.push_back(column.index);
      needs[column.index] = CellNeed::kText;
    } else if (column.use == ColumnUse::kNumber && column.odd.missing > 0) {
      average_.push_back(column.index);
      needs[column.index] = CellNeed::kNumber;
    }
  }
  return needs;
}

void CsvImport::learn_block(TableRows rows, std::uint64_t block, BlockFacts& found) const {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  found.categories.assign(collect_.size(), {});
  found.sums.assign(average_.size(), {});
  std::vector<double> numbers(columns_.size());
  std::uint64_t row = first_row(block);
  while (rows.next(numbers.data())) {
    if (!keep(rows)) continue;
    for (const auto& [column, cell] : rows.odd()) {
      const auto place = std::lower_bound(collect_.begin(), collect_.end(), column);
      if (place != collect_.end() && *place == column)
        columns_[column].collect(cell, rows.source(), rows.line(),
                                 found.categories[static_cast<std::size_t>(place - collect_.begin())]);
      else
        numbers[column] = kNone;
    }
    if (plan_.part(row++) != 0) continue;
    for (std::size_t i = 0; i < average_.size(); ++i)
      if (!std::isnan(numbers[average_[i]])) found.sums[i].add(numbers[average_[i]]);
  }
  require_same_rows(block, row - first_row(block));
}

// Every pass finds the rows that the survey found, or it reads another file.
void CsvImport::require_same_rows(std::uint64_t block, std::uint64_t rows) const {
  if (first_row(block) + rows != first_row(block + 1)) refuse_change();
}

std::uint64_t CsvImport::first_row(std::uint64_t block) const {
  if (block >= first_rows_.size()) refuse_change();
  return first_rows_[block];
}

void CsvImport::refuse_change() const {
  throw DataError(fmt::format("{}: changed while it was read", shape_.sources.front().name));
}

void CsvImport::learn_mean(ImportColumn& column, const RunningSum& sum) const {
  if (sum.count == 0)
    throw DataError(fmt::format("{}: {}: has no number among the training rows to take the mean of; remove the column",
                                shape_.sources.front().name, column.described()));
  column.mean = sum.mean();
}

void CsvImport::write() {
  RowEncoder encoder(columns_, targets_, weight_, shape_.sources.front().name);
  std::vector<CellNeed> needs(columns_.size(), CellNeed::kNumber);
  for (const std::size_t column : collect_) needs[column] = CellNeed::kText;
  ImportWriter<double> writer(plan_, encoder.layout());
  for_each_block<BlockRows>(
      pass_, "writing",
      [&](SourceBlock& block, BlockRows& found) { read_block(TableRows(shape_, needs, block), block.number, found); },
      [&](const BlockRows& found) {
        encoder.append(found.numbers, found.rows, writer);
        report_.filled_cells += found.filled_cells;
      });
  if (writer.rows() != kept_rows()) refuse_change();
  finish(writer, encoder.layout());
}

void CsvImport::finish(ImportWriter<double>& writer, const ImportLayout& layout) {
  report_.files = writer.finish();
  report_.features = layout.features.size();
  report_.outputs = layout.targets.size();
  report_.class_names = layout.classes;
}

void CsvImport::read_block(TableRows rows, std::uint64_t block, BlockRows& found) const {
  found.clear();
  for (double* numbers = found.next(columns_.size()); rows.next(numbers); numbers = found.next(columns_.size())) {
    if (!keep(rows)) continue;
    number_odd_cells(rows, numbers, found);
    ++found.rows;
  }
  require_same_rows(block, found.rows);
}

void CsvImport::number_odd_cells(const TableRows& row, double* numbers, BlockRows& found) const {
  for (const auto& [index, cell] : row.odd()) {
    const ImportColumn& column = columns_[index];
    if (column.use == ColumnUse::kOneHot || column.use == ColumnUse::kLabel) {
      numbers[index] = static_cast<double>(column.place_of(cell));
    } else if (column.use == ColumnUse::kNumber && cell.kind == CellKind::kMissing) {
      numbers[index] = column.mean;
      ++found.filled_cells;
    } else {
      throw DataError(fmt::format("{}:{}: {}: found {}; the file changed while it was read", row.source(), row.line(),
                                  column.described(), shown(cell.text)));
    }
  }
}

}  // namespace

ImportReport import_csv(const ImportOptions& options, const std::vector<ImportSource>& sources,
                        std::size_t block_bytes) {
  return CsvImport(options, sources, block_bytes).run();
}

}  // namespace gradloom
