#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gradloom {

enum class CellKind : std::uint8_t { kNumber, kMissing, kText, kNotFinite };

/// One cell of a text table, understood.
struct Cell {
  CellKind kind = CellKind::kMissing;
  double number = 0;
  std::string_view text;  ///< without the blanks around it
};

/// A number fills the whole cell: decimal or scientific, with an optional sign. Missing: empty, "?", and, in any case
/// of letters, "na", "n/a", "nan", "null". Not finite: infinity, and numbers beyond double.
Cell parse_cell(std::string_view raw);

/// A cell as a message shows it: quoted, on one line, cut where it is long.
std::string shown(std::string_view text);

}  // namespace gradloom
