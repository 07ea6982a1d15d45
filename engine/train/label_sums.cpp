#include "engine/train/label_sums.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/nn/loss.hpp"
#include "engine/train/metrics.hpp"

namespace gradloom {
namespace {

// As scikit-learn's log_loss takes probabilities in float64.
double cut(double probability) {
  constexpr double kLeast = std::numeric_limits<double>::epsilon();
  return std::clamp(probability, kLeast, 1 - kLeast);
}

template <class T>
JudgedLabel judge_binary(T logit, T probability, T y) {
  JudgedLabel label;
  label.actual = y > T{0.5} ? 1 : 0;
  label.predicted = logit > 0 ? 1 : 0;
  label.confidence = probability;
  const double one = cut(probability);
  label.log_loss = -std::log(label.actual == 1 ? one : 1 - one);
  return label;
}

template <class T>
JudgedLabel judge_categorical(std::span<const T> logits, std::span<const T> probabilities, T y) {
  JudgedLabel label;
  label.actual = static_cast<std::uint32_t>(y);
  label.predicted = static_cast<std::uint32_t>(likeliest(logits));
  label.confidence = probabilities[label.predicted];
  const T own = probabilities[label.actual];
  double sum = 0;
  for (std::size_t k = 0; k < probabilities.size(); ++k) {
    sum += cut(probabilities[k]);
    if (probabilities[k] > own || (probabilities[k] == own && k > label.actual)) ++label.rank;
  }
  label.log_loss = -std::log(cut(own) / sum);  // in float32 probabilities do not quite add up to 1
  return label;
}

// The bin (i / bins, (i + 1) / bins] that a number from 0 to 1 is in; 0 is in the first, NaN in none that matters.
std::size_t bin_of(double confidence, std::size_t bins) {
  const double width = 1 / static_cast<double>(bins);
  const auto begin = [&](std::size_t bin) { return static_cast<double>(bin) * width; };
  if (!(confidence > 0)) return 0;
  auto bin = std::min(static_cast<std::size_t>(confidence / width), bins - 1);
  while (bin > 0 && confidence <= begin(bin)) --bin;
  while (bin + 1 < bins && confidence > begin(bin + 1)) ++bin;
  return bin;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

template <class T>
void judge_labels(Loss loss, MatrixView<const T> logits, MatrixView<const T> probabilities, MatrixView<const T> y,
                  std::span<JudgedLabel> judged) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    if (loss == Loss::kCategoricalCrossEntropy) {
      judged[r] = judge_categorical<T>(logits.row(r), probabilities.row(r), y(r, 0));
      continue;
    }
    for (std::size_t o = 0; o < logits.cols; ++o)
      judged[r * logits.cols + o] = judge_binary<T>(logits(r, o), probabilities(r, o), y(r, o));
  }
}

LabelSums::LabelSums(Loss loss, std::size_t outputs, const std::vector<Metric>& metrics, bool with_confusions)
    : columns_(target_columns(loss, outputs)),
      classes_(loss == Loss::kCategoricalCrossEntropy ? outputs : 2),
      binary_(loss == Loss::kBinaryCrossEntropy),
      with_confusions_(with_confusions && columns_ == 1),
      counts_(columns_ * classes_) {
  for (const Metric& metric : metrics) {
    if (metric.kind == MetricKind::kTop) ranks_.resize(classes_);
    if (metric.kind != MetricKind::kCalibrationError) continue;
    const auto bins = static_cast<std::size_t>(metric.parameter);
    const std::vector<double> zeros(columns_ * bins);
    calibrations_.push_back({bins, zeros, zeros, zeros});
  }
}

bool LabelSums::gives(MetricKind kind) {
  return kind >= MetricKind::kTop && kind <= MetricKind::kCalibrationError && kind != MetricKind::kAuc;
}

void LabelSums::add(std::span<const JudgedLabel> judged, const double* weights) {
  for (std::size_t i = 0; i < judged.size(); ++i) {
    const double weight = weights != nullptr ? weights[i / columns_] : 1;
    if (weight > 0) add_label(i % columns_, judged[i], weight);
  }
}

void LabelSums::add_label(std::size_t column, const JudgedLabel& label, double weight) {
  Counts* const counts = counts_.data() + column * classes_;
  const bool right = label.actual == label.predicted;
  weight_ += weight;
  counts[label.actual].actual += weight;
  counts[label.predicted].predicted += weight;
  if (right) counts[label.actual].right += weight;
  if (!ranks_.empty()) ranks_[label.rank] += weight;
  log_loss_ += weight * label.log_loss;
  for (Calibration& calibration : calibrations_) {
    const std::size_t bin = column * calibration.bins + bin_of(label.confidence, calibration.bins);
    calibration.weight[bin] += weight;
    calibration.confidence[bin] += weight * label.confidence;
    if (binary_ ? label.actual == 1 : right) calibration.right[bin] += weight;
  }
  if (with_confusions_) confusions_[std::uint64_t{label.actual} * classes_ + label.predicted] += weight;
}

double LabelSums::value(const Metric& metric) const {
  switch (metric.kind) {
    case MetricKind::kTop:
      return share_among(metric.parameter);
    case MetricKind::kPrecision:
      return mean(false, &ClassMetrics::precision);
    case MetricKind::kRecall:
      return mean(false, &ClassMetrics::recall);
    case MetricKind::kF1:
      return mean(false, &ClassMetrics::f1);
    case MetricKind::kMacroPrecision:
      return mean(true, &ClassMetrics::precision);
    case MetricKind::kMacroRecall:
      return mean(true, &ClassMetrics::recall);
    case MetricKind::kMacroF1:
      return mean(true, &ClassMetrics::f1);
    case MetricKind::kLogLoss:
      return log_loss_ / weight_;
    case MetricKind::kCalibrationError:
      return calibration_error(metric.parameter);
    default:  // not one that it gives
      return std::numeric_limits<double>::quiet_NaN();
  }
}

ClassMetrics LabelSums::class_metrics(const Counts& counts) {
  ClassMetrics metrics;
  metrics.weight = counts.actual;
  metrics.precision = ratio(counts.right, counts.predicted);
  metrics.recall = ratio(counts.right, counts.actual);
  metrics.f1 = ratio(2 * counts.right, counts.predicted + counts.actual);
  return metrics;
}

std::vector<LabelSums::Counts> LabelSums::averaged(bool macro) const {
  std::vector<Counts> averaged;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const bool every_class = !binary_ || (macro && columns_ == 1);
    if (every_class ? counts_[i].occurs() : i % classes_ == 1) averaged.push_back(counts_[i]);
  }
  return averaged;
}

