#include "engine/data/import_cell.hpp"

#include "support/catch.hpp"

namespace gradloom {

TEST_CASE("cells are numbers, missing, text or not finite") {
  const auto kind = [](std::string_view text) { return parse_cell(text).kind; };
  for (const char* text : {"1", " -2.5 ", "+3", "1e5", ".5", "5.", "-0", "1E-300", "1e-999"})
    CHECK(kind(text) == CellKind::kNumber);
  CHECK(parse_cell("+1e5").number == 1e5);
  CHECK(parse_cell("0.1").number == 0.1);
  for (const char* text : {"", "  ", "?", "NA", "n/a", "NaN", "nan", "NULL", "null", "-nan"})
    CHECK(kind(text) == CellKind::kMissing);
  for (const char* text : {"inf", "-Infinity", "1e999"}) CHECK(kind(text) == CellKind::kNotFinite);
  for (const char* text : {"a", "1x", "+-1", "+", "-", "1,5", "0x10", "1 2", "nano", "e5"})
    CHECK(kind(text) == CellKind::kText);
}

}  // namespace gradloom
