#include "engine/train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/nn/loss.hpp"

namespace gradloom {
namespace {

double weight_of(const double* weights, std::size_t row) { return weights != nullptr ? weights[row] : 1; }

}  // namespace

MetricSums::MetricSums(Objective objective, std::size_t outputs) : objective_(std::move(objective)), outputs_(outputs) {
  if (is_classification(objective_.loss)) return;
  squared_.resize(outputs);
  absolute_.resize(outputs);
  targets_.resize(outputs);
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
}

template <class T>
void MetricSums::add_losses(MatrixView<const T> output, MatrixView<const T> y, const double* weights) {
  if (weights == nullptr && objective_.class_weights.empty()) {
    loss_weight_ += static_cast<double>(output.rows);
    loss_sum_ += loss_sum<T>(objective_.loss, output, y);
    return;
  }
  std::vector<double> of_rows(output.rows);
  loss_weight_ += objective_.weigh(y, weights, of_rows.data());
  loss_sum_ += weighted_loss_sum<T>(objective_.loss, output, y, of_rows.data());
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
  }
}

Metrics MetricSums::metrics(const std::vector<double>& y_scale) const {
  const auto outputs = static_cast<double>(outputs_);
  const double labels = weight_ * static_cast<double>(target_columns(objective_.loss, outputs_));
  Metrics metrics;
  metrics.rows = rows_;
  metrics.loss = loss_sum_ / (loss_weight_ * static_cast<double>(loss_terms_per_row(objective_.loss, outputs_)));
  if (is_classification(objective_.loss)) {
    metrics.accuracy = correct_ / labels;
    return metrics;
  }
  double squared = 0, absolute = 0, r2 = 0;
  for (std::size_t o = 0; o < outputs_; ++o) {
    const double scale = y_scale.empty() ? 1 : y_scale[o];
    squared += squared_[o] * scale * scale;
    absolute += absolute_[o] * scale;
    const double deviations = targets_[o].squares;
    r2 += deviations > 0 ? 1 - squared_[o] / deviations : std::numeric_limits<double>::quiet_NaN();
  }
  metrics.rmse = std::sqrt(squared / (weight_ * outputs));
  metrics.mae = absolute / (weight_ * outputs);
  metrics.r2 = r2 / outputs;
  return metrics;
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
