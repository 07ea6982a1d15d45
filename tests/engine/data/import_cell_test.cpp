#include "engine/data/import_cell.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <optional>
#include <string>

#include "engine/core/random.hpp"
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

TEST_CASE("the fast way to a number gives what the careful one gives") {
  // Behind the number a separator, and room to read eight bytes.
  const auto plain = [](const std::string& text) -> std::optional<double> {
    const std::string padded = text + ",        ";
    const char* at = padded.data();
    double number = 0;
    if (!parse_plain_number(at, number)) return std::nullopt;
    return at == padded.data() + text.size() ? std::optional(number) : std::nullopt;
  };
  for (const char* text : {"0",
                           "-0",
                           "7",
                           "12345678",
                           "123456789012345",
                           "9007199254740993",
                           "99999999999999999999",
                           "0.1",
                           ".5",
                           "5.",
                           "-.5",
                           "0.000000000000001",
                           "123456.789012345",
                           "1e5",
                           "-1.5E-3",
                           "2.2250738585072011e-308",
                           "4.9e-324",
                           "1.7976931348623157e308",
                           "00012",
                           "8.41e+21",
                           "0.30000000000000004",
                           "1.0000000000000000000000000000000000000001"}) {
    INFO(text);
    CHECK(plain(text) == parse_cell(text).number);
    CHECK(std::signbit(plain(text).value_or(1)) == std::signbit(parse_cell(text).number));
  }
  for (const char* text : {"",   "-",  ".",  "-.", "e5",   "1e",    "1e+", "inf", "-inf",  "nan",    "-nan",
                           "+1", " 1", "1 ", "1x", "0x10", "1.2.3", "--1", "1-2", "1e999", "1e-999", "abc"}) {
    INFO(text);
    CHECK_FALSE(plain(text));
  }
  const CounterRandom random(1, RandomUse::kGenerator);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto bits = std::bit_cast<double>(random.bits(2 * i));
    if (!std::isfinite(bits)) continue;
    const double scaled =
        static_cast<double>(random.bits(2 * i + 1)) * std::pow(10.0, static_cast<double>(i % 40) - 30);
    for (const std::string& text :
         {fmt::format("{}", bits), fmt::format("{:.17e}", bits), fmt::format("{}", scaled),
          fmt::format("{:.{}f}", scaled, i % 20), fmt::format("{}", random.bits(i) >> i % 64)})
      REQUIRE(plain(text) == parse_cell(text).number);
  }
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (const char* text :
       {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"})
    CHECK(is_utf8(text));
  for (const char* text : {"\xE9", "caf\xE9 au", "\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                           "\xF8\x88\x80\x80", "\xE2\x82", "\xC3(", "\xF0\x9F\x98("})
    CHECK_FALSE(is_utf8(text));
}

}  // namespace gradloom
