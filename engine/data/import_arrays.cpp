#include "engine/data/import_arrays.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMostFeatures = 10'000'000;

}  // namespace

void require_array_options(const ImportOptions& options, const std::string& format) {
  if (options.sources.size() > 2)
    throw ConfigError(fmt::format("import: takes one {} file of features and at most one of targets, not {}", format,
                                  options.sources.size()));
  if (!options.targets.empty() || !options.categorical.empty() || options.header != HeaderMode::kDetect ||
      options.missing != MissingCells::kError)
    throw ConfigError(
        fmt::format("import: --target, --categorical, --header and --missing are for CSV; of two {} files the second "
                    "one holds the targets",
                    format));
  if (!std::isfinite(options.scale) || options.scale == 0)
    throw ConfigError(fmt::format("--scale {}: must be a number other than 0", options.scale));
  if (options.classify && options.sources.size() == 1)
    throw ConfigError(fmt::format("--classify needs a second {} file, the labels", format));
}

std::vector<std::string> feature_names(const std::string& path, std::size_t count) {
  if (count > kMostFeatures)
    throw DataError(fmt::format("{}: has rows of {} values; import takes up to {}", path, count, kMostFeatures));
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
