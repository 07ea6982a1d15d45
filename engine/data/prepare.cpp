#include "engine/data/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

template <class T>
void copy_row(const Dataset<T>& from, std::size_t row, Dataset<T>& to, std::size_t to_row) {
  std::copy_n(from.x.row(row).data(), from.features(), to.x.row(to_row).data());
  if (from.outputs() != 0) std::copy_n(from.y.row(row).data(), from.outputs(), to.y.row(to_row).data());
  if (!from.weights.empty()) to.weights[to_row] = from.weights[row];
  to.source_rows[to_row] = from.source_row(row);
}

// A copy of these rows.
template <class T>
Dataset<T> rows_of(const Dataset<T>& data, const std::vector<std::size_t>& rows, const std::string& name) {
  Dataset<T> part;
  part.x = Matrix<T>(rows.size(), data.features());
  if (data.outputs() != 0) part.y = Matrix<T>(rows.size(), data.outputs());
  if (!data.weights.empty()) part.weights.resize(rows.size());
  part.feature_names = data.feature_names;
  part.class_names = data.class_names;
  part.source_rows.resize(rows.size());
  part.name = name;
  for (std::size_t i = 0; i < rows.size(); ++i) copy_row(data, rows[i], part, i);
  return part;
}

// Keeps these rows (ascending), in place.
template <class T>
void keep_rows(Dataset<T>& data, const std::vector<std::size_t>& rows) {
  std::vector<std::uint64_t> source_rows(rows.size());
  for (std::size_t to = 0; to < rows.size(); ++to) {
    source_rows[to] = data.source_row(rows[to]);
    if (!data.weights.empty()) data.weights[to] = data.weights[rows[to]];
    if (to == rows[to]) continue;
    std::copy_n(data.x.row(rows[to]).data(), data.features(), data.x.row(to).data());
    if (data.outputs() != 0) std::copy_n(data.y.row(rows[to]).data(), data.outputs(), data.y.row(to).data());
  }
  data.x.shrink_rows(rows.size());
  if (data.outputs() != 0) data.y.shrink_rows(rows.size());
  if (!data.weights.empty()) data.weights.resize(rows.size());
  data.source_rows = std::move(source_rows);
}

// What a label must be, in words; the predicate is `is_label`.
std::string allowed_labels(Loss loss, std::size_t outputs) {
  if (loss == Loss::kBinaryCrossEntropy) return "0 or 1";
  return fmt::format("a class index from 0 to {} (the output layer has {} units)", outputs - 1, outputs);
}

bool is_label(double value, Loss loss, std::size_t outputs) {
  if (loss == Loss::kBinaryCrossEntropy) return value == 0 || value == 1;
  return value >= 0 && value < static_cast<double>(outputs) && value == std::floor(value);
}

struct Columns {
  std::vector<double> mean, scale;  // (cols)
};

Columns fit_columns(const Statistics& statistics, const std::string& name, std::string_view side) {
  for (std::size_t c = 0; c < statistics.columns(); ++c) {
    if (statistics.missing[c] + statistics.infinite[c] != 0)
      throw DataError(fmt::format("{}: column {} of the {} holds NaN or Inf; remove such rows", name, c, side));
    if (!std::isfinite(statistics.deviation[c]))
      throw DataError(fmt::format("{}: column {} of the {} is too large to be standardized; scale it", name, c, side));
  }
  Columns columns{statistics.mean, statistics.deviation};
  for (double& scale : columns.scale)
    if (scale == 0) scale = 1;
  return columns;
}

template <class T, class Map>
void map_columns(MatrixView<T> values, const std::vector<double>& mean, const std::vector<double>& scale, Map map) {
  for (std::size_t r = 0; r < values.rows; ++r) {
    T* const row = values.row(r).data();
    for (std::size_t c = 0; c < values.cols; ++c)
      row[c] = static_cast<T>(map(static_cast<double>(row[c]), mean[c], scale[c]));
  }
}

double standardized(double value, double mean, double scale) { return (value - mean) / scale; }
double restored(double value, double mean, double scale) { return value * scale + mean; }

void require_columns(std::size_t found, std::size_t fitted, std::string_view side) {
  if (found != fitted)
    throw DataError(fmt::format("the data has {} {} and the model was standardized with {}", found, side, fitted));
}

}  // namespace

template <class T>
SplitRows<T> split_rows(Dataset<T> all, const RowSplit& split) {
  if (!split.holds_out()) return {std::move(all), std::nullopt, std::nullopt};
  std::vector<std::size_t> training, validation, test;
  for (std::size_t row = 0; row < all.rows(); ++row) {
    const RowUse use = split.use_of(all.source_row(row));
    (use == RowUse::kTraining ? training : use == RowUse::kValidation ? validation : test).push_back(row);
  }
  split.require_all_uses(all.name, {training.size(), validation.size(), test.size()});
  SplitRows<T> parts;
  if (split.validates()) parts.validation = rows_of(all, validation, split.name_of(all.name, RowUse::kValidation));
  if (split.tests()) parts.test = rows_of(all, test, split.name_of(all.name, RowUse::kTest));
  keep_rows(all, training);
  parts.training = std::move(all);
  return parts;
}

