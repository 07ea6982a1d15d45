#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gradloom {

/// A line of a metrics.jsonl.
struct LoggedLine {
  std::size_t number = 0;       ///< counted from 1
  nlohmann::ordered_json json;  ///< an object; of another type where the line is none, or was cut off
  /// "step", "epoch", ...; empty where the line says none.
  [[nodiscard]] std::string kind() const;
  [[nodiscard]] std::uint64_t step() const;  ///< 0 where the line says none
};

/// FileError where the file cannot be read.
std::vector<LoggedLine> read_metrics(const std::string& path);

}  // namespace gradloom
