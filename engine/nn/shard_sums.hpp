#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "gradloom/matrix.hpp"

namespace gradloom {

/// Sums over the rows of a minibatch, some side by side, in float64. Each shard makes its own, and they are joined in
/// the order of shards: threads have no say in them.
class ShardSums {
 public:
  ShardSums() = default;
  ShardSums(std::size_t shards, std::size_t columns) : columns_(columns) {
    for (std::size_t s = 0; s < shards; ++s) own_.emplace_back(columns);
  }

  [[nodiscard]] std::size_t shards() const { return own_.size(); }
  /// A shard's own, (columns), not set to begin with. Shards may be worked on concurrently.
  [[nodiscard]] double* of(std::size_t shard) { return own_[shard].data(); }
  [[nodiscard]] const double* of(std::size_t shard) const { return own_[shard].data(); }

  /// sums (columns) <- those of the first so many shards.
  void join(std::size_t shards, double* sums) const {
    std::fill_n(sums, columns_, 0.0);
    for (std::size_t s = 0; s < shards; ++s)
      for (std::size_t c = 0; c < columns_; ++c) sums[c] += own_[s][c];
  }

 private:
  std::size_t columns_ = 0;
  std::vector<AlignedBuffer<double>> own_;  ///< [shard]: (columns)
};

}  // namespace gradloom