void check_target_columns(std::size_t columns, const std::string& name, Loss loss, std::size_t outputs) {
  const bool categorical = loss == Loss::kCategoricalCrossEntropy;
  const std::size_t wanted = categorical ? 1 : outputs;
  if (columns != wanted)
    throw DataError(fmt::format("{}: targets have {} columns; an output layer of {} units with {} needs {}{}", name,
                                columns, outputs, to_string(loss), wanted,
                                categorical ? ", the class index (of one-hot columns, the argmax)" : ""));
}

template <class T>
void check_labels(MatrixView<const T> y, const std::string& name, std::uint64_t first_row, Loss loss,
                  std::size_t outputs) {
  if (!is_classification(loss)) return;
  for (std::size_t r = 0; r < y.rows; ++r)
    for (std::size_t c = 0; c < y.cols; ++c)
      if (const auto value = static_cast<double>(y(r, c)); !is_label(value, loss, outputs))
        throw DataError(fmt::format("{}: targets row {}, column {} is {}; {} needs {}", name, first_row + r, c, value,
                                    to_string(loss), allowed_labels(loss, outputs)));
}

template <class T>
void check_targets(const Dataset<T>& data, Loss loss, std::size_t outputs) {
  check_target_columns(data.outputs(), data.name, loss, outputs);
  if (data.source_rows.empty()) return check_labels<T>(data.y.view(), data.name, 0, loss, outputs);
  for (std::size_t r = 0; r < data.rows(); ++r)
    check_labels<T>(data.y.view().row_range(r, 1), data.name, data.source_rows[r], loss, outputs);
}

template <class T>
void count_classes(MatrixView<const T> y, std::span<std::uint64_t> class_rows) {
  for (std::size_t r = 0; r < y.rows; ++r) ++class_rows[static_cast<std::size_t>(y(r, 0))];
}

Standardization fit_standardization(const DataStatistics& training, const std::string& name) {
  Standardization s;
  Columns x = fit_columns(training.x, name, "features");
  s.x_mean = std::move(x.mean);
  s.x_scale = std::move(x.scale);
  Columns y = fit_columns(training.y, name, "targets");
  s.y_mean = std::move(y.mean);
  s.y_scale = std::move(y.scale);
  return s;
}

template <class T>
Standardization fit_standardization(const Dataset<T>& training, Standardize what, Arena* arena) {
  if (training.rows() == 0) throw DataError(training.name + ": no rows to standardize by");
  DataStatistics statistics;
  if (what == Standardize::kFeatures || what == Standardize::kBoth)
    statistics.x = statistics_of(training.x.view(), std::span(training.source_rows), arena);
  if (what == Standardize::kTargets || what == Standardize::kBoth)
    statistics.y = statistics_of(training.y.view(), std::span(training.source_rows), arena);
  return fit_standardization(statistics, training.name);
}

template <class T>
void standardize_features(const Standardization& s, MatrixView<T> x) {
  if (!s.features()) return;
  require_columns(x.cols, s.x_mean.size(), "features");
  map_columns(x, s.x_mean, s.x_scale, standardized);
}

template <class T>
void standardize_targets(const Standardization& s, MatrixView<T> y) {
  if (!s.targets()) return;
  require_columns(y.cols, s.y_mean.size(), "outputs");
  map_columns(y, s.y_mean, s.y_scale, standardized);
}

template <class T>
void restore_targets(const Standardization& s, MatrixView<T> y) {
  if (!s.targets()) return;
  require_columns(y.cols, s.y_mean.size(), "outputs");
  map_columns(y, s.y_mean, s.y_scale, restored);
}

// NOLINTBEGIN(bugprone-macro-parentheses): a type's name takes none
#define GRADLOOM_INSTANTIATE(T)                                                                             \
  template SplitRows<T> split_rows<T>(Dataset<T>, const RowSplit&);                                         \
  template void check_targets<T>(const Dataset<T>&, Loss, std::size_t);                                     \
  template void check_labels<T>(MatrixView<const T>, const std::string&, std::uint64_t, Loss, std::size_t); \
  template void count_classes<T>(MatrixView<const T>, std::span<std::uint64_t>);                            \
  template Standardization fit_standardization<T>(const Dataset<T>&, Standardize, Arena*);                  \
  template void standardize_features<T>(const Standardization&, MatrixView<T>);                             \
  template void standardize_targets<T>(const Standardization&, MatrixView<T>);                              \
  template void restore_targets<T>(const Standardization&, MatrixView<T>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
#undef GRADLOOM_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace gradloom
