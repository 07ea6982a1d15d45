#include "engine/data/import_cell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
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

constexpr std::array<double, 16> kPowersOfTen{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                              1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// Eight characters, the first one lowest, each XORed with '0': digits become their values.
std::uint64_t eight_at(const char* at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
  return bytes ^ 0x3030303030303030;
}

// How many of them, from the first on, are digits: adding 0x76 lifts what is larger than 9 over 0x7F, and a carry only
// reaches what stands behind.
unsigned digits_in(std::uint64_t eight) {
  const std::uint64_t others = ((eight + 0x7676767676767676) | eight) & 0x8080808080808080;
  return static_cast<unsigned>(std::countr_zero(others)) / 8;
}

// The number that eight digits make: pairs of digits, pairs of pairs, and all (Lemire, "Number parsing at a gigabyte
// per second", 2021).
std::uint64_t number_of(std::uint64_t eight) {
  eight = eight * 10 + (eight >> 8);
  constexpr std::uint64_t kMask = 0x000000FF000000FF;
  return ((eight & kMask) * 0x000F424000000064 + ((eight >> 16) & kMask) * 0x0000271000000001) >> 32;
}

// Moves over digits, eight at once and without branches on how many there are; what they and `value` before them make.
std::uint64_t take_digits(const char*& at, std::uint64_t value) {
  constexpr std::array<std::uint64_t, 9> kPowers{1,       10,        100,        1'000,      10'000,
                                                 100'000, 1'000'000, 10'000'000, 100'000'000};
  for (;;) {
    const std::uint64_t eight = eight_at(at);
    const unsigned digits = digits_in(eight);
    if (digits == 0) return value;
    value = value * kPowers[digits] + number_of(eight << (64 - 8 * digits));
    at += digits;
    if (digits < 8) return value;
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Behind the last character that a number in the usual writing can have.
const char* end_of_number(const char* at) {
  while (is_digit(*at) || *at == '.' || *at == '-' || *at == '+' || *at == 'e' || *at == 'E') ++at;
  return at;
}

}  // namespace

// Up to 15 digits make a whole number that double holds exactly, as it holds the powers of ten up to 10^22: their
// quotient is rounded once, so it is the nearest double (Clinger, "How to read floating point numbers accurately",
// 1990).
bool parse_plain_number(const char*& at, double& number) {
  const char* const start = at;
  const bool negative = *start == '-';
  const char* end = start + (negative ? 1 : 0);
  const char* const first = end;
  std::uint64_t whole = take_digits(end, 0);
  std::ptrdiff_t digits = end - first, places = 0;
  if (*end == '.') {
    const char* const point = end++;
    whole = take_digits(end, whole);
    places = end - point - 1;
    digits += places;
  }
  if (digits > 0 && digits <= 15 && *end != 'e' && *end != 'E') {
    double value = static_cast<double>(whole);
    if (places > 0) value /= kPowersOfTen[static_cast<std::size_t>(places)];
    number = negative ? -value : value;
    at = end;
    return true;
  }
  const auto [stop, error] = std::from_chars(start, end_of_number(end), number);
  if (error != std::errc()) return false;
  at = stop;
  return true;
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at < end) {
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    const int more = lead < 0xC2 ? -1 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : -1;
    if (more < 0 || end - at < more) return false;
    const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (*at < least || *at > most) return false;
    for (int i = 1; i < more; ++i)
      if ((at[i] & 0xC0U) != 0x80U) return false;
    at += more;
  }
  return true;
}

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
