#include "engine/nn/layer_normalization.hpp"

#include <algorithm>
#include <cmath>

namespace gradloom {

template <class T>
LayerNormalization<T>::LayerNormalization(const LayerLayout& layer, std::size_t max_rows, std::size_t shards)
    : batch_norm_(layer.normalization == Normalization::kBatchNorm),
      units_(layer.units),
      weight_offset_(layer.norm_weight_offset),
      bias_offset_(layer.norm_bias_offset),
      running_mean_offset_(layer.running_mean_offset),
      running_var_offset_(layer.running_var_offset) {
  const std::size_t columns = batch_norm_ ? units_ : 0, rows = batch_norm_ ? 0 : max_rows;
  mean_ = AlignedBuffer<T>(columns);
  scale_ = AlignedBuffer<T>(columns);
  row_mean_ = AlignedBuffer<T>(rows);
  row_rate_ = AlignedBuffer<T>(rows);
  if (shards == 0) return;
  first_of_ = ShardSums(shards, units_);
  second_of_ = ShardSums(shards, units_);
  rows_of_.resize(shards);
  first_ = AlignedBuffer<double>(units_);
  second_ = AlignedBuffer<double>(units_);
  weight_gradient_ = AlignedBuffer<T>(units_);
  bias_gradient_ = AlignedBuffer<T>(units_);
  rate_ = AlignedBuffer<double>(columns);
  offset_ = AlignedBuffer<T>(columns);
  slope_ = AlignedBuffer<T>(columns);
}

template <class T>
void LayerNormalization<T>::take_moments(std::size_t shard, MatrixView<const T> x) {
  rows_of_[shard] = x.rows;
  if (x.rows > 0) kernels_.column_moments(x, first_of_.of(shard), second_of_.of(shard));
}

// Means and squares of shards that are put together: Chan, Golub and LeVeque 1979, equation 2.1.
template <class T>
void LayerNormalization<T>::join_moments(T* parameters) {
  rows_ = 0;
  for (std::size_t s = 0; s < rows_of_.size(); ++s) {
    if (rows_of_[s] == 0) continue;
    const double* const mean = first_of_.of(s);
    const double* const squares = second_of_.of(s);
    const auto before = static_cast<double>(rows_), added = static_cast<double>(rows_of_[s]);
    const double share = added / (before + added);
    for (std::size_t u = 0; u < units_; ++u) {
      const double distance = rows_ == 0 ? 0 : mean[u] - first_[u];
      first_[u] = rows_ == 0 ? mean[u] : first_[u] + distance * share;
      second_[u] = (rows_ == 0 ? 0 : second_[u]) + squares[u] + distance * distance * before * share;
    }
    rows_ += rows_of_[s];
  }
  const auto rows = static_cast<double>(rows_);
  T* const running_mean = parameters + running_mean_offset_;
  T* const running_var = parameters + running_var_offset_;
  const auto carry_on = [](T average, double value) {
    return static_cast<T>((1 - kBatchNormMomentum) * static_cast<double>(average) + kBatchNormMomentum * value);
  };
  for (std::size_t u = 0; u < units_; ++u) {
    rate_[u] = 1 / std::sqrt(second_[u] / rows + kNormEpsilon);
    mean_[u] = static_cast<T>(first_[u]);
    scale_[u] = static_cast<T>(rate_[u] * static_cast<double>(parameters[weight_offset_ + u]));
    running_mean[u] = carry_on(running_mean[u], first_[u]);
    running_var[u] = carry_on(running_var[u], second_[u] / (rows - 1));
  }
}

template <class T>
void LayerNormalization<T>::go_by_running_averages(const T* parameters) {
  std::copy_n(parameters + running_mean_offset_, units_, mean_.data());
  for (std::size_t u = 0; u < units_; ++u) {
    const auto variance = static_cast<double>(parameters[running_var_offset_ + u]);
    scale_[u] =
        static_cast<T>(static_cast<double>(parameters[weight_offset_ + u]) / std::sqrt(variance + kNormEpsilon));
  }
}

template <class T>
void LayerNormalization<T>::normalize(const T* parameters, std::size_t first_row, MatrixView<const T> x,
                                      MatrixView<T> y) {
  const T* const weight = parameters + weight_offset_;
  const T* const bias = parameters + bias_offset_;
  if (batch_norm_) {
    if (!joins_rows()) go_by_running_averages(parameters);
    return kernels_.normalize_columns(x, mean_.data(), scale_.data(), bias, y);
  }
  T* const mean = row_mean_.data() + first_row;
  T* const rate = row_rate_.data() + first_row;
  kernels_.row_moments(x, kNormEpsilon, mean, rate);
  kernels_.normalize_rows(x, mean, rate, weight, bias, y);
}

template <class T>
void LayerNormalization<T>::take_gradient(std::size_t shard, std::size_t first_row, MatrixView<const T> x,
                                          MatrixView<const T> dy) {
  double* const plain = first_of_.of(shard);
  double* const by_normalized = second_of_.of(shard);
  if (batch_norm_)
    kernels_.sum_column_gradients(dy, x, mean_.data(), plain, by_normalized);
  else
    kernels_.sum_row_gradients(dy, x, row_mean_.data() + first_row, row_rate_.data() + first_row, plain, by_normalized);
}

template <class T>
void LayerNormalization<T>::join_gradient() {
  first_of_.join(first_of_.shards(), first_.data());
  second_of_.join(second_of_.shards(), second_.data());
  for (std::size_t u = 0; u < units_; ++u) bias_gradient_[u] = static_cast<T>(first_[u]);
  for (std::size_t u = 0; u < units_; ++u)  // a batch-norm's sums lack the factor that is the same for all rows
    weight_gradient_[u] = static_cast<T>(batch_norm_ ? second_[u] * rate_[u] : second_[u]);
  if (!batch_norm_) return;
  const auto rows = static_cast<double>(rows_);
  for (std::size_t u = 0; u < units_; ++u) {
    offset_[u] = static_cast<T>(first_[u] / rows);
    slope_[u] = static_cast<T>(second_[u] * rate_[u] * rate_[u] / rows);
  }
}

template <class T>
void LayerNormalization<T>::differentiate(const T* parameters, std::size_t first_row, MatrixView<const T> x,
                                          MatrixView<T> dy) const {
  if (batch_norm_)
    kernels_.differentiate_columns(x, mean_.data(), scale_.data(), offset_.data(), slope_.data(), dy);
  else
    kernels_.differentiate_rows(x, row_mean_.data() + first_row, row_rate_.data() + first_row,
                                parameters + weight_offset_, dy);
}

template class LayerNormalization<float>;
template class LayerNormalization<double>;

}  // namespace gradloom
