#include "engine/data/import_libsvm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/data/import_cell.hpp"
#include "engine/data/import_columns.hpp"
#include "engine/data/import_parts.hpp"
#include "engine/data/import_writer.hpp"
#include "engine/data/source_blocks.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

/// A row as its line tells it.
struct SparseRow {
  Cell label;
  std::vector<std::uint64_t> indices;  ///< ascending
  std::vector<double> values;
};

/// Why a line is no row: `found` is no `expected`.
struct BadToken {
  std::string_view found;
  std::string expected;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The next word of a line; empty at its end.
std::string_view take_word(std::string_view& line) {
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  const auto end = std::find_if(line.begin(), line.end(), is_blank);
  const std::string_view word = line.substr(0, static_cast<std::size_t>(end - line.begin()));
  line.remove_prefix(word.size());
  return word;
}

// One "INDEX:VALUE"; what is wrong with it where it is none.
std::optional<BadToken> take_pair(std::string_view word, SparseRow& row) {
  std::uint64_t index = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, index);
  if (error != std::errc() || stop == end || *stop != ':') return BadToken{word, "INDEX:VALUE"};
  if (!row.indices.empty() && row.indices.back() >= index)
    return BadToken{word, fmt::format("an index larger than {}, for indices ascend", row.indices.back())};
  const char* at = stop + 1;
  double value = 0;
  if (!parse_plain_number(at, value) || at != end) {
    const Cell cell = parse_cell({stop + 1, static_cast<std::size_t>(end - stop - 1)});
    if (cell.kind != CellKind::kNumber) return BadToken{word, "INDEX:VALUE with a finite number"};
    value = cell.number;
  }
  row.indices.push_back(index);
  row.values.push_back(value);
  return std::nullopt;
}

std::string_view without_comment(std::string_view line) { return line.substr(0, line.find('#')); }

// A line that is not blank.
std::optional<BadToken> parse_line(std::string_view line, SparseRow& row) {
  row.indices.clear();
  row.values.clear();
  const std::string_view label = take_word(line);
  row.label = parse_cell(label);
  if (row.label.kind != CellKind::kNumber) return BadToken{label, "a label, a finite number"};
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line))
    if (auto bad = take_pair(word, row)) return bad;
  return std::nullopt;
}

// The line that begins at `text`, without its end, which is taken from it too.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

bool says_nothing(std::string_view line) { return std::all_of(line.begin(), line.end(), is_blank); }

/// What the survey finds in a block.
struct SparseSurvey {
  std::uint64_t rows = 0, pairs = 0;
  bool has_zero = false;
  std::uint64_t largest = 0;  ///< index
  CellPlace largest_at;
  CategorySet labels;
};

/// The rows of a block, one behind the other.
struct SparseRows {
  std::vector<double> labels;
  std::vector<std::size_t> ends;  ///< of each row, in the next two
  std::vector<std::uint64_t> indices;
  std::vector<double> values;
};

class LibsvmImport {
 public:
  LibsvmImport(const ImportOptions& options, const std::vector<ImportSource>& sources, std::size_t block_bytes)
      : options_(options),
        pass_{sources,
              {.separated = false, .header = false, .block_bytes = block_bytes},
              threads_of(options),
              options.on_progress} {
    label_.name = "label";
    label_.target = true;
  }

  ImportReport run() {
    survey();
    decide_features();
    if (options_.classify) label_.sort_categories();
    plan_ = plan_parts(options_, report_.source_rows);
    write();
    return report_;
  }

 private:
  /// Calls row(parsed, source, line number) for each row of a block.
  template <class Row>
  void for_each_row(const SourceBlock& block, Row row) const;
  void survey();
  void survey_block(const SourceBlock& block, SparseSurvey& found) const;
  void merge_survey(SparseSurvey& found);
  void decide_features();
  [[nodiscard]] ImportLayout layout() const;
  void write();
  void read_block(const SourceBlock& block, SparseRows& found) const;
  void append_rows(const SparseRows& found, ImportWriter<double>& writer);
  [[noreturn]] void refuse_change() const;

  const ImportOptions& options_;
  PassOptions pass_;
  SparseSurvey all_;
  ImportColumn label_;
  std::uint64_t base_ = 1, features_ = 0;  ///< the first index, and how many there are
  PartPlan plan_;
  ImportReport report_;
  std::vector<double> x_;  ///< a row
};

template <class Row>
void LibsvmImport::for_each_row(const SourceBlock& block, Row row) const {
  const std::string& source = pass_.sources[block.source].name;
  std::string_view text(block.text.begin(), block.text.size);
  SparseRow parsed;
  for (std::uint64_t number = block.text.line; !text.empty(); ++number) {
    const std::string_view line = without_comment(take_line(text));
    if (says_nothing(line)) continue;
    if (const auto bad = parse_line(line, parsed))
      throw DataError(
          fmt::format("{}:{}: found {} where {} must stand", source, number, shown(bad->found), bad->expected));
    row(parsed, source, number);
  }
}

void LibsvmImport::survey() {
  for_each_block<SparseSurvey>(
      pass_, "reading", [&](const SourceBlock& block, SparseSurvey& found) { survey_block(block, found); },
      [&](SparseSurvey& found) { merge_survey(found); });
  report_.source_rows = all_.rows;
  if (all_.rows == 0) throw DataError(fmt::format("{}: holds no rows", pass_.sources.front().name));
}

