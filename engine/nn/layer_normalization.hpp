#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/linalg/normalization.hpp"
#include "engine/nn/layout.hpp"
#include "engine/nn/shard_sums.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {

/// PyTorch's defaults.
constexpr double kNormEpsilon = 1e-5;
constexpr double kBatchNormMomentum = 0.1;

/// The normalization of one layer, and what it keeps of a minibatch: y = (x - m) * r * weight + bias, where m is a mean
/// and r = 1 / sqrt(variance + epsilon). Of a column over the minibatch (batch-norm; Ioffe and Szegedy 2015), whose
/// running averages take their place outside of training, or of a row (layer-norm; Ba, Kiros and Hinton 2016).
///
/// Variances are mean squares; the running average takes Σ (x - m)² / (rows - 1), as PyTorch's does. Sums over rows are
/// made shard by shard and joined in the order of shards, in float64: threads have no say in them.
///
/// x, y, dy: some rows of the minibatch, (rows, units). `parameters`: a flat block of the layout. Shards, and rows, may
/// be worked on concurrently; whatever joins them runs alone.
template <class T>
class LayerNormalization {
 public:
  /// For a layer that has one. shards: that train; 0: none does, and a batch-norm goes by its running averages.
  LayerNormalization(const LayerLayout& layer, std::size_t max_rows, std::size_t shards);

  /// True where a minibatch's moments must be joined before any row of it is normalized, and its gradient before any
  /// row's is known.
  [[nodiscard]] bool joins_rows() const { return batch_norm_ && first_of_.shards() > 0; }

  /// A shard's share in the moments of a batch-norm; of every shard, those without rows too.
  void take_moments(std::size_t shard, MatrixView<const T> x);
  /// Behind them: what the minibatch is normalized by. Carries on the running averages.
  void join_moments(T* parameters);

  /// y <- normalized x, which are these rows of the minibatch.
  void normalize(const T* parameters, std::size_t first_row, MatrixView<const T> x, MatrixView<T> y);

  /// A shard's share in the gradient of weight and bias; of every shard, those without rows too.
  void take_gradient(std::size_t shard, std::size_t first_row, MatrixView<const T> x, MatrixView<const T> dy);
  /// Behind them: the gradient of weight and bias.
  void join_gradient();
  [[nodiscard]] const T* weight_gradient() const { return weight_gradient_.data(); }  ///< (units)
  [[nodiscard]] const T* bias_gradient() const { return bias_gradient_.data(); }      ///< (units)

  /// dy <- d(loss)/dx. Of a batch-norm behind join_gradient().
  void differentiate(const T* parameters, std::size_t first_row, MatrixView<const T> x, MatrixView<T> dy) const;

 private:
  void go_by_running_averages(const T* parameters);

  const NormalizationKernels<T> kernels_ = normalization_kernels<T>();
  const bool batch_norm_;
  const std::size_t units_;
  const std::size_t weight_offset_, bias_offset_, running_mean_offset_, running_var_offset_;

  /// Of each shard: its columns' means and squares, then its gradients of bias and weight in their place.
  ShardSums first_of_, second_of_;
  std::vector<std::size_t> rows_of_;  ///< [shard]: that its moments are of
  std::size_t rows_ = 0;              ///< of all shards

  AlignedBuffer<double> first_, second_;              ///< (units): the shards' joined
  AlignedBuffer<double> rate_;                        ///< (units): r of a batch-norm in training
  AlignedBuffer<T> mean_, scale_;                     ///< (units): m, and r * weight, of a batch-norm
  AlignedBuffer<T> row_mean_, row_rate_;              ///< (max_rows): m and r of a layer-norm
  AlignedBuffer<T> weight_gradient_, bias_gradient_;  ///< (units)
  AlignedBuffer<T> offset_, slope_;  ///< (units): of a batch-norm's derivative, see differentiate_columns
};

}  // namespace gradloom