double LabelSums::mean(bool macro, double ClassMetrics::*of) const {
  const std::vector<Counts> over = averaged(macro);
  double sum = 0;
  for (const Counts& counts : over) sum += class_metrics(counts).*of;
  return sum / static_cast<double>(over.size());
}

double LabelSums::share_among(double k) const {
  double among = 0;
  for (std::size_t rank = 0; rank < ranks_.size() && static_cast<double>(rank) < k; ++rank) among += ranks_[rank];
  return among / weight_;
}

double LabelSums::calibration_error(double bins) const {
  const auto found = std::find_if(calibrations_.begin(), calibrations_.end(), [&](const Calibration& calibration) {
    return static_cast<double>(calibration.bins) == bins;
  });
  double error = 0;  // a bin's share times the distance of its means is the distance of its sums
  for (std::size_t bin = 0; bin < found->weight.size(); ++bin)
    error += std::abs(found->confidence[bin] - found->right[bin]);
  return error / weight_;
}

std::vector<ClassMetrics> LabelSums::classes() const {
  std::vector<ClassMetrics> classes;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (columns_ == 1 || i % classes_ == 1) classes.push_back(class_metrics(counts_[i]));
  return classes;
}

std::vector<Confusion> LabelSums::confusions() const {
  std::vector<Confusion> confusions;
  confusions.reserve(confusions_.size());
  for (const auto& [cell, weight] : confusions_)
    confusions.push_back(
        {static_cast<std::size_t>(cell / classes_), static_cast<std::size_t>(cell % classes_), weight});
  std::sort(confusions.begin(), confusions.end(), [](const Confusion& a, const Confusion& b) {
    return a.actual != b.actual ? a.actual < b.actual : a.predicted < b.predicted;
  });
  return confusions;
}

template void judge_labels(Loss, MatrixView<const float>, MatrixView<const float>, MatrixView<const float>,
                           std::span<JudgedLabel>);
template void judge_labels(Loss, MatrixView<const double>, MatrixView<const double>, MatrixView<const double>,
                           std::span<JudgedLabel>);

}  // namespace gradloom
