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
  if (options.targets.size() == columns.size())
    throw ConfigError(fmt::format("{}: every column is a target; no features are left", shape.sources.front()));
}

[[noreturn]] void refuse_cell(const ImportColumn& column, const CellPlace& place, const std::string& what) {
  throw DataError(
      fmt::format("{}:{}: {}: found {}, {}", place.path, place.line, column.described(), shown(place.text), what));
}

bool is_categorical(const ImportColumn& column) {
  return column.categorical || (column.texts > 0 && column.numbers <= column.texts);
}

void require_numbers(const ImportColumn& column) {
  const bool text_first =
      column.first_text && (!column.first_not_finite || column.first_text->path != column.first_not_finite->path ||
                            column.first_text->line < column.first_not_finite->line);
  if (text_first)
    refuse_cell(column, *column.first_text,
                column.target ? std::string("which is not a number; correct it, or say --classify if these are labels")
                              : fmt::format("which is not a number; correct it, or say --categorical {} if the column "
                                            "holds categories",
                                            column.name));
  if (column.first_not_finite)
    refuse_cell(column, *column.first_not_finite, "which is not a finite number; correct it or drop the row");
}

}  // namespace

void ImportColumn::see(const Cell& cell, const CsvRecord& record, const std::string& path) {
  const auto keep_first = [&](std::optional<CellPlace>& first) {
    if (!first) first = CellPlace{path, record.line, std::string(cell.text)};
  };
  switch (cell.kind) {
    case CellKind::kNumber:
      ++numbers;
      break;
    case CellKind::kMissing:
      ++missing;
      break;
    case CellKind::kText:
      ++texts;
      keep_first(first_text);
      break;
    case CellKind::kNotFinite:
      keep_first(first_not_finite);
      break;
  }
}

std::string ImportColumn::described() const { return fmt::format("column {} (index {})", name, index); }

std::string ImportColumn::category_of(const Cell& cell) const {
  if (cell.kind == CellKind::kMissing) return std::string(kMissingCategory);
  const bool number = cell.kind == CellKind::kNumber && texts == 0 && !first_not_finite;
  return number ? fmt::format("{}", cell.number == 0 ? 0.0 : cell.number) : std::string(cell.text);
}

void ImportColumn::add_category(const Cell& cell) {
  places.try_emplace(category_of(cell), 0);
  if (places.size() <= kMostCategories) return;
  throw DataError(fmt::format(
      "{} holds more than {} different {}; {}", described(), kMostCategories, target ? "labels" : "texts",
      target ? "leave --classify out to train on its numbers" : "remove the column, it cannot be a category"));
}

void ImportColumn::sort_categories() {
  categories.clear();
  for (const auto& [text, place] : places) categories.push_back(text);  // in the order of bytes
  if (texts == 0) {
    std::stable_sort(categories.begin(), categories.end(), [](const std::string& a, const std::string& b) {
      const Cell left = parse_cell(a), right = parse_cell(b);
      if (left.kind != CellKind::kNumber || right.kind != CellKind::kNumber) return left.kind < right.kind;
      return left.number < right.number;
    });
  }
  for (std::size_t i = 0; i < categories.size(); ++i) places[categories[i]] = i;
}

std::size_t ImportColumn::place_of(const Cell& cell) const {
  const auto found = places.find(category_of(cell));
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
  for (const std::string& wanted : options.categorical) {
    ImportColumn& column = columns[shape.column("--categorical", wanted)];
    if (column.target && !options.classify)
      throw ConfigError(
          fmt::format("--categorical {}: is a target; say --classify to make class indices of it", wanted));
    column.categorical = true;
  }
  return columns;
}

void decide_uses(std::vector<ImportColumn>& columns, const ImportOptions& options) {
  for (ImportColumn& column : columns) {
    if (column.target && options.classify) {
      column.use = ColumnUse::kLabel;
      // A few odd labels among numbers are more likely slips than classes.
      if (!column.categorical && column.numbers > column.texts) require_numbers(column);
    } else if (column.target) {
      column.use = ColumnUse::kTarget;
      if (is_categorical(column))
        throw ConfigError(
            fmt::format("--target {}: holds texts such as {} ({}:{}); say --classify to make class indices of them",
                        column.name, shown(column.first_text->text), column.first_text->path, column.first_text->line));
      require_numbers(column);
    } else if (is_categorical(column)) {
      column.use = ColumnUse::kOneHot;
    } else {
      require_numbers(column);
    }
  }
}

}  // namespace gradloom
