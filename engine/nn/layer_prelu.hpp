#pragma once

#include <cstddef>

#include "engine/linalg/prelu.hpp"
#include "engine/nn/layout.hpp"
#include "engine/nn/shard_sums.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {

/// What a prelu's slopes start with, as torch.nn.PReLU's do.
constexpr double kInitialSlope = 0.25;

/// The prelu of one layer: y = max(0, z) + a min(0, z) with a slope a that is learned, the layer's one or one of each
/// unit (He et al. 2015), and what it keeps of a minibatch for the gradient of a.
///
/// z, y, dy: some rows of the minibatch, (rows, units). `parameters`: a flat block of the layout. Shards may be worked
/// on concurrently; whatever joins them runs alone.
template <class T>
class LayerPrelu {
 public:
  /// For a layer that has one. shard_rows: of the shards of a minibatch of max_rows that train; 0: none does.
  LayerPrelu(const LayerLayout& layer, std::size_t max_rows, std::size_t shard_rows);

  void activate(const T* parameters, MatrixView<const T> z, MatrixView<T> y) const;

  /// dy <- d(loss)/dz. Keeps the shares of these rows' shards, each for as many of its rows as are among them, in the
  /// gradient of the slopes.
  void differentiate(const T* parameters, std::size_t first_row, MatrixView<const T> z, MatrixView<T> dy);

  /// Behind differentiate() of all rows of a minibatch of so many: the gradient of the slopes.
  void join_gradient(std::size_t rows);
  [[nodiscard]] const T* slope_gradient() const { return gradient_.data(); }  ///< (slopes)

 private:
  [[nodiscard]] ColumnSlopes<T> slopes(const T* parameters) const { return {parameters + offset_, shared_}; }

  const bool shared_;
  const std::size_t units_, offset_, shard_rows_;
  ShardSums shards_;              ///< of min(0, z) * dy, of each unit
  AlignedBuffer<double> joined_;  ///< (units)
  AlignedBuffer<T> gradient_;     ///< (slopes)
};

}  // namespace gradloom
