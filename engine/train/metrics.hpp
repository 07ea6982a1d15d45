#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/core/spread.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Sums over some rows from which loss and metrics follow, in float64. Merged in a fixed order they give fixed bits.
class MetricSums {
 public:
  MetricSums(Loss loss, std::size_t outputs);

  /// output (rows, outputs): predictions in the units that the loss sees, or logits; y (rows, target_columns).
  template <class T>
  void add(MatrixView<const T> output, MatrixView<const T> y);

  /// Adds sums over rows that come behind these.
  void merge(const MetricSums& next);

  /// Of the rows so far. Output o's errors are multiplied by y_scale[o], which brings them to the target's own units;
  /// an empty y_scale multiplies by 1.
  [[nodiscard]] Metrics metrics(const std::vector<double>& y_scale) const;

 private:
  template <class T>
  void add_errors(MatrixView<const T> output, MatrixView<const T> y);

  Loss loss_;
  std::size_t outputs_;
  std::uint64_t rows_ = 0;
  double loss_sum_ = 0;
  std::uint64_t correct_ = 0;               ///< labels that were got right
  std::vector<double> squared_, absolute_;  ///< error sums, one for each output
  std::vector<Spread> targets_;             ///< one for each output
};

/// The class of one row's logits or probabilities: the first of the largest.
template <class T>
std::size_t likeliest(std::span<const T> row);

}  // namespace gradloom
