#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gradloom/options.hpp"

namespace gradloom {

/// Numbers that tell how good a model is, beside its loss. Rows count by their weights; a row of weight 0 is as good as
/// absent. The definitions are scikit-learn's, on what `predict` writes.
///
/// Of several outputs every metric is the mean of each output's (a label is a row's value of one output), but: the
/// errors of mse, rmse and mae are averaged over outputs before the root is taken, and max_error is the largest of all.
enum class MetricKind {
  // Of the cross-entropies.
  kAccuracy,  ///< share of labels that the likeliest class (the first of equal logits; binary: over 0.5) gets right
  kTop,       ///< categorical: share of rows whose class is among the K likeliest (of equal ones the later ranks first)
  /// Binary: of class 1. Categorical: means over the classes that occur in targets or predictions. 0 where nothing was
  /// predicted, or there was nothing to find.
  kPrecision,
  kRecall,
  kF1,
  /// The same, but of a single binary output means over classes 0 and 1, where they occur.
  kMacroPrecision,
  kMacroRecall,
  kMacroF1,
  /// Area under the ROC curve, exact; equal scores count half. Categorical: each class against the rest, mean over the
  /// classes that have rows and leave some; NaN where none has.
  kAuc,
  kLogLoss,  ///< cross-entropy of the probabilities, cut to [2^-52, 1 - 2^-52]; no class weights
  /// Expected calibration error: Σ share of a bin * |mean confidence - share that is right| over equal bins (a, b] of
  /// the confidence. Categorical: of the likeliest class; binary: of class 1.
  kCalibrationError,
  // Of the other losses, in the target's own units.
  kMse,
  kRmse,
  kMae,
  kR2,  ///< of a constant output 1 where every prediction is right, else 0; NaN for less than two rows
  kMaxError,
  kPinball,  ///< mean of q * (y - p) where y >= p, else (1 - q) * (p - y); q is the quantile
};

/// One of them, with its parameter where it has one: K of `top_K`, the quantile of `pinball_Q`, the number of bins of
/// `calibration_error_B`; 0 for the others.
struct Metric {
  MetricKind kind = MetricKind::kAccuracy;
  double parameter = 0;
  friend bool operator==(const Metric&, const Metric&) = default;
};

/// "rmse", "top_3", "pinball_0.9". A parameter that is the default (a quantile of 0.5, 15 bins) is left out.
std::string to_string(const Metric& metric);

/// The metric of that name; nothing where there is none.
std::optional<Metric> parse_metric(std::string_view name);

/// Names for people: "top_K" stands for all of its kind.
std::vector<std::string> metric_names();

/// Why a model of this loss and so many outputs has no such metric; empty where it has.
std::string why_absent(const Metric& metric, Loss loss, std::size_t outputs);

/// Those that are logged where train.metrics asks for no others: accuracy, or rmse, mae and r2.
std::vector<Metric> usual_metrics(Loss loss);

/// One of each kind that such a model has, by default parameters; top_5 for more than 5 classes.
std::vector<Metric> all_metrics(Loss loss, std::size_t outputs);

/// What early stopping and the best checkpoint look at: "train_loss", "valid_loss", or "valid_" and a metric's name.
struct Monitor {
  enum class Of { kValidLoss, kTrainLoss, kValidMetric };
  Of of = Of::kValidLoss;
  Metric metric = {};  ///< where it is a metric
  friend bool operator==(const Monitor&, const Monitor&) = default;
};

std::string to_string(const Monitor& monitor);
std::optional<Monitor> parse_monitor(std::string_view name);
std::vector<std::string> monitor_names();  ///< for people, as metric_names()

/// True where more is better.
bool rises(const Metric& metric);
bool rises(const Monitor& monitor);

}  // namespace gradloom
