#include "engine/data/import_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "engine/data/import_cell.hpp"
#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kSampledRecords = 100, kSampledCells = 1'000'000;

using Sample = std::vector<std::vector<std::string>>;

// The first line and some of the next ones: always one, and fewer of them where lines are wide.
Sample sample_of(const ImportSource& source) {
  CsvReader reader(source.path, source.name);
  CsvRecord record;
  Sample sample;
  for (std::size_t cells = 0; sample.size() <= kSampledRecords && (sample.size() < 2 || cells < kSampledCells);) {
    if (!reader.next(record)) break;
    sample.emplace_back(record.cells.begin(), record.cells.end());
    cells += record.cells.size();
  }
  if (sample.empty()) throw DataError(fmt::format("{}: is empty", source.name));
  return sample;
}

struct ColumnSample {
  std::size_t numbers = 0, texts = 0;
  bool repeats_first = false;
};

// What stands below the first line's cell.
ColumnSample below(const Sample& sample, std::size_t column) {
  ColumnSample found;
  for (std::size_t row = 1; row < sample.size(); ++row) {
    if (column >= sample[row].size()) continue;
    const Cell cell = parse_cell(sample[row][column]);
    found.numbers += cell.kind == CellKind::kNumber ? 1U : 0U;
    found.texts += cell.kind == CellKind::kText ? 1U : 0U;
    found.repeats_first = found.repeats_first || cell.text == parse_cell(sample[0][column]).text;
  }
  return found;
}

bool has_header(const Sample& sample) {
  const std::vector<std::string>& first = sample.front();
  std::set<std::string> distinct(first.begin(), first.end());
  bool could_be_names = distinct.size() == first.size();
  for (std::size_t column = 0; column < first.size(); ++column) {
    const bool text = parse_cell(first[column]).kind == CellKind::kText;
    const ColumnSample rest = below(sample, column);
    if (text && rest.numbers > 0 && rest.texts == 0) return true;
    could_be_names = could_be_names && text && !rest.repeats_first;
  }
  return could_be_names;
}

std::string name_of(std::string_view cell, std::size_t column) {
  const std::string_view text = parse_cell(cell).text;
  return text.empty() ? fmt::format("x{}", column) : std::string(text);
}

void require_names(const std::string& source, const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (std::size_t column = 0; column < names.size(); ++column) {
    if (!is_utf8(names[column]))
      throw DataError(
          fmt::format("{}:1: the name of column {} (from 0) is not in UTF-8; convert the file, for example "
                      "by iconv -f latin1 -t utf8",
                      source, column));
    if (!seen.insert(names[column]).second)
      throw DataError(
          fmt::format("{}:1: the header names {} twice; rename one, or say --no-header", source, shown(names[column])));
  }
}

std::optional<long long> whole_number(const std::string& text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::size_t TableShape::column(const std::string& option, const std::string& wanted) const {
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  const auto count = static_cast<long long>(names.size());
  if (const auto index = whole_number(wanted)) {
    if (*index >= -count && *index < count) return static_cast<std::size_t>(*index < 0 ? *index + count : *index);
    throw ConfigError(fmt::format("{} {}: {} has {} columns; indices go from {} to {}", option, wanted,
                                  sources.front().name, count, -count, count - 1));
  }
  const auto near = nearest_name(wanted, names);
  const std::string way_out = near ? fmt::format("did you mean {}?", *near)
                                   : fmt::format("columns go from {} to {}", names.front(), names.back());
  throw ConfigError(fmt::format("{} {}: {} has no such column; {}", option, wanted, sources.front().name, way_out));
}

TableShape table_shape(const std::vector<ImportSource>& sources, HeaderMode mode) {
  TableShape shape;
  shape.sources = sources;
  const Sample sample = sample_of(sources.front());
  shape.header = mode == HeaderMode::kPresent || (mode == HeaderMode::kDetect && has_header(sample));
  for (std::size_t column = 0; column < sample.front().size(); ++column)
    shape.names.push_back(shape.header ? name_of(sample.front()[column], column) : fmt::format("x{}", column));
  if (shape.header) require_names(sources.front().name, shape.names);
  return shape;
}

void TableShape::require_header(CsvCursor& cursor, const std::string& source) const {
  bool same = true;
  std::size_t column = 0;
  for (; cursor.has_cell(); ++column) {
    const std::string_view cell = cursor.take_cell();
    same = same && column < names.size() && name_of(cell, column) == names[column];
  }
  if (!same || column != names.size())
    throw DataError(fmt::format("{}:{}: the header differs from that of {}; all sources must have the same columns",
                                source, cursor.line(), sources.front().name));
}

TableRows::TableRows(const TableShape& shape, const std::vector<CellNeed>& needs, SourceBlock& block)
    : shape_(shape), needs_(needs), source_(shape.sources[block.source].name), cursor_(block.separator, source_) {
  cursor_.enter(block.text);
  if (shape.header && block.begins_source && cursor_.next_record()) shape.require_header(cursor_, source_);
}

bool TableRows::next(double* numbers) {
  if (!cursor_.next_record()) return false;
  odd_.clear();
  const std::size_t columns = needs_.size();
  for (std::size_t column = 0; column < columns; ++column) {
    if (!cursor_.has_cell()) refuse_width(column);
    take(column, numbers[column]);
  }
  if (cursor_.has_cell()) refuse_width(columns);
  return true;
}

void TableRows::take(std::size_t column, double& number) {
  const CellNeed need = needs_[column];
  if (need == CellNeed::kNumber) {
    const char* at = cursor_.position();
    if (parse_plain_number(at, number) && cursor_.take_cell_until(at)) return;
  }
  const std::string_view text = cursor_.take_cell();
  if (need == CellNeed::kNothing) return;
  const Cell cell = parse_cell(text);
  number = cell.number;
  if (need == CellNeed::kText || cell.kind != CellKind::kNumber) odd_.push_back({column, cell});
}

void TableRows::refuse_width(std::size_t cells) {
  const std::uint64_t line = cursor_.line();
  for (; cursor_.has_cell(); ++cells) cursor_.take_cell();
  throw DataError(fmt::format("{}:{}: has {} cells where {} are expected", source_, line, cells, shape_.names.size()));
}

}  // namespace gradloom
