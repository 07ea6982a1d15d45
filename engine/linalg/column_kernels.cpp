// Sums over the rows of columns. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/column_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/column_kernels.hpp"

#include <limits>

#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class D, class Access>
HWY_INLINE hn::Vec<D> load_doubles(D d, Access lanes, const double* from) {
  return lanes.load(d, from);
}

template <class D, class Access>
HWY_INLINE hn::Vec<D> load_doubles(D d, Access lanes, const float* from) {
  return hn::PromoteTo(d, lanes.load(hn::Rebind<float, D>(), from));
}

/// A sum, and the sum of what its roundings lost (Knuth's exact addition).
template <class D, class V = hn::Vec<D>>
class CompensatedSum {
 public:
  HWY_INLINE explicit CompensatedSum(D d) : high_(hn::Zero(d)), low_(hn::Zero(d)) {}
  HWY_INLINE void add(V x) {
    const V sum = hn::Add(high_, x);
    const V taken = hn::Sub(sum, high_);
    low_ = hn::Add(low_, hn::Add(hn::Sub(high_, hn::Sub(sum, taken)), hn::Sub(x, taken)));
    high_ = sum;
  }
  template <class Access>
  HWY_INLINE void store(D d, Access lanes, ColumnSums to, std::size_t column) const {
    lanes.store(high_, d, to.high + column);
    lanes.store(low_, d, to.low + column);
  }

 private:
  V high_, low_;
};

template <class T>
void sum_columns_any(MatrixView<const T> rows, ColumnSums sums, double* min, double* max) {
  const hn::ScalableTag<double> d;
  for_each_vector(d, rows.cols, [&](std::size_t column, auto lanes) HWY_ATTR {
    CompensatedSum sum(d);
    auto least = hn::Set(d, std::numeric_limits<double>::infinity());
    auto largest = hn::Neg(least);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const auto x = load_doubles(d, lanes, rows.data + r * rows.stride + column);
      sum.add(x);
      least = hn::Min(least, x);
      largest = hn::Max(largest, x);
    }
    sum.store(d, lanes, sums, column);
    lanes.store(least, d, min + column);
    lanes.store(largest, d, max + column);
  });
}

template <class T>
void sum_squares_any(MatrixView<const T> rows, const double* pivots, const double* factors, ColumnSums sums) {
  const hn::ScalableTag<double> d;
  for_each_vector(d, rows.cols, [&](std::size_t column, auto lanes) HWY_ATTR {
    CompensatedSum sum(d);
    const auto pivot = lanes.load(d, pivots + column);
    const auto factor = lanes.load(d, factors + column);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      const auto x = load_doubles(d, lanes, rows.data + r * rows.stride + column);
      const auto distance = hn::Mul(hn::Sub(x, pivot), factor);
      sum.add(hn::Mul(distance, distance));
    }
    sum.store(d, lanes, sums, column);
  });
}

void sum_columns_f32(MatrixView<const float> rows, ColumnSums sums, double* min, double* max) {
  sum_columns_any(rows, sums, min, max);
}
void sum_columns_f64(MatrixView<const double> rows, ColumnSums sums, double* min, double* max) {
  sum_columns_any(rows, sums, min, max);
}
void sum_squares_f32(MatrixView<const float> rows, const double* pivot, const double* factor, ColumnSums sums) {
  sum_squares_any(rows, pivot, factor, sums);
}
void sum_squares_f64(MatrixView<const double> rows, const double* pivot, const double* factor, ColumnSums sums) {
  sum_squares_any(rows, pivot, factor, sums);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(sum_columns_f32);
HWY_EXPORT(sum_columns_f64);
HWY_EXPORT(sum_squares_f32);
HWY_EXPORT(sum_squares_f64);

template <>
void sum_columns(MatrixView<const float> rows, ColumnSums sums, double* min, double* max) {
  HWY_DYNAMIC_DISPATCH(sum_columns_f32)(rows, sums, min, max);
}
template <>
void sum_columns(MatrixView<const double> rows, ColumnSums sums, double* min, double* max) {
  HWY_DYNAMIC_DISPATCH(sum_columns_f64)(rows, sums, min, max);
}
template <>
void sum_column_squares(MatrixView<const float> rows, const double* pivot, const double* factor, ColumnSums sums) {
  HWY_DYNAMIC_DISPATCH(sum_squares_f32)(rows, pivot, factor, sums);
}
template <>
void sum_column_squares(MatrixView<const double> rows, const double* pivot, const double* factor, ColumnSums sums) {
  HWY_DYNAMIC_DISPATCH(sum_squares_f64)(rows, pivot, factor, sums);
}

}  // namespace gradloom
#endif
