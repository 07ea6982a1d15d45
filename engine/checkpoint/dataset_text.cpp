#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/checkpoint/description.hpp"
#include "engine/core/shown_text.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostShown = 24;  // columns, or classes

std::string number_text(const Json& number) {
  if (number.is_null()) return "-";
  return number.is_number_float() ? fmt::format("{:.6g}", number.get<double>()) : number.dump();
}

using Row = std::array<std::string, 7>;

Row column_row(const Json& column) {
  const std::string name = column.contains("name") ? shortened(column["name"].get<std::string>()) : "";
  return {column["column"].dump(),
          name,
          number_text(column["min"]),
          number_text(column["max"]),
          number_text(column["mean"]),
          number_text(column["deviation"]),
          column["missing"].dump() + (column.contains("infinite") ? ", Inf " + column["infinite"].dump() : "")};
}

// Names to the left, numbers to the right.
std::string table_text(const std::vector<Row>& rows) {
  std::array<std::size_t, 7> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' ');
      if (widths[i] != 0) line += "  " + (i == 1 ? row[i] + space : space + row[i]);
    }
    text += line + "\n";
  }
  return text;
}

// "  all 784 columns: 0 to 255, deviations from 0 to 113.7, 67 of one value alone, 3 values missing"
std::string all_columns_text(const Json& columns) {
  Json min, max, least_deviation, largest_deviation;
  std::uint64_t constant = 0, missing = 0;
  const auto lower = [](Json& to, const Json& from) {
    if (!from.is_null() && (to.is_null() || from < to)) to = from;
  };
  const auto raise = [](Json& to, const Json& from) {
    if (!from.is_null() && (to.is_null() || to < from)) to = from;
  };
  for (const Json& column : columns) {
    lower(min, column["min"]);
    raise(max, column["max"]);
    lower(least_deviation, column["deviation"]);
    raise(largest_deviation, column["deviation"]);
    if (!column["deviation"].is_null() && column["deviation"] == 0.0) ++constant;
    missing += column["missing"].get<std::uint64_t>();
  }
  return fmt::format("  all {}: {} to {}, deviations from {} to {}, {} of one value alone, {} values missing\n",
                     columns.size(), number_text(min), number_text(max), number_text(least_deviation),
                     number_text(largest_deviation), constant, missing);
}

std::string columns_text(const Json& set) {
  const Json& columns = set["columns"];
  std::vector<Row> rows = {{"column", "", "min", "max", "mean", "deviation", "missing"}};
  const bool named = !columns.empty() && columns.front().contains("name");
  if (named) rows.front()[1] = "name";
  const std::size_t shown =
      columns.size() > kMostShown ? kMostShown - 4 : columns.size();  // a few more are not cut off
  for (std::size_t c = 0; c < shown; ++c) rows.push_back(column_row(columns[c]));
  std::string text = table_text(rows);
  if (shown < columns.size())
    text += fmt::format("  and {} columns more; --json tells of each\n", columns.size() - shown) +
            all_columns_text(columns);
  if (set.contains("columns_left_out"))
    text += fmt::format("  and {} columns more that are not described\n", set["columns_left_out"].dump());
  return text;
}

std::string counts_text(const Json& set) {
  const Json classes = set.value("classes", Json::array());
  const auto rows = set["shape"][0].get<double>();
  std::string text;
  std::size_t shown = 0;
  for (const auto& [value, count] : set["counts"].items()) {
    if (++shown > kMostShown) continue;
    const std::size_t index = value.starts_with('-') ? classes.size() : std::stoull(value);
    const std::string name =
        index < classes.size() ? fmt::format(" ({})", shortened(classes[index].get<std::string>())) : "";
    text += fmt::format("  {}{}: {} rows, {:.3g} %\n", value, name, count.dump(), 100 * count.get<double>() / rows);
  }
  if (shown > kMostShown) text += fmt::format("  and {} values more; --json counts each\n", shown - kMostShown);
  return text;
}

std::string set_text(const Json& set) {
  if (set.contains("unreadable")) return fmt::format("{}\n", set["unreadable"].get<std::string>());
  std::string text =
      fmt::format("{}: ({}) {}", in_one_line(set["path"].get<std::string>()),
                  fmt::join(set["shape"].get<std::vector<std::uint64_t>>(), ", "), set["type"].get<std::string>());
  if (set.contains("chunk"))
    text += fmt::format(", chunks of ({})", fmt::join(set["chunk"].get<std::vector<std::uint64_t>>(), ", "));
  if (set.contains("filters"))
    text += fmt::format(", {}", fmt::join(set["filters"].get<std::vector<std::string>>(), " and "));
  text += fmt::format(", {} bytes\n", set["stored_bytes"].dump());
  if (set.contains("columns")) text += columns_text(set);
  if (set.contains("counts")) text += counts_text(set);
  return text;
}

std::string verdict_text(const Json& description) {
  std::string text = "verdict\n";
  for (const Json& finding : description["verdict"])
    text +=
        fmt::format("  {}: {}\n", finding["about"].get<std::string>(), in_one_line(finding["text"].get<std::string>()));
  return text + fmt::format("  data.standardize = {}\n", description["standardize"].get<std::string>());
}

}  // namespace

std::string dataset_text(const Json& description) {
  std::string text = fmt::format("{}: HDF5 data set file\n", description["file"].get<std::string>());
  for (const Json& set : description["data_sets"]) text += set_text(set);
  if (description.contains("verdict")) text += verdict_text(description);
  return text;
}

}  // namespace gradloom
