#pragma once

#include <cstdint>

#include "engine/core/row_numbers.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {

/// The dropout masks of one layer in one epoch: a pure function of (seed, epoch, layer, row, unit), with Philox in two
/// levels. The first gives a key; words of the second belong to a unit each, so that none serves twice under a key:
///
///   key  = CounterRandom(seed, kDropoutKey, layer).bits(epoch)
///   word = CounterRandom(key, kDropout, unit / 4).words(row)[unit % 4]
///
/// A unit is kept where word >= threshold. The threshold is p * 2^32 rounded down: the share dropped is a multiple of
/// 2^-32, below p by less than that. Two of n pairs (epoch, layer) share a key with a probability of n² / 2^65.
struct DropoutMasks {
  /// 0 <= p < 1: the probability that a unit is dropped. epoch and layer count from 0.
  DropoutMasks(double p, std::uint64_t seed, std::uint64_t epoch, std::uint32_t layer);

  std::uint64_t key;
  std::uint32_t threshold;
  double scale;  ///< of kept units: 1 / (1 - p), so that expectations stay
};

/// out(r, u) <- a(r, u) * (scale where unit u of row rows[r] is kept, else 0), all (rows, units), as PyTorch's
/// nn.Dropout: NaN and Inf are not hidden where a unit is dropped. `out` may be the same memory as `a`.
/// Vectorised as the kernels of kernels.hpp; defined for float and double.
template <class T>
void drop_out(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const T> a, MatrixView<T> out);

}  // namespace gradloom
