#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/spread.hpp"
#include "engine/nn/objective.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/metrics.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Sums over some rows from which the loss, accuracy and the metrics of regression follow, in float64. Merged in a
/// fixed order they give fixed bits. Rows count by their weights; those of classes count in the loss alone, which is
/// the one that training minimises.
class MetricSums {
 public:
  /// `all_errors`: sums for max_error and pinball too.
  MetricSums(Objective objective, std::size_t outputs, bool all_errors = false);

  /// True where the metric takes `all_errors`.
  static bool needs_all_errors(MetricKind kind);

  /// output (rows, outputs): predictions in the units that the loss sees, or logits; y (rows, target_columns); weights
  /// (rows), or null where rows count alike.
  template <class T>
  void add(MatrixView<const T> output, MatrixView<const T> y, const double* weights = nullptr);

  /// Adds sums over rows that come behind these.
  void merge(const MetricSums& next);

  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] double loss() const;
  /// Of the rows so far: accuracy, or a metric of regression. Output o's errors are multiplied by y_scale[o], which
  /// brings them to the target's own units; an empty y_scale multiplies by 1.
  [[nodiscard]] double value(const Metric& metric, const std::vector<double>& y_scale) const;

  /// Of the rows together; their number where they count alike. Where it is 0 there are no metrics: NaN.
  [[nodiscard]] double weight() const { return weight_; }

 private:
  template <class T>
  void add_losses(MatrixView<const T> output, MatrixView<const T> y, const double* weights);
  template <class T>
  void add_correct(MatrixView<const T> logits, MatrixView<const T> y, const double* weights);
  template <class T>
  void add_errors(MatrixView<const T> output, MatrixView<const T> y, const double* weights);
  template <class T>
  void add_signed_errors(MatrixView<const T> output, MatrixView<const T> y, const double* weights);
  [[nodiscard]] double mean_squared(const std::vector<double>& y_scale) const;
  [[nodiscard]] double r2() const;
  [[nodiscard]] double largest(const std::vector<double>& y_scale) const;
  [[nodiscard]] double mean_absolute(const std::vector<double>& y_scale) const;
  [[nodiscard]] double pinball(const std::vector<double>& y_scale, double quantile) const;

  Objective objective_;
  std::size_t outputs_;
  bool all_errors_;
  std::uint64_t rows_ = 0;
  double weight_ = 0;                       ///< of rows
  double loss_weight_ = 0;                  ///< the same times their classes'
  double loss_sum_ = 0;                     ///< weighted by that, as the others are by weight_
  double correct_ = 0;                      ///< labels that were got right
  std::vector<double> squared_, absolute_;  ///< error sums, one for each output
  std::vector<double> above_, below_;       ///< the same where the target is above its prediction, and below
  std::vector<double> largest_;             ///< absolute error of each output
  std::vector<Spread> targets_;             ///< one for each output
};

/// The class of one row's logits or probabilities: the first of the largest.
template <class T>
std::size_t likeliest(std::span<const T> row);

}  // namespace gradloom
