#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "engine/core/double_double.hpp"
#include "engine/core/parallel.hpp"
#include "gradloom/matrix.hpp"

/// Statistics of columns, exact to about the last place of a double, in one pass over blocks of rows. Blocks are cut by
/// row number and their moments are added in that order, so results have the same bits for any number of threads,
/// whether the rows lie in memory or stream past.
namespace gradloom {

/// What is known of each column, (columns) numbers each. Counts are whole.
struct Statistics {
  std::vector<double> count;     ///< finite values
  std::vector<double> missing;   ///< NaN
  std::vector<double> infinite;  ///< +Inf and -Inf
  // Of the finite values; NaN where there are none.
  std::vector<double> min, max;
  std::vector<double> min_low, max_low;  ///< what is to be added for the exact value: 64-bit integers beyond 2^53
  // Also NaN where a value's magnitude is 2^960 or more, whose sums could leave the range of doubles.
  std::vector<double> mean;
  std::vector<double> deviation;  ///< of the population; exactly 0 where all values are equal

  [[nodiscard]] std::size_t columns() const { return count.size(); }
  /// Adds the columns of `next` behind these.
  void append(const Statistics& next);
};

/// Moments of the finite values of a column, or of some of its rows.
struct ColumnMoments {
  static constexpr double kLargest = 0x1p960;  ///< magnitudes from here on give no mean and deviation

  double count = 0, missing = 0, infinite = 0;
  DoubleDouble min{std::numeric_limits<double>::infinity(), 0};
  DoubleDouble max{-std::numeric_limits<double>::infinity(), 0};
  DoubleDouble sum;
  DoubleDouble squares;  ///< Σ ((value - mean) * 2^-exponent)²
  int exponent = 0;      ///< not 0 where squares of the distances would leave the range of doubles

  /// Adds the moments of other rows. Of the order in which many are added the last bits depend.
  void merge(const ColumnMoments& next);
};

/// Moments of each column of `rows`, put into `out` (columns): of a whole set of `set_columns` columns, or of some of
/// its columns, which get the same bits. T: float, double, std::int64_t, std::uint64_t. NaN and Inf are counted and
/// left out.
template <class T>
void column_moments(MatrixView<const T> rows, std::size_t set_columns, std::span<ColumnMoments> out);

/// Takes blocks of rows one after the other. Not for two threads at a time.
class StatisticsBuilder {
 public:
  /// Rows of a block in a set of so many columns (features, or outputs): block i is of source rows
  /// [i * block_rows, (i + 1) * block_rows), the last one shorter.
  static std::uint64_t block_rows(std::size_t columns);

  explicit StatisticsBuilder(std::size_t columns) : moments_(columns) {}

  /// The rows of block `block` that count: without those that are left out (held out for validation). Blocks come in
  /// ascending order; one without rows may be skipped. T as for column_moments.
  template <class T>
  void add_block(std::uint64_t block, MatrixView<const T> rows);
  /// The same for all rows of a block of which only those with a non-zero byte in `counts` (rows) count.
  template <class T>
  void add_block(std::uint64_t block, MatrixView<const T> rows, std::span<const std::uint8_t> counts);
  /// The same with the block's moments (columns), by column_moments of its rows that count.
  void add_block(std::uint64_t block, std::span<const ColumnMoments> moments);

  [[nodiscard]] Statistics finish() const;

 private:
  std::vector<ColumnMoments> moments_;
  std::vector<ColumnMoments> of_block_;  // scratch
  std::uint64_t next_block_ = 0;
};

/// Of rows in memory, of which row i is source row `source_rows[i]`, or i where that is empty: what a StatisticsBuilder
/// makes of them. In parallel on `arena` where there is one. T: float, double.
template <class T>
Statistics statistics_of(MatrixView<const T> rows, std::span<const std::uint64_t> source_rows, Arena* arena);

}  // namespace gradloom
