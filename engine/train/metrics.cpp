#include "engine/train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/nn/loss.hpp"

namespace gradloom {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double weight_of(const double* weights, std::size_t row) { return weights != nullptr ? weights[row] : 1; }

double scale_of(const std::vector<double>& y_scale, std::size_t output) {
  return y_scale.empty() ? 1 : y_scale[output];
}

// NaN is larger than any number.
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }

}  // namespace

MetricSums::MetricSums(Objective objective, std::size_t outputs, bool all_errors)
    : objective_(std::move(objective)),
      outputs_(outputs),
      all_errors_(all_errors && !is_classification(objective_.loss)) {
  if (is_classification(objective_.loss)) return;
  squared_.resize(outputs);
  absolute_.resize(outputs);
  targets_.resize(outputs);
  if (!all_errors_) return;
  above_.resize(outputs);
  below_.resize(outputs);
  largest_.resize(outputs);
}

bool MetricSums::needs_all_errors(MetricKind kind) {
  return kind == MetricKind::kMaxError || kind == MetricKind::kPinball;
}

template <class T>
void MetricSums::add(MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  rows_ += output.rows;
  for (std::size_t r = 0; r < output.rows; ++r) weight_ += weight_of(weights, r);
  add_losses(output, y, weights);
  if (is_classification(objective_.loss))
    add_correct(output, y, weights);
  else
    add_errors(output, y, weights);
  if (all_errors_) add_signed_errors(output, y, weights);
}

template <class T>
void MetricSums::add_losses(MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  if (weights == nullptr && objective_.class_weights.empty()) {
    loss_weight_ += static_cast<double>(output.rows);
    loss_sum_ += loss_sum<T>(objective_.loss, output, y, objective_.smoothing());
    return;
  }
  std::vector<double> of_rows(output.rows);
  loss_weight_ += objective_.weigh(y, weights, of_rows.data());
  loss_sum_ += weighted_loss_sum<T>(objective_.loss, output, y, of_rows.data(), objective_.smoothing());
}

template <class T>
void MetricSums::add_correct(MatrixView<const T> logits, MatrixView<const T> y, const double* weights) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    const double weight = weight_of(weights, r);
    if (objective_.loss == Loss::kCategoricalCrossEntropy) {
      if (likeliest(logits.row(r)) == static_cast<std::size_t>(y(r, 0))) correct_ += weight;
      continue;
    }
    for (std::size_t o = 0; o < logits.cols; ++o)
      if ((logits(r, o) > 0) == (y(r, o) > T{0.5})) correct_ += weight;
  }
}

template <class T>
void MetricSums::add_errors(MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  for (std::size_t r = 0; r < output.rows; ++r) {
    const double weight = weight_of(weights, r);
    for (std::size_t o = 0; o < outputs_; ++o) {
      const double target = y(r, o);
      const double error = static_cast<double>(output(r, o)) - target;
      squared_[o] += weight * (error * error);
      absolute_[o] += weight * std::abs(error);
      targets_[o].add(target, weight);
    }
  }
}

template <class T>
void MetricSums::add_signed_errors(MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  for (std::size_t r = 0; r < output.rows; ++r) {
    const double weight = weight_of(weights, r);
    if (weight == 0) continue;
    for (std::size_t o = 0; o < outputs_; ++o) {
      const double difference = static_cast<double>(y(r, o)) - static_cast<double>(output(r, o));
      (difference >= 0 ? above_ : below_)[o] += weight * std::abs(difference);
      largest_[o] = larger(std::abs(difference), largest_[o]);
    }
  }
}

void MetricSums::merge(const MetricSums& next) {
  rows_ += next.rows_;
  weight_ += next.weight_;
  loss_weight_ += next.loss_weight_;
  loss_sum_ += next.loss_sum_;
  correct_ += next.correct_;
  for (std::size_t o = 0; o < targets_.size(); ++o) {
    squared_[o] += next.squared_[o];
    absolute_[o] += next.absolute_[o];
    targets_[o].merge(next.targets_[o]);
    if (!all_errors_) continue;
    above_[o] += next.above_[o];
    below_[o] += next.below_[o];
    largest_[o] = larger(next.largest_[o], largest_[o]);
  }
}

double MetricSums::loss() const {
  return loss_sum_ / (loss_weight_ * static_cast<double>(loss_terms_per_row(objective_.loss, outputs_)));
}

double MetricSums::value(const Metric& metric, const std::vector<double>& y_scale) const {
  switch (metric.kind) {
    case MetricKind::kAccuracy:
      return correct_ / (weight_ * static_cast<double>(target_columns(objective_.loss, outputs_)));
    case MetricKind::kMse:
      return mean_squared(y_scale);
    case MetricKind::kRmse:
      return std::sqrt(mean_squared(y_scale));
    case MetricKind::kMae:
      return mean_absolute(y_scale);
    case MetricKind::kR2:
      return r2();
    case MetricKind::kMaxError:
      return largest(y_scale);
    case MetricKind::kPinball:
      return pinball(y_scale, metric.parameter);
    default:  // not one that it gives
      return kUndefined;
  }
}

double MetricSums::mean_squared(const std::vector<double>& y_scale) const {
  double sum = 0;
  for (std::size_t o = 0; o < outputs_; ++o) sum += squared_[o] * scale_of(y_scale, o) * scale_of(y_scale, o);
  return sum / (weight_ * static_cast<double>(outputs_));
}

double MetricSums::mean_absolute(const std::vector<double>& y_scale) const {
  double sum = 0;
  for (std::size_t o = 0; o < outputs_; ++o) sum += absolute_[o] * scale_of(y_scale, o);
  return sum / (weight_ * static_cast<double>(outputs_));
}

double MetricSums::r2() const {
  if (rows_ < 2) return kUndefined;
  double sum = 0;
  for (std::size_t o = 0; o < outputs_; ++o) {
    const double deviations = targets_[o].squares;
    const double of_constant = squared_[o] == 0 ? 1 : 0 * squared_[o];  // NaN stays NaN
    sum += deviations > 0 ? 1 - squared_[o] / deviations : of_constant;
  }
  return sum / static_cast<double>(outputs_);
}

double MetricSums::largest(const std::vector<double>& y_scale) const {
  double largest = 0;
  for (std::size_t o = 0; o < outputs_; ++o) largest = larger(largest_[o] * scale_of(y_scale, o), largest);
  return largest;
}

double MetricSums::pinball(const std::vector<double>& y_scale, double quantile) const {
  double sum = 0;
  for (std::size_t o = 0; o < outputs_; ++o)
    sum += (quantile * above_[o] + (1 - quantile) * below_[o]) * scale_of(y_scale, o);
  return sum / (weight_ * static_cast<double>(outputs_));
}

template <class T>
std::size_t likeliest(std::span<const T> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

template void MetricSums::add(MatrixView<const float>, MatrixView<const float>, const double*);
template void MetricSums::add(MatrixView<const double>, MatrixView<const double>, const double*);
template std::size_t likeliest(std::span<const float>);
template std::size_t likeliest(std::span<const double>);

}  // namespace gradloom
