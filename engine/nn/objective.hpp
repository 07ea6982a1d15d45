#pragma once

#include <utility>
#include <vector>

#include "engine/nn/loss.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// What training minimises: the mean of a loss over rows, each of which counts as much as its own weight times its
/// class's. The weighted mean is Σ weight * loss / Σ weight: a weight of k is the row k times, and the scale of all
/// weights has no effect.
struct Objective {
  Objective(Loss of) : loss(of) {}  // NOLINT(google-explicit-constructor): a loss alone counts all rows alike
  Objective(Loss of, std::vector<double> weights, double smoothing = 0)
      : loss(of), class_weights(std::move(weights)), label_smoothing(smoothing) {}

  Loss loss;
  std::vector<double> class_weights;  ///< > 0, class_count(loss, outputs) of them; empty: all classes count alike
  double label_smoothing = 0;         ///< in [0, 1); 0 unless the loss is a cross-entropy

  /// Looks into this object, which must outlive it.
  [[nodiscard]] LabelSmoothing smoothing() const { return {label_smoothing, class_weights}; }

  /// weights[r] <- what row r counts: row_weights[r] (1 where null) times the weight of its class. y (rows, 1) where
  /// there are class weights; row_weights, weights (y.rows). Returns their sum, added in row order. DataError where y
  /// is no class.
  template <class T>
  double weigh(MatrixView<const T> y, const double* row_weights, double* weights) const;
};

}  // namespace gradloom
