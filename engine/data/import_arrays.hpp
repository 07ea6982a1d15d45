#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gradloom/import.hpp"

/// What the imports of IDX and of NPY share: arrays of numbers, a file of features and at most one of labels or
/// targets.
namespace gradloom {

inline constexpr std::int64_t kMostClasses = 10'000;

/// ConfigError for options that are for tables of text, for too many sources, and for a --scale that is no factor.
/// `format`: "IDX" or "NPY".
void require_array_options(const ImportOptions& options, const std::string& format);

/// x0, x1, ...; DataError about `path` beyond 10,000,000, as many as a layer can take.
std::vector<std::string> feature_names(const std::string& path, std::size_t count);

/// The names of class indices: "0", "1", ...
std::vector<std::string> class_names(std::size_t count);

/// A value that training could not take, scaled or not: DataError with row and column from 0.
[[noreturn]] void refuse_value(const std::string& path, std::uint64_t row, std::size_t column, double value);

}  // namespace gradloom
