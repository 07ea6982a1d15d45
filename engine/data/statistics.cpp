#include "engine/data/statistics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "engine/linalg/column_kernels.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kStrip = 32;  // columns at a time: their rows are still in the first cache in the second pass
constexpr std::size_t kNarrow = kStrip / 2;  // columns of sets of which several rows are taken as one

// The exponent of squares of distances between `min` and `max`: nought unless they are extreme.
int square_exponent(double min, double max) {
  const double range = std::min(max - min, std::numeric_limits<double>::max());
  if (range == 0 || (range >= 0x1p-300 && range <= 0x1p300)) return 0;
  return std::clamp(std::ilogb(range), -960, 960);
}

// Sums over a strip whose rows are of `fold` rows of `columns` columns side by side, so that narrow sets fill vectors.
struct StripSums {
  std::size_t columns, fold;
  std::array<double, kStrip> high{}, low{};

  [[nodiscard]] ColumnSums place() { return {high.data(), low.data()}; }
  [[nodiscard]] DoubleDouble total(std::size_t column) const {
    DoubleDouble sum = two_sum(high[column], low[column]);
    for (std::size_t i = 1, at = column + columns; i < fold; ++i, at += columns) sum = sum + two_sum(high[at], low[at]);
    return sum;
  }
};

// Count, sum and extremes of a strip. A column with a value or a sum that is not finite gets a count of NaN.
template <class T>
void strip_sums(MatrixView<const T> strip, std::size_t fold, ColumnMoments* out) {
  StripSums sums{strip.cols / fold, fold};
  std::array<double, kStrip> min{}, max{};
  sum_columns(strip, sums.place(), min.data(), max.data());
  for (std::size_t c = 0; c < sums.columns; ++c) {
    ColumnMoments& m = out[c] = {};
    m.sum = sums.total(c);
    const bool finite = std::isfinite(m.sum.low);  // NaN where the sum is not
    m.count = finite ? static_cast<double>(strip.rows * fold) : std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = c; i < strip.cols; i += sums.columns) {
      m.min.high = std::min(m.min.high, min[i]);
      m.max.high = std::max(m.max.high, max[i]);
    }
    m.exponent = finite ? square_exponent(m.min.high, m.max.high) : 0;
  }
}

// Squares of the distances from the means: from what is left when those are rounded, the rest is known.
template <class T>
void strip_squares(MatrixView<const T> strip, std::size_t fold, ColumnMoments* out) {
  StripSums sums{strip.cols / fold, fold};
  std::array<double, kStrip> pivot{}, factor{}, rest{};
  for (std::size_t i = 0; i < strip.cols; ++i) {
    const ColumnMoments& m = out[i % sums.columns];
    const DoubleDouble mean = m.sum / m.count;
    factor[i] = std::ldexp(1.0, -m.exponent);
    pivot[i] = mean.high;
    rest[i] = mean.low * factor[i];
  }
  sum_column_squares(strip, pivot.data(), factor.data(), sums.place());
  for (std::size_t c = 0; c < sums.columns; ++c)
    out[c].squares = sums.total(c) - two_product(rest[c], rest[c]) * out[c].count;
}

// At most kStrip columns.
template <class T>
void strip_moments(MatrixView<const T> strip, std::size_t fold, ColumnMoments* out) {
  strip_sums(strip, fold, out);
  strip_squares(strip, fold, out);
}

// Of rows that follow each other in memory, at most kNarrow columns.
template <class T>
void narrow_moments(const T* rows, std::size_t count, std::size_t columns, std::size_t fold, ColumnMoments* out) {
  const std::size_t folded = count / fold;
  const std::size_t rest = count % fold;
  std::array<ColumnMoments, kStrip> last;
  if (folded > 0) strip_moments<T>({rows, folded, fold * columns}, fold, out);
  if (rest == 0) return;
  strip_moments<T>({rows + folded * fold * columns, rest, columns}, 1, folded > 0 ? last.data() : out);
  for (std::size_t c = 0; folded > 0 && c < columns; ++c)
    if (std::isnan(last[c].count))
      out[c].count = last[c].count;
    else
      out[c].merge(last[c]);
}

template <class T>
Matrix<T> without_stride(MatrixView<const T> rows) {
  Matrix<T> copy(rows.rows, rows.cols);
  for (std::size_t r = 0; r < rows.rows; ++r) std::copy_n(rows.row(r).data(), rows.cols, copy.row(r).data());
  return copy;
}

