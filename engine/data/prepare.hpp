#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/data/row_split.hpp"
#include "engine/data/statistics.hpp"
#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// The rows of each use, in source order, source_rows filled; nothing where the split has no such use.
template <class T>
struct SplitRows {
  Dataset<T> training;
  std::optional<Dataset<T>> validation, test;
};

/// Splits off the rows that do not train; the others are compacted in place. DataError where a use of the split would
/// be left without rows.
template <class T>
SplitRows<T> split_rows(Dataset<T> all, const RowSplit& split);

/// DataError unless every one of `y`'s labels is what the loss takes: class indices below `outputs`, or 0 and 1. They
/// are rows of `name` from `first_row` on.
template <class T>
void check_labels(MatrixView<const T> y, const std::string& name, std::uint64_t first_row, Loss loss,
                  std::size_t outputs);

/// DataError unless targets of so many columns are what an output layer of `outputs` units with this loss takes.
void check_target_columns(std::size_t columns, const std::string& name, Loss loss, std::size_t outputs);

/// Targets fit the network: y has target_columns(loss, outputs) columns; labels are whole and in [0, outputs) for
/// categorical, 0 or 1 for binary cross-entropy. DataError names the data set, the row (source row) and the value.
template <class T>
void check_targets(const Dataset<T>& data, Loss loss, std::size_t outputs);

/// Counts classes: class_rows[y(r, 0)] grows by 1 for every row r. The labels are class indices below its size.
template <class T>
void count_classes(MatrixView<const T> y, std::span<std::uint64_t> class_rows);

/// Mean and deviation of columns, in float64. Empty vectors: that side is left as it is.
/// Applied as (value - mean) / scale; a constant column has scale 1.
struct Standardization {
  std::vector<double> x_mean, x_scale;  ///< (features)
  std::vector<double> y_mean, y_scale;  ///< (outputs)
  [[nodiscard]] bool features() const { return !x_mean.empty(); }
  [[nodiscard]] bool targets() const { return !y_mean.empty(); }
};

/// Statistics of the training rows. A side without columns is left as it is.
struct DataStatistics {
  Statistics x, y;
};

/// Mean and population deviation by column. DataError where a column holds NaN or Inf, or numbers of 2^960 and more;
/// `name` is the data set's.
Standardization fit_standardization(const DataStatistics& training, const std::string& name);

/// The same from rows in memory: the bits that a StatisticsBuilder gives which sees all source rows in order without
/// those that are held out. In parallel where there is an arena. DataError where there are no rows.
template <class T>
Standardization fit_standardization(const Dataset<T>& training, Standardize what, Arena* arena = nullptr);

/// In place, in float64 arithmetic, rounded once.
template <class T>
void standardize_features(const Standardization& s, MatrixView<T> x);
template <class T>
void standardize_targets(const Standardization& s, MatrixView<T> y);
/// The inverse, on predictions or targets: value * scale + mean.
template <class T>
void restore_targets(const Standardization& s, MatrixView<T> y);

}  // namespace gradloom
