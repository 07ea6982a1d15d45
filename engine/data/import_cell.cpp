#include "engine/data/import_cell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

namespace gradloom {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool same_letters(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

bool is_missing(std::string_view text) {
  constexpr std::array<std::string_view, 5> kMissing{"?", "na", "n/a", "nan", "null"};
  return std::any_of(kMissing.begin(), kMissing.end(), [&](std::string_view word) { return same_letters(text, word); });
}

// Beyond double's range: too small is a number (zero or subnormal), too large is not.
Cell out_of_range(std::string_view text) {
  const double number = std::strtod(std::string(text).c_str(), nullptr);
  return {std::isfinite(number) ? CellKind::kNumber : CellKind::kNotFinite, number, text};
}

}  // namespace

Cell parse_cell(std::string_view raw) {
  const std::string_view text = trimmed(raw);
  if (text.empty() || is_missing(text)) return {CellKind::kMissing, 0, text};
  std::string_view digits = text;
  if (digits.front() == '+') digits.remove_prefix(1);
  if (digits.empty() || (digits.size() < text.size() && digits.front() == '-')) return {CellKind::kText, 0, text};
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) return {CellKind::kText, 0, text};
  if (error == std::errc::result_out_of_range) return out_of_range(text);
  if (std::isnan(number)) return {CellKind::kMissing, 0, text};  // "-nan"
  return {std::isfinite(number) ? CellKind::kNumber : CellKind::kNotFinite, number, text};
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string line(text.substr(0, kLongest));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return fmt::format("'{}{}'", line, text.size() > kLongest ? "..." : "");
}

}  // namespace gradloom