// A column with values that are not finite, or so large that sums could overflow: those are told apart, and the rest
// goes the same way as other columns.
template <class T>
ColumnMoments careful_moments(MatrixView<const T> rows, std::size_t column) {
  ColumnMoments apart;
  std::vector<double> fit;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const auto value = static_cast<double>(rows(r, column));
    if (std::isnan(value)) {
      ++apart.missing;
    } else if (std::isinf(value)) {
      ++apart.infinite;
    } else if (std::abs(value) >= ColumnMoments::kLargest) {
      ++apart.count;
      apart.min = std::min(apart.min, DoubleDouble{value, 0});
      apart.max = std::max(apart.max, DoubleDouble{value, 0});
    } else {
      fit.push_back(value);
    }
  }
  ColumnMoments moments;
  if (!fit.empty()) narrow_moments(fit.data(), fit.size(), 1, kStrip, &moments);
  moments.merge(apart);
  return moments;
}

// A 64-bit integer as the sum of two doubles.
template <class T>
DoubleDouble exact(T value) {
  const T top = value >> 32;  // rounds down
  return two_sum(static_cast<double>(top) * 0x1p32, static_cast<double>(value - (top << 32)));
}

// By distances from the least value.
template <class T>
ColumnMoments integer_moments(MatrixView<const T> rows, std::size_t column) {
  T min = rows(0, column), max = min;
  for (std::size_t r = 1; r < rows.rows; ++r) {
    min = std::min(min, rows(r, column));
    max = std::max(max, rows(r, column));
  }
  std::vector<double> distances(rows.rows);
  double rounded_off = 0;  // from distances beyond 2^53
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const DoubleDouble distance = exact(static_cast<std::uint64_t>(rows(r, column)) - static_cast<std::uint64_t>(min));
    distances[r] = distance.high;
    rounded_off += distance.low;
  }
  ColumnMoments moments;
  narrow_moments(distances.data(), rows.rows, 1, kStrip, &moments);
  moments.sum = moments.sum + DoubleDouble{rounded_off, 0} + exact(min) * moments.count;
  moments.min = exact(min);
  moments.max = exact(max);
  return moments;
}

struct Run {
  std::size_t first, rows;
};

// The rows from `first` on that stand in one block of the source.
Run run_at(std::size_t first, std::size_t rows, std::span<const std::uint64_t> source_rows, std::uint64_t block_rows) {
  if (source_rows.empty()) return {first, std::min<std::size_t>(block_rows - first % block_rows, rows - first)};
  const std::uint64_t begin = source_rows[first] - source_rows[first] % block_rows;
  std::size_t next = first + 1;
  while (next < rows && source_rows[next] >= begin && source_rows[next] - begin < block_rows) ++next;
  return {first, next - first};
}

}  // namespace

void Statistics::append(const Statistics& next) {
  for (const auto numbers :
       {&Statistics::count, &Statistics::missing, &Statistics::infinite, &Statistics::min, &Statistics::max,
        &Statistics::min_low, &Statistics::max_low, &Statistics::mean, &Statistics::deviation})
    (this->*numbers).insert((this->*numbers).end(), (next.*numbers).begin(), (next.*numbers).end());
}

void ColumnMoments::merge(const ColumnMoments& next) {
  missing += next.missing;
  infinite += next.infinite;
  if (next.count == 0) return;
  if (count == 0) {
    const double before_missing = missing, before_infinite = infinite;
    *this = next;
    missing = before_missing;
    infinite = before_infinite;
    return;
  }
  // Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
  const double total = count + next.count;
  min = std::min(min, next.min);
  max = std::max(max, next.max);
  const int wide = square_exponent(min.high, max.high);
  const DoubleDouble distance = next.sum / next.count - sum / count;
  const double between = scaled(distance, -wide).rounded();
  squares = scaled(squares, 2 * (exponent - wide)) + scaled(next.squares, 2 * (next.exponent - wide)) +
            DoubleDouble{between * between * (count * (next.count / total)), 0};
  exponent = wide;
  sum = sum + next.sum;
  count = total;
}

template <class T>
void column_moments(MatrixView<const T> rows, std::size_t set_columns, std::span<ColumnMoments> out) {
  std::fill(out.begin(), out.end(), ColumnMoments{});
  if (rows.empty()) return;
  if constexpr (std::is_integral_v<T>) {
    for (std::size_t c = 0; c < rows.cols; ++c) out[c] = integer_moments(rows, c);
  } else {
    if (set_columns > kNarrow)
      for (std::size_t c = 0; c < rows.cols; c += kStrip)
        strip_moments<T>({rows.data + c, rows.rows, std::min(kStrip, rows.cols - c), rows.stride}, 1, &out[c]);
    else if (rows.stride == rows.cols)
      narrow_moments(rows.data, rows.rows, rows.cols, kStrip / set_columns, out.data());
    else
      narrow_moments(without_stride(rows).data(), rows.rows, rows.cols, kStrip / set_columns, out.data());
    for (std::size_t c = 0; c < rows.cols; ++c)
      if (std::isnan(out[c].count)) out[c] = careful_moments(rows, c);
  }
}

