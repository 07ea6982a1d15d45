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

constexpr std::size_t kSampledRecords = 100;

using Sample = std::vector<std::vector<std::string>>;

Sample sample_of(const std::string& path) {
  CsvReader reader(path);
  CsvRecord record;
  Sample sample;
  while (sample.size() <= kSampledRecords && reader.next(record))
    sample.emplace_back(record.cells.begin(), record.cells.end());
  if (sample.empty()) throw DataError(fmt::format("{}: is empty", path));
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

std::string name_of(const std::string& cell, std::size_t column) {
  const std::string_view text = parse_cell(cell).text;
  return text.empty() ? fmt::format("x{}", column) : std::string(text);
}

void require_distinct(const std::string& path, const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (seen.insert(name).second) continue;
    throw DataError(fmt::format("{}:1: the header names {} twice; rename one, or say --no-header", path, shown(name)));
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
    throw ConfigError(fmt::format("{} {}: {} has {} columns; indices go from {} to {}", option, wanted, sources.front(),
                                  count, -count, count - 1));
  }
  const auto near = nearest_name(wanted, names);
  const std::string way_out = near ? fmt::format("did you mean {}?", *near)
                                   : fmt::format("columns go from {} to {}", names.front(), names.back());
  throw ConfigError(fmt::format("{} {}: {} has no such column; {}", option, wanted, sources.front(), way_out));
}

TableShape table_shape(const std::vector<std::string>& sources, HeaderMode mode) {
  TableShape shape;
  shape.sources = sources;
  const Sample sample = sample_of(sources.front());
  shape.header = mode == HeaderMode::kPresent || (mode == HeaderMode::kDetect && has_header(sample));
  for (std::size_t column = 0; column < sample.front().size(); ++column)
    shape.names.push_back(shape.header ? name_of(sample.front()[column], column) : fmt::format("x{}", column));
  if (shape.header) require_distinct(sources.front(), shape.names);
  return shape;
}

TableReader::TableReader(const TableShape& shape) : shape_(shape) {}

bool TableReader::next(CsvRecord& record) {
  while (reader_ == nullptr || !reader_->next(record)) {
    if (next_source_ == shape_.sources.size()) return false;
    reader_ = std::make_unique<CsvReader>(shape_.sources[next_source_++]);
    if (shape_.header) require_header(record);
  }
  if (record.cells.size() != shape_.names.size())
    throw DataError(fmt::format("{}:{}: has {} cells where {} are expected", path(), record.line, record.cells.size(),
                                shape_.names.size()));
  return true;
}

void TableReader::require_header(CsvRecord& record) {
  if (!reader_->next(record)) throw DataError(fmt::format("{}: is empty", path()));
  bool same = record.cells.size() == shape_.names.size();
  for (std::size_t column = 0; same && column < record.cells.size(); ++column)
    same = name_of(std::string(record.cells[column]), column) == shape_.names[column];
  if (!same)
    throw DataError(fmt::format("{}:{}: the header differs from that of {}; all sources must have the same columns",
                                path(), record.line, shape_.sources.front()));
}

}  // namespace gradloom
