#include "engine/config/values.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

#include "gradloom/config.hpp"

namespace gradloom {
namespace {

using Unit = std::pair<std::string_view, std::uint64_t>;

constexpr std::array<Unit, 9> kUnits = {{{"TiB", 1ULL << 40},
                                         {"GiB", 1ULL << 30},
                                         {"MiB", 1ULL << 20},
                                         {"KiB", 1ULL << 10},
                                         {"TB", 1'000'000'000'000},
                                         {"GB", 1'000'000'000},
                                         {"MB", 1'000'000},
                                         {"KB", 1'000},
                                         {"B", 1}}};
constexpr std::size_t kBinaryUnits = 4;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint64_t> parse_integer(std::string_view text) { return parse_number<std::uint64_t>(text); }

std::optional<double> parse_real(std::string_view text) {
  const std::optional<double> value = parse_number<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string format_real(double value) {
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t factor = 1;
  for (const auto& [unit, bytes] : kUnits) {
    if (!text.ends_with(unit)) continue;
    factor = bytes;
    text.remove_suffix(unit.size());
    break;
  }
  while (text.ends_with(' ')) text.remove_suffix(1);
  const std::optional<std::uint64_t> count = parse_integer(text);
  if (!count || *count > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
  return *count * factor;
}

std::string format_size(std::uint64_t bytes) {
  for (std::size_t u = 0; u < kBinaryUnits; ++u)
    if (bytes != 0 && bytes % kUnits[u].second == 0)
      return fmt::format("{}{}", bytes / kUnits[u].second, kUnits[u].first);
  return fmt::format("{}", bytes);
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

std::optional<std::vector<std::string>> split_list(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream list(text);
  for (std::string word; std::getline(list, word, ',');) {
    const std::size_t first = word.find_first_not_of(' ');
    if (first == std::string::npos) return std::nullopt;
    words.push_back(word.substr(first, word.find_last_not_of(' ') + 1 - first));
  }
  if (words.empty() || text.ends_with(',')) return std::nullopt;
  return words;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& known) {
  const std::optional<std::string> nearest = nearest_name(word, known);
  return nearest ? fmt::format(" (did you mean {}?)", *nearest) : "";
}

}  // namespace gradloom