void LibsvmImport::survey_block(const SourceBlock& block, SparseSurvey& found) const {
  found = SparseSurvey();
  for_each_row(block, [&](const SparseRow& row, const std::string& source, std::uint64_t line) {
    ++found.rows;
    found.pairs += row.indices.size();
    if (options_.classify) label_.collect(row.label, source, line, found.labels);
    if (row.indices.empty()) return;
    found.has_zero = found.has_zero || row.indices.front() == 0;
    if (row.indices.back() <= found.largest && !found.largest_at.path.empty()) return;
    found.largest = row.indices.back();
    found.largest_at = {source, line, ""};
  });
}

void LibsvmImport::merge_survey(SparseSurvey& found) {
  all_.rows += found.rows;
  all_.pairs += found.pairs;
  all_.has_zero = all_.has_zero || found.has_zero;
  if (options_.classify) label_.add_categories(found.labels);
  if (found.pairs == 0 || (all_.largest >= found.largest && !all_.largest_at.path.empty())) return;
  all_.largest = found.largest;
  all_.largest_at = found.largest_at;
}

void LibsvmImport::decide_features() {
  base_ = options_.zero_based || all_.has_zero ? 0 : 1;
  if (all_.pairs == 0 && !options_.features)
    throw DataError(
        fmt::format("{}: names no INDEX:VALUE; say --features N if all values are 0", pass_.sources.front().name));
  const std::uint64_t needed = all_.pairs == 0 ? 0 : all_.largest - base_ + 1;
  features_ = options_.features.value_or(needed);
  const std::string place = fmt::format("{}:{}: index {}", all_.largest_at.path, all_.largest_at.line, all_.largest);
  if (needed > features_)
    throw DataError(fmt::format("{}: is too large for --features {}, where indices go from {} to {}", place, features_,
                                base_, features_ + base_ - 1));
  require_feature_count(needed == features_ ? place : "--features", features_);
}

ImportLayout LibsvmImport::layout() const {
  constexpr double kDense = 0.125;
  ImportLayout layout;
  for (std::uint64_t i = 0; i < features_; ++i) layout.features.push_back(fmt::format("x{}", i + base_));
  layout.targets = {label_.name};
  layout.classes = label_.categories;
  const double cells = static_cast<double>(all_.rows) * static_cast<double>(features_);
  layout.deflate = static_cast<double>(all_.pairs) < kDense * cells ? 1 : 0;
  return layout;
}

void LibsvmImport::write() {
  const ImportLayout layout = this->layout();
  ImportWriter<double> writer(plan_, layout);
  for_each_block<SparseRows>(
      pass_, "writing", [&](const SourceBlock& block, SparseRows& found) { read_block(block, found); },
      [&](const SparseRows& found) { append_rows(found, writer); });
  if (writer.rows() != all_.rows) refuse_change();
  report_.files = writer.finish();
  report_.features = layout.features.size();
  report_.outputs = layout.targets.size();
  report_.class_names = layout.classes;
}

void LibsvmImport::read_block(const SourceBlock& block, SparseRows& found) const {
  found.labels.clear();
  found.ends.clear();
  found.indices.clear();
  found.values.clear();
  for_each_row(block, [&](const SparseRow& row, const std::string&, std::uint64_t) {
    const bool known = row.indices.empty() || (row.indices.front() >= base_ && row.indices.back() - base_ < features_);
    if (!known) refuse_change();
    found.labels.push_back(options_.classify ? static_cast<double>(label_.place_of(row.label)) : row.label.number);
    found.indices.insert(found.indices.end(), row.indices.begin(), row.indices.end());
    found.values.insert(found.values.end(), row.values.begin(), row.values.end());
    found.ends.push_back(found.indices.size());
  });
}

void LibsvmImport::append_rows(const SparseRows& found, ImportWriter<double>& writer) {
  x_.resize(features_);
  if (writer.rows() + found.labels.size() > all_.rows) refuse_change();
  for (std::size_t row = 0, pair = 0; row < found.labels.size(); ++row) {
    const std::size_t begin = pair;
    for (; pair < found.ends[row]; ++pair) x_[found.indices[pair] - base_] = found.values[pair];
    writer.append(x_, {&found.labels[row], 1});
    for (std::size_t i = begin; i < pair; ++i) x_[found.indices[i] - base_] = 0;
  }
}

void LibsvmImport::refuse_change() const {
  throw DataError(fmt::format("{}: changed while it was read", pass_.sources.front().name));
}

}  // namespace

ImportReport import_libsvm(const ImportOptions& options, const std::vector<ImportSource>& sources,
                           std::size_t block_bytes) {
  return LibsvmImport(options, sources, block_bytes).run();
}

bool looks_like_libsvm(const TextBlock& beginning) {
  constexpr int kLines = 100;
  std::string_view text(beginning.begin(), beginning.size);
  SparseRow row;
  std::size_t pairs = 0;
  for (int lines = 0; lines < kLines && !text.empty(); ++lines) {
    const std::string_view line = without_comment(take_line(text));
    if (says_nothing(line)) continue;
    if (parse_line(line, row)) return false;
    pairs += row.indices.size();
  }
  return pairs > 0;
}

}  // namespace gradloom
