#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gradloom/import.hpp"

/// What the imports of IDX, NPY and NPZ share: arrays of numbers, a file of features and at most one of labels or
/// targets.
namespace gradloom {

inline constexpr std::int64_t kMostClasses = 10'000;

/// ConfigError for too many sources, labels that are nowhere, and for a --scale that is no factor. `format`: "IDX",
/// "NPY" or "NPZ".
void require_array_options(const ImportOptions& options, std::size_t sources, const std::string& format);

/// Tells how many of so many rows are written.
void report_rows(const ImportOptions& options, std::uint64_t done, std::uint64_t rows, std::uint64_t row_bytes);

/// x0, x1, ...; DataError about `path` beyond 10,000,000, as many as a layer can take.
std::vector<std::string> feature_names(const std::string& path, std::size_t count);

/// The names of class indices: "0", "1", ...
std::vector<std::string> class_names(std::size_t count);

/// A value that training could not take, scaled or not: DataError with row and column from 0.
[[noreturn]] void refuse_value(const std::string& path, std::uint64_t row, std::size_t column, double value);

}  // namespace gradloom
