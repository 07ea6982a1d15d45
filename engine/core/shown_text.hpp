#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

namespace gradloom {

/// True inside of a character of UTF-8.
inline bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

/// Columns that text takes on a terminal, one for each character.
inline std::size_t width_of(const std::string& text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

/// What files say may hold anything: a line of text stays one.
inline std::string in_one_line(std::string text) {
  for (char& byte : text)
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F) byte = '?';
  return text;
}

/// In one line, and cut behind 32 characters.
inline std::string shortened(const std::string& name) {
  constexpr std::size_t kMostCharacters = 32;
  std::size_t characters = 0;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (!continues_character(name[i]) && ++characters > kMostCharacters) return in_one_line(name.substr(0, i)) + "...";
  return in_one_line(name);
}

}  // namespace gradloom
