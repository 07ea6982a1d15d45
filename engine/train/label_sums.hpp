#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "gradloom/evaluation.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/metrics.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// How one label fares. A row has one (categorical) or one for each output (binary, classes 0 and 1).
struct JudgedLabel {
  std::uint32_t actual = 0, predicted = 0;
  std::uint32_t rank =
      0;                  ///< classes that are likelier than the actual one; of equal ones the later counts as likelier
  double confidence = 0;  ///< probability of the predicted class; binary: of class 1
  double log_loss = 0;
};

/// Judges every label of some rows. logits, probabilities (rows, outputs); y (rows, target_columns); judged (rows *
/// target_columns), by row. Labels are classes: whoever took the loss of these rows has seen to it.
template <class T>
void judge_labels(Loss loss, MatrixView<const T> logits, MatrixView<const T> probabilities, MatrixView<const T> y,
                  std::span<JudgedLabel> judged);

/// Sums over judged labels from which the metrics of classification follow, all but accuracy and auc. Labels are added
/// one by one in the order of the rows, so the bits do not depend on how rows are cut.
class LabelSums {
 public:
  /// Sums what `metrics` take; `with_confusions`: the confusion matrix too.
  LabelSums(Loss loss, std::size_t outputs, const std::vector<Metric>& metrics, bool with_confusions);

  /// True where the metric follows from these sums.
  static bool gives(MetricKind kind);

  /// judged: as judge_labels() makes them. weights (rows), or null where rows count alike.
  void add(std::span<const JudgedLabel> judged, const double* weights);

  [[nodiscard]] double value(const Metric& metric) const;
  /// Of each class; of several binary outputs, of class 1 of each. Without names and auc.
  [[nodiscard]] std::vector<ClassMetrics> classes() const;
  [[nodiscard]] std::vector<Confusion> confusions() const;

 private:
  /// Weights of rows. By them precision is right / predicted, recall right / actual.
  struct Counts {
    double actual = 0, predicted = 0, right = 0;
    [[nodiscard]] bool occurs() const { return actual > 0 || predicted > 0; }
  };
  /// Of one number of bins: sums over the labels of each bin, [column * bins + bin].
  struct Calibration {
    std::size_t bins;
    std::vector<double> weight, confidence, right;
  };

  void add_label(std::size_t column, const JudgedLabel& label, double weight);
  static ClassMetrics class_metrics(const Counts& counts);
  /// What a mean over classes is taken of.
  [[nodiscard]] std::vector<Counts> averaged(bool macro) const;
  [[nodiscard]] double mean(bool macro, double ClassMetrics::*of) const;
  [[nodiscard]] double share_among(double k) const;
  [[nodiscard]] double calibration_error(double bins) const;

  std::size_t columns_, classes_;
  bool binary_, with_confusions_;
  double weight_ = 0;           ///< of the labels
  std::vector<Counts> counts_;  ///< [column * classes + class]
  std::vector<double> ranks_;   ///< [rank]: weight of labels; empty where no metric asks
  double log_loss_ = 0;
  std::vector<Calibration> calibrations_;
  std::unordered_map<std::uint64_t, double> confusions_;  ///< [actual * classes + predicted]
};

}  // namespace gradloom