// Narrow blocks fit the first cache; in wide ones a strip does, and merging them stays cheap beside reading them.
std::uint64_t StatisticsBuilder::block_rows(std::size_t columns) {
  constexpr std::size_t kElements = 1 << 18;
  return std::clamp<std::uint64_t>(std::bit_floor(kElements / std::max<std::size_t>(columns, 1)), 32, 1024);
}

template <class T>
void StatisticsBuilder::add_block(std::uint64_t block, MatrixView<const T> rows) {
  of_block_.resize(rows.cols);
  column_moments(rows, rows.cols, std::span(of_block_));
  add_block(block, of_block_);
}

template <class T>
void StatisticsBuilder::add_block(std::uint64_t block, MatrixView<const T> rows, std::span<const std::uint8_t> counts) {
  Matrix<T> counted(rows.rows, rows.cols);
  std::size_t count = 0;
  for (std::size_t r = 0; r < rows.rows; ++r)
    if (counts[r] != 0) std::copy_n(rows.row(r).data(), rows.cols, counted.row(count++).data());
  counted.shrink_rows(count);
  add_block<T>(block, std::as_const(counted).view());
}

void StatisticsBuilder::add_block(std::uint64_t block, std::span<const ColumnMoments> moments) {
  if (moments.size() != moments_.size() || block < next_block_)
    throw std::logic_error("a block of statistics is out of order, or of another width");
  next_block_ = block + 1;
  for (std::size_t c = 0; c < moments_.size(); ++c) moments_[c].merge(moments[c]);
}

Statistics StatisticsBuilder::finish() const {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Statistics s;
  for (const ColumnMoments& m : moments_) {
    const bool some = m.count > 0;
    const bool constant = m.min == m.max;
    const bool measured = some && std::max(-m.min.high, m.max.high) < ColumnMoments::kLargest;
    s.count.push_back(m.count);
    s.missing.push_back(m.missing);
    s.infinite.push_back(m.infinite);
    s.min.push_back(some ? m.min.high + 0.0 : kNone);  // no -0
    s.max.push_back(some ? m.max.high + 0.0 : kNone);
    s.min_low.push_back(m.min.low);
    s.max_low.push_back(m.max.low);
    const double mean = constant ? m.min.high + 0.0 : (m.sum / m.count).rounded();
    const double variance = std::max((m.squares / m.count).rounded(), 0.0);
    s.mean.push_back(measured ? mean : kNone);
    s.deviation.push_back(!measured ? kNone : constant ? 0 : std::ldexp(std::sqrt(variance), m.exponent));
  }
  return s;
}

template <class T>
Statistics statistics_of(MatrixView<const T> rows, std::span<const std::uint64_t> source_rows, Arena* arena) {
  constexpr std::size_t kMomentsHeld = 1 << 16;
  const std::uint64_t block_rows = StatisticsBuilder::block_rows(rows.cols);
  const std::size_t most = std::max<std::size_t>(kMomentsHeld / std::max<std::size_t>(rows.cols, 1), 4);
  std::vector<Run> runs;
  std::vector<ColumnMoments> moments(most * rows.cols);
  StatisticsBuilder builder(rows.cols);
  const auto of_run = [&](std::size_t i) { return std::span(moments).subspan(i * rows.cols, rows.cols); };
  const auto measure = [&](std::size_t i) {
    column_moments(rows.row_range(runs[i].first, runs[i].rows), rows.cols, of_run(i));
  };
  std::uint64_t added = 0;
  for (std::size_t row = 0; row < rows.rows;) {
    for (runs.clear(); runs.size() < most && row < rows.rows; row += runs.back().rows)
      runs.push_back(run_at(row, rows.rows, source_rows, block_rows));
    if (arena != nullptr)
      arena->for_each(runs.size(), measure);
    else
      for (std::size_t i = 0; i < runs.size(); ++i) measure(i);
    for (std::size_t i = 0; i < runs.size(); ++i) builder.add_block(added++, of_run(i));
  }
  return builder.finish();
}

// NOLINTBEGIN(bugprone-macro-parentheses): a type's name takes none
#define GRADLOOM_INSTANTIATE(T)                                                                \
  template void column_moments<T>(MatrixView<const T>, std::size_t, std::span<ColumnMoments>); \
  template void StatisticsBuilder::add_block<T>(std::uint64_t, MatrixView<const T>);           \
  template void StatisticsBuilder::add_block<T>(std::uint64_t, MatrixView<const T>, std::span<const std::uint8_t>)
GRADLOOM_INSTANTIATE(float);
GRADLOOM_INSTANTIATE(double);
GRADLOOM_INSTANTIATE(std::int64_t);
GRADLOOM_INSTANTIATE(std::uint64_t);
#undef GRADLOOM_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)
template Statistics statistics_of<float>(MatrixView<const float>, std::span<const std::uint64_t>, Arena*);
template Statistics statistics_of<double>(MatrixView<const double>, std::span<const std::uint64_t>, Arena*);

}  // namespace gradloom
