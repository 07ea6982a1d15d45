#pragma once

#include <fstream>
#include <initializer_list>
#include <string>

/// Small files of any bytes, for the tests of what reads them.
namespace gradloom::testing {

inline std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

/// A file at `path` that holds `content`; the path.
inline std::string write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

}  // namespace gradloom::testing
