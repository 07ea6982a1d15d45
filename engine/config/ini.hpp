#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace gradloom {

/// One `key = value` line of an INI file.
struct IniEntry {
  std::string key;    ///< with its section: "train.epochs"
  std::string value;  ///< trimmed, without comment
  std::size_t line;   ///< counted from 1
};

/// The entries of an INI text in their order, each line as Boost.Program_options reads it: `#` starts a comment
/// anywhere, keys outside a section stand for themselves. `origin` names the text in messages. ConfigError for lines
/// that are neither, for sections that no key is known of (`sections`), and for text with control characters.
std::vector<IniEntry> read_ini(const std::string& text, const std::string& origin,
                               const std::vector<std::string>& sections);

/// "Boost 1.74.0".
std::string boost_version();

}  // namespace gradloom
