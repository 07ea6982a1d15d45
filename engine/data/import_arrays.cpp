#include "engine/data/import_arrays.hpp"

#include <fmt/format.h>

#include <cmath>

#include "engine/data/import_writer.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
void require_array_options(const ImportOptions& options, std::size_t sources, const std::string& format) {
  if (sources > 2)
    throw ConfigError(
        fmt::format("import: takes one {} array of features and at most one of targets, not {}", format, sources));
  if (!std::isfinite(options.scale) || options.scale == 0)
    throw ConfigError(fmt::format("--scale {}: must be a number other than 0", options.scale));
  if (options.classify && sources == 1)
    throw ConfigError(fmt::format("--classify needs a second {} array, the labels", format));
}

void report_rows(const ImportOptions& options, std::uint64_t done, std::uint64_t rows, std::uint64_t row_bytes) {
  if (options.on_progress) options.on_progress({"writing", done * row_bytes, rows * row_bytes});
}

std::vector<std::string> feature_names(const std::string& path, std::size_t count) {
  require_feature_count(path, count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("x{}", i));
  return names;
}

std::vector<std::string> class_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}", i));
  return names;
}

void refuse_value(const std::string& path, std::uint64_t row, std::size_t column, double value) {
  throw DataError(fmt::format("{}: row {}, column {}: found {}, which is not a finite number{}; correct it", path, row,
                              column, value, std::isfinite(value) ? " once it is scaled" : ""));
}

}  // namespace gradloom
