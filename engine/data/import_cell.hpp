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

/// The common case, fast: a number in the usual writing, without blanks, sign "+" or words. Where one begins at `at`,
/// moves behind it and gives the double nearest to it; else false, `at` stays, and parse_cell has to tell. The text
/// must go on with something that is no part of a number; eight bytes behind that are read too, as those of a
/// TextBlock may be.
bool parse_plain_number(const char*& at, double& number);

/// Whether a text is UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

/// A cell as a message shows it: quoted, on one line, cut where it is long.
std::string shown(std::string_view text);

}  // namespace gradloom
