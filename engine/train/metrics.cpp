#include "engine/train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/nn/loss.hpp"

namespace gradloom {
namespace {

template <class T>
std::uint64_t count_correct(Loss loss, MatrixView<const T> logits, MatrixView<const T> y) {
  std::uint64_t correct = 0;
  for (std::size_t r = 0; r < logits.rows; ++r) {
    if (loss == Loss::kCategoricalCrossEntropy) {
      correct += likeliest(logits.row(r)) == static_cast<std::size_t>(y(r, 0)) ? 1 : 0;
      continue;
    }
    for (std::size_t o = 0; o < logits.cols; ++o) correct += (logits(r, o) > 0) == (y(r, o) > T{0.5}) ? 1 : 0;
  }
  return correct;
}

}  // namespace

MetricSums::MetricSums(Loss loss, std::size_t outputs) : loss_(loss), outputs_(outputs) {
  if (is_classification(loss)) return;
  squared_.resize(outputs);
  absolute_.resize(outputs);
  targets_.resize(outputs);
}

template <class T>
void MetricSums::add(MatrixView<const T> output, MatrixView<const T> y) {
  rows_ += output.rows;
  loss_sum_ += loss_sum<T>(loss_, output, y);
  if (is_classification(loss_))
    correct_ += count_correct(loss_, output, y);
  else
    add_errors(output, y);
}

template <class T>
void MetricSums::add_errors(MatrixView<const T> output, MatrixView<const T> y) {
  for (std::size_t r = 0; r < output.rows; ++r)
    for (std::size_t o = 0; o < outputs_; ++o) {
      const double target = y(r, o);
      const double error = static_cast<double>(output(r, o)) - target;
      squared_[o] += error * error;
      absolute_[o] += std::abs(error);
      targets_[o].add(target);
    }
}

void MetricSums::merge(const MetricSums& next) {
  rows_ += next.rows_;
  loss_sum_ += next.loss_sum_;
  correct_ += next.correct_;
  for (std::size_t o = 0; o < targets_.size(); ++o) {
    squared_[o] += next.squared_[o];
    absolute_[o] += next.absolute_[o];
    targets_[o].merge(next.targets_[o]);
  }
}

Metrics MetricSums::metrics(const std::vector<double>& y_scale) const {
  const auto rows = static_cast<double>(rows_);
  const auto outputs = static_cast<double>(outputs_);
  const double labels = rows * static_cast<double>(target_columns(loss_, outputs_));
  Metrics metrics;
  metrics.rows = rows_;
  metrics.loss = loss_sum_ / (rows * static_cast<double>(loss_terms_per_row(loss_, outputs_)));
  if (is_classification(loss_)) {
    metrics.accuracy = static_cast<double>(correct_) / labels;
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
  metrics.rmse = std::sqrt(squared / (rows * outputs));
  metrics.mae = absolute / (rows * outputs);
  metrics.r2 = r2 / outputs;
  return metrics;
}

template <class T>
std::size_t likeliest(std::span<const T> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

template void MetricSums::add(MatrixView<const float>, MatrixView<const float>);
template void MetricSums::add(MatrixView<const double>, MatrixView<const double>);
template std::size_t likeliest(std::span<const float>);
template std::size_t likeliest(std::span<const double>);

}  // namespace gradloom
