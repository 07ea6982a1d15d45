#include "engine/data/import_columns.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMostCategories = 10'000;
constexpr std::string_view kMissingCategory = "missing";

void assign_targets(std::vector<ImportColumn>& columns, const TableShape& shape, const ImportOptions& options) {
  for (const std::string& wanted : options.targets) {
    ImportColumn& column = columns[shape.column("--target", wanted)];
    if (column.target) throw ConfigError(fmt::format("--target {}: names {} again", wanted, column.described()));
    column.target = true;
  }
  if (options.classify && options.targets.size() != 1)
    throw ConfigError(fmt::format("--classify needs exactly one --target, the column of labels; there are {}",
                                  options.targets.size()));
}

void assign_weight(std::vector<ImportColumn>& columns, const TableShape& shape, const ImportOptions& options) {
  if (options.weight.empty()) return;
  ImportColumn& column = columns[shape.column("--weight", options.weight)];
  if (column.target) throw ConfigError(fmt::format("--weight {}: is a target; it cannot be both", options.weight));
  column.weight = true;
}

[[noreturn]] void refuse_cell(const ImportColumn& column, const CellPlace& place, const std::string& what) {
  throw DataError(
      fmt::format("{}:{}: {}: found {}, {}", place.path, place.line, column.described(), shown(place.text), what));
}

bool is_categorical(const ImportColumn& column) {
  return column.categorical || (column.odd.texts > 0 && column.numbers <= column.odd.texts);
}

void require_numbers(const ImportColumn& column) {
  const bool text_first = column.odd.first_text && (!column.odd.first_not_finite ||
                                                    column.odd.first_text->path != column.odd.first_not_finite->path ||
                                                    column.odd.first_text->line < column.odd.first_not_finite->line);
  if (text_first)
    refuse_cell(column, *column.odd.first_text,
                column.weight ? std::string("which is not a number; correct it, or drop the row")
                : column.target
                    ? std::string("which is not a number; correct it, or say --classify if these are labels")
                    : fmt::format("which is not a number; correct it, or say --categorical {} if the column "
                                  "holds categories",
                                  column.name));
  if (column.odd.first_not_finite)
    refuse_cell(column, *column.odd.first_not_finite, "which is not a finite number; correct it or drop the row");
}

}  // namespace

void OddCells::add(const Cell& cell, const std::string& path, std::uint64_t line) {
  const auto keep_first = [&](std::optional<CellPlace>& first) {
    if (!first) first = CellPlace{path, line, std::string(cell.text)};
  };
  missing += cell.kind == CellKind::kMissing ? 1U : 0U;
  texts += cell.kind == CellKind::kText ? 1U : 0U;
  not_finite += cell.kind == CellKind::kNotFinite ? 1U : 0U;
  if (cell.kind == CellKind::kText) keep_first(first_text);
  if (cell.kind == CellKind::kNotFinite) keep_first(first_not_finite);
}

void OddCells::add(const OddCells& later) {
  texts += later.texts;
  missing += later.missing;
  not_finite += later.not_finite;
  if (!first_text) first_text = later.first_text;
  if (!first_not_finite) first_not_finite = later.first_not_finite;
}

std::string ImportColumn::described() const { return fmt::format("column {} (index {})", name, index); }

bool ImportColumn::counts_as_number(const Cell& cell) const {
  return cell.kind == CellKind::kNumber && odd.texts == 0 && odd.not_finite == 0;
}

std::string ImportColumn::category_of(const Cell& cell) const {
  if (cell.kind == CellKind::kMissing) return std::string(kMissingCategory);
  return counts_as_number(cell) ? fmt::format("{}", cell.number == 0 ? 0.0 : cell.number) : std::string(cell.text);
}

void ImportColumn::collect(const Cell& cell, const std::string& path, std::uint64_t line, CategorySet& found) const {
  if (found.size() > kMostCategories) return;
  const bool as_it_stands = cell.kind != CellKind::kMissing && !counts_as_number(cell);
  if (as_it_stands && found.contains(cell.text)) return;
  if (!is_utf8(cell.text))
    refuse_cell(*this, {path, line, std::string(cell.text)},
                "which is not in UTF-8; convert the file, for example by iconv -f latin1 -t utf8");
  found.insert(category_of(cell));
}

void ImportColumn::add_categories(const CategorySet& found) {
  for (const std::string& category : found) places.try_emplace(category, 0);
  if (places.size() <= kMostCategories) return;
  throw DataError(fmt::format(
      "{} holds more than {} different {}; {}", described(), kMostCategories, target ? "labels" : "texts",
      target ? "leave --classify out to train on its numbers" : "remove the column, it cannot be a category"));
}

void ImportColumn::sort_categories() {
  categories.clear();
  for (const auto& [text, place] : places) categories.push_back(text);  // in the order of bytes
  if (odd.texts == 0) {
    std::stable_sort(categories.begin(), categories.end(), [](const std::string& a, const std::string& b) {
      const Cell left = parse_cell(a), right = parse_cell(b);
      if (left.kind != CellKind::kNumber || right.kind != CellKind::kNumber) return left.kind < right.kind;
      return left.number < right.number;
    });
  }
  for (std::size_t i = 0; i < categories.size(); ++i) places[categories[i]] = i;
}

std::size_t ImportColumn::place_of(const Cell& cell) const {
  const bool as_it_stands = cell.kind != CellKind::kMissing && !counts_as_number(cell);
  const auto found = as_it_stands ? places.find(cell.text) : places.find(category_of(cell));
  if (found == places.end())
    throw DataError(fmt::format("{}: {} was not there a moment ago; the file changed while it was read", described(),
                                shown(cell.text)));
  return found->second;
}

std::vector<ImportColumn> assign_roles(const TableShape& shape, const ImportOptions& options) {
  std::vector<ImportColumn> columns(shape.names.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i].name = shape.names[i];
    columns[i].index = i;
  }
  assign_targets(columns, shape, options);
  assign_weight(columns, shape, options);
  if (std::ranges::all_of(columns, [](const ImportColumn& c) { return c.target || c.weight; }))
    throw ConfigError(fmt::format("{}: every column is a target{}; no features are left", shape.sources.front().name,
                                  options.weight.empty() ? "" : " or the weight"));
  for (const std::string& wanted : options.categorical) {
    ImportColumn& column = columns[shape.column("--categorical", wanted)];
    if (column.target && !options.classify)
      throw ConfigError(
          fmt::format("--categorical {}: is a target; say --classify to make class indices of it", wanted));
    if (column.weight) throw ConfigError(fmt::format("--categorical {}: is the weight; it cannot be both", wanted));
    column.categorical = true;
  }
  return columns;
}

void decide_uses(std::vector<ImportColumn>& columns, const ImportOptions& options) {
  for (ImportColumn& column : columns) {
    if (column.target && options.classify) {
      column.use = ColumnUse::kLabel;
      // A few odd labels among numbers are more likely slips than classes.
      if (!column.categorical && column.numbers > column.odd.texts) require_numbers(column);
    } else if (column.target) {
      column.use = ColumnUse::kTarget;
      if (is_categorical(column))
        throw ConfigError(fmt::format(
            "--target {}: holds texts such as {} ({}:{}); say --classify to make class indices of them", column.name,
            shown(column.odd.first_text->text), column.odd.first_text->path, column.odd.first_text->line));
      require_numbers(column);
    } else if (column.weight) {
      column.use = ColumnUse::kWeight;
      require_numbers(column);
    } else if (is_categorical(column)) {
      column.use = ColumnUse::kOneHot;
    } else {
      require_numbers(column);
    }
  }
}

}  // namespace gradloom
