#pragma once

#include <cstdint>
#include <span>

#include "gradloom/matrix.hpp"

namespace gradloom {

/// The rows of a training set in the order of each epoch, wherever they stand. What hands minibatches out asks one
/// thread at a time for the next ones (require), and then any threads for their values (gather).
template <class T>
class EpochRows {
 public:
  EpochRows() = default;
  EpochRows(const EpochRows&) = delete;
  EpochRows& operator=(const EpochRows&) = delete;
  virtual ~EpochRows() = default;

  [[nodiscard]] virtual std::uint64_t rows() const = 0;
  [[nodiscard]] virtual std::size_t features() const = 0;
  [[nodiscard]] virtual std::size_t targets() const = 0;
  [[nodiscard]] virtual bool weighted() const = 0;

  /// The most rows that require() takes at once.
  [[nodiscard]] virtual std::uint64_t most_at_once() const { return rows(); }

  /// Makes ready the rows at positions [first, first + count) of an epoch, and waits where they have to be read.
  /// Positions are asked for in order, and the epochs too: what comes before `first` may be forgotten. Throws what
  /// reading them throws.
  virtual void require(std::uint64_t epoch, std::uint64_t first, std::uint64_t count) = 0;

  /// Some of the rows that were required last: numbers[i] <- the number in the set of the row at position first + i, x
  /// and y <- its values, weights[i] <- its weight where rows have some. On any thread, several at once.
  virtual void gather(std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x, MatrixView<T> y,
                      double* weights) const = 0;

  /// Row of the source that the set's row `number` came from.
  [[nodiscard]] virtual std::uint64_t source_row(std::uint64_t number) const = 0;
};

}  // namespace gradloom
