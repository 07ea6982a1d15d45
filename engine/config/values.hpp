#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gradloom/config.hpp"

/// Texts of config values, and back. Every parser takes the whole text or gives nothing; none depends on the locale.
namespace gradloom {

std::optional<std::uint64_t> parse_integer(std::string_view text);

/// Shortest decimal text that reads back as the same bits; NaN and Inf are not read.
std::optional<double> parse_real(std::string_view text);
std::string format_real(double value);

/// As parse_size reads it, with the largest binary unit that divides it.
std::string format_size(std::uint64_t bytes);

std::optional<bool> parse_boolean(std::string_view text);

/// "a, b, c".
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

/// The words between commas, without spaces around them; nothing where one is empty.
std::optional<std::vector<std::string>> split_list(const std::string& text);

/// " (did you mean NAME?)" where one of `known` is near, else nothing.
std::string did_you_mean(const std::string& word, const std::vector<std::string>& known);

}  // namespace gradloom
