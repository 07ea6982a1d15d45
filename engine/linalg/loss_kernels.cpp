// Losses, and the exponentials of categorical cross-entropy. This file is compiled once for each
// instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/loss_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <type_traits>

#include "engine/linalg/block_sums-inl.hpp"
#include "engine/linalg/elementary-inl.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

// Losses of single outputs: `value` in float64, `slope` the derivative by the output. NaN stays NaN in both. Zeros
// behind the end of a block cost nothing, but for the logarithm of LogisticError.

struct SquaredError {
  template <class D, class V>
  static HWY_INLINE V value(D, V output, V y) {
    const V difference = hn::Sub(output, y);
    return hn::Mul(difference, difference);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V output, V y) {
    return hn::Mul(hn::Set(d, 2), hn::Sub(output, y));
  }
};

struct AbsoluteError {
  template <class D, class V>
  static HWY_INLINE V value(D, V output, V y) {
    return hn::Abs(hn::Sub(output, y));
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V output, V y) {  // 0 at 0, as PyTorch's L1Loss
    const V difference = hn::Sub(output, y);
    const auto is_number = hn::Gt(hn::Abs(difference), hn::Zero(d));
    return hn::IfThenElse(is_number, hn::CopySign(hn::Set(d, 1), difference), difference);
  }
};

struct HuberError {  // delta 1
  template <class D, class V>
  static HWY_INLINE V value(D d, V output, V y) {
    const V half = hn::Set(d, 0.5);
    const V distance = hn::Abs(hn::Sub(output, y));
    const V near = hn::Mul(hn::Mul(half, distance), distance);
    return hn::IfThenElse(hn::Gt(distance, hn::Set(d, 1)), hn::Sub(distance, half), near);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V output, V y) {
    return at_most(d, 1, at_least(d, -1, hn::Sub(output, y)));
  }
};

/// Of logits: max(z, 0) - z y + log(1 + e^-|z|), whose derivative is sigmoid(z) - y.
struct LogisticError {
  template <class D, class V>
  static HWY_INLINE V value(D d, V output, V y) {  // but the logarithm
    return hn::Sub(hn::Max(output, hn::Zero(d)), hn::Mul(output, y));
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V output, V y) {
    return hn::Sub(sigmoid_of(d, output), y);
  }
};

/// The same with smoothed labels.
struct SmoothedLogisticError : LogisticError {
  double smoothing;

  template <class D, class V>
  HWY_INLINE V value(D d, V output, V y) const {
    return LogisticError::value(d, output, smoothed(d, y));
  }
  template <class D, class V>
  HWY_INLINE V slope(D d, V output, V y) const {
    return LogisticError::slope(d, output, smoothed(d, y));
  }
  template <class D, class V>
  HWY_INLINE V smoothed(D d, V y) const {
    using T = hn::TFromD<D>;
    return hn::Add(hn::Mul(hn::Set(d, static_cast<T>(1 - smoothing)), y), hn::Set(d, static_cast<T>(smoothing / 2)));
  }
};

// What a block's elements count in the sum, and what their slopes are multiplied by.

/// All rows count alike.
template <class T>
struct EqualRows {
  T scale;

  HWY_INLINE void take(std::size_t, std::size_t) {}
  HWY_INLINE BlockSums::V weigh(BlockSums::V loss, std::size_t) const { return loss; }
  template <class D>
  HWY_INLINE hn::Vec<D> factor(D d, std::size_t) const {
    return hn::Set(d, scale);
  }
};

/// Each row has a weight; `of_row` (rows).
template <class T>
struct WeightedRows {
  const double* of_row;
  double divisor;
  double weights[kBlock] = {};
  T factors[kBlock] = {};

  /// Element i of the block belongs to this row.
  HWY_INLINE void take(std::size_t i, std::size_t row) {
    weights[i] = of_row[row];
    factors[i] = static_cast<T>(of_row[row] / divisor);
  }
  HWY_INLINE BlockSums::V weigh(BlockSums::V loss, std::size_t i) const {
    return hn::Mul(hn::LoadU(BlockSums::D(), weights + i), loss);
  }
  template <class D>
  HWY_INLINE hn::Vec<D> factor(D d, std::size_t i) const {
    return hn::LoadU(d, factors + i);
  }
};

/// The block's losses go into sums, and delta <- factor * slope unless it is null; it may be the same memory as output.
template <class Term, class T, class Access, class Rows>
HWY_INLINE void take_block(Term term, const T* output, const T* y, const Rows& rows, T* delta, Access elements,
                           BlockSums& sums) {
  const hn::ScalableTag<T> d;
  const auto value = [&](std::size_t i) HWY_ATTR {
    return term.value(BlockSums::D(), load_double(elements, output, i), load_double(elements, y, i));
  };
  if constexpr (std::is_base_of_v<LogisticError, Term>) {
    HWY_ALIGN T rest[kBlock];
    for (std::size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
      const auto e = exp_of_small(d, hn::Neg(hn::Abs(elements.load(d, output, i))));
      hn::Store(elements.or_behind(d, log1p_of_positive(d, e), hn::Zero(d), i), d, rest + i);
    }
    sums.add([&](std::size_t i)
                 HWY_ATTR { return rows.weigh(hn::Add(value(i), load_double(WholeBlock{}, rest, i)), i); });
  } else {
    sums.add([&](std::size_t i) HWY_ATTR { return rows.weigh(value(i), i); });
  }
  if (delta == nullptr) return;
  for (std::size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
    const auto slope = term.slope(d, elements.load(d, output, i), elements.load(d, y, i));
    elements.store(hn::Mul(rows.factor(d, i), slope), d, delta, i);
  }
}

template <class Term, class T>
double sum_losses_of_run(Term term, const T* output, const T* y, T scale, T* delta, std::size_t n) {
  BlockSums sums;
  const EqualRows<T> rows{scale};
  for_each_block(n, [&](std::size_t first, auto elements) HWY_ATTR {
    take_block(term, output + first, y + first, rows, delta != nullptr ? delta + first : nullptr, elements, sums);
  });
  return sums.total();
}

/// An element of a matrix, row by row.
struct Place {
  std::size_t row = 0, col = 0;
  HWY_INLINE void advance(std::size_t cols) {
    if (++col < cols) return;
    col = 0;
    ++row;
  }
};

/// Where rows have gaps between them, or weights: block by block, by copies without gaps.
template <class Term, class T, class Rows>
double sum_losses_of_rows(Term term, MatrixView<const T> output, MatrixView<const T> y, Rows rows,
                          MatrixView<T> delta) {
  BlockSums sums;
  Place place;
  for_each_block(output.rows * output.cols, [&](std::size_t first, auto elements) HWY_ATTR {
    const std::size_t n = std::min(kBlock, output.rows * output.cols - first);
    const Place begin = place;
    T outputs[kBlock], targets[kBlock], slopes[kBlock];
    for (std::size_t i = 0; i < n; ++i, place.advance(output.cols)) {
      outputs[i] = output(place.row, place.col);
      targets[i] = y(place.row, place.col);
      rows.take(i, place.row);
    }
    take_block(term, outputs, targets, rows, slopes, elements, sums);
    if (delta.data == nullptr) return;
    place = begin;
    for (std::size_t i = 0; i < n; ++i, place.advance(output.cols)) delta(place.row, place.col) = slopes[i];
  });
  return sums.total();
}

/// Calls body with the functor of a loss of single outputs.
template <class Body>
HWY_INLINE double with_term(Loss loss, double smoothing, const Body& body) {
  switch (loss) {
    case Loss::kMse:
      return body(SquaredError{});
    case Loss::kMae:
      return body(AbsoluteError{});
    case Loss::kHuber:
      return body(HuberError{});
    case Loss::kBinaryCrossEntropy:
      return smoothing == 0 ? body(LogisticError{}) : body(SmoothedLogisticError{{}, smoothing});
    case Loss::kCategoricalCrossEntropy:
      break;
  }
  throw std::logic_error("this loss is no sum over outputs");
}

/// NaN in some places stays; anywhere else it turns up again in e^(z - largest).
template <class T>
HWY_INLINE T largest_of(const T* z, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto least = hn::Neg(hn::Inf(d));
  auto largest = least;
  for_each_block(n, [&](std::size_t first, auto elements) HWY_ATTR {
    for (std::size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
      const auto numbers = elements.load(d, z + first, i);
      largest = hn::Max(largest, elements.or_behind(d, numbers, least, i));
    }
  });
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

template <class T>
Exponentials<T> exponentiate_any(const T* z, T* e, std::size_t n) {
  const hn::ScalableTag<T> d;
  const T largest = largest_of(z, n);
  BlockSums sums;
  for_each_block(n, [&](std::size_t first, auto elements) HWY_ATTR {
    HWY_ALIGN T powers[kBlock];
    for (std::size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
      const auto power = exp_of_small(d, hn::Sub(elements.load(d, z + first, i), hn::Set(d, largest)));
      hn::Store(elements.or_behind(d, power, hn::Zero(d), i), d, powers + i);
      if (e != nullptr) elements.store(power, d, e + first, i);
    }
    sums.add([&](std::size_t i) HWY_ATTR { return load_double(WholeBlock{}, powers, i); });
  });
  return {largest, sums.total()};
}

template <class T>
void sigmoids_any(const T* z, T* p, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(
      d, n, [&](std::size_t i, auto lanes) HWY_ATTR { lanes.store(sigmoid_of(d, lanes.load(d, z + i)), d, p + i); });
}

double sum_run_f32(Loss loss, const float* output, const float* y, float scale, float* delta, std::size_t n,
                   double smoothing) {
  return with_term(loss, smoothing,
                   [&](auto term) HWY_ATTR { return sum_losses_of_run(term, output, y, scale, delta, n); });
}
double sum_rows_f32(Loss loss, MatrixView<const float> output, MatrixView<const float> y, float scale,
                    MatrixView<float> delta, double smoothing) {
  return with_term(loss, smoothing, [&](auto term) HWY_ATTR {
    return sum_losses_of_rows(term, output, y, EqualRows<float>{scale}, delta);
  });
}
double sum_weighted_f32(Loss loss, MatrixView<const float> output, MatrixView<const float> y, const double* weights,
                        double divisor, MatrixView<float> delta, double smoothing) {
  return with_term(loss, smoothing, [&](auto term) HWY_ATTR {
    return sum_losses_of_rows(term, output, y, WeightedRows<float>{weights, divisor}, delta);
  });
}
Exponentials<float> exponentiate_f32(const float* z, float* e, std::size_t n) { return exponentiate_any(z, e, n); }
double sum_run_f64(Loss loss, const double* output, const double* y, double scale, double* delta, std::size_t n,
                   double smoothing) {
  return with_term(loss, smoothing,
                   [&](auto term) HWY_ATTR { return sum_losses_of_run(term, output, y, scale, delta, n); });
}
double sum_rows_f64(Loss loss, MatrixView<const double> output, MatrixView<const double> y, double scale,
                    MatrixView<double> delta, double smoothing) {
  return with_term(loss, smoothing, [&](auto term) HWY_ATTR {
    return sum_losses_of_rows(term, output, y, EqualRows<double>{scale}, delta);
  });
}
double sum_weighted_f64(Loss loss, MatrixView<const double> output, MatrixView<const double> y, const double* weights,
                        double divisor, MatrixView<double> delta, double smoothing) {
  return with_term(loss, smoothing, [&](auto term) HWY_ATTR {
    return sum_losses_of_rows(term, output, y, WeightedRows<double>{weights, divisor}, delta);
  });
}
Exponentials<double> exponentiate_f64(const double* z, double* e, std::size_t n) { return exponentiate_any(z, e, n); }
void sigmoids_f32(const float* z, float* p, std::size_t n) { sigmoids_any(z, p, n); }
void sigmoids_f64(const double* z, double* p, std::size_t n) { sigmoids_any(z, p, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(sum_run_f32);
HWY_EXPORT(sum_run_f64);
HWY_EXPORT(sum_rows_f32);
HWY_EXPORT(sum_weighted_f32);
HWY_EXPORT(sum_rows_f64);
HWY_EXPORT(sum_weighted_f64);
HWY_EXPORT(exponentiate_f32);
HWY_EXPORT(exponentiate_f64);
HWY_EXPORT(sigmoids_f32);
HWY_EXPORT(sigmoids_f64);

namespace {

template <class T>
bool without_gaps(const MatrixView<const T>& output, const MatrixView<const T>& y, const MatrixView<T>& delta) {
  return output.stride == output.cols && y.stride == y.cols && delta.stride == delta.cols;
}

}  // namespace

template <>
double sum_losses(Loss loss, MatrixView<const float> output, MatrixView<const float> y, float scale,
                  MatrixView<float> delta, double label_smoothing) {
  if (without_gaps(output, y, delta))  // numbers and pointers only: a step of a narrow network notices a copy of views
    return HWY_DYNAMIC_DISPATCH(sum_run_f32)(loss, output.data, y.data, scale, delta.data, output.rows * output.cols,
                                             label_smoothing);
  return HWY_DYNAMIC_DISPATCH(sum_rows_f32)(loss, output, y, scale, delta, label_smoothing);
}
template <>
double sum_weighted_losses(Loss loss, MatrixView<const float> output, MatrixView<const float> y, const double* weights,
                           double divisor, MatrixView<float> delta, double label_smoothing) {
  return HWY_DYNAMIC_DISPATCH(sum_weighted_f32)(loss, output, y, weights, divisor, delta, label_smoothing);
}
template <>
Exponentials<float> exponentiate(const float* z, float* e, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(exponentiate_f32)(z, e, n);
}
template <>
void sigmoids(const float* z, float* p, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(sigmoids_f32)(z, p, n);
}
template <>
double sum_losses(Loss loss, MatrixView<const double> output, MatrixView<const double> y, double scale,
                  MatrixView<double> delta, double label_smoothing) {
  if (without_gaps(output, y, delta))  // numbers and pointers only: a step of a narrow network notices a copy of views
    return HWY_DYNAMIC_DISPATCH(sum_run_f64)(loss, output.data, y.data, scale, delta.data, output.rows * output.cols,
                                             label_smoothing);
  return HWY_DYNAMIC_DISPATCH(sum_rows_f64)(loss, output, y, scale, delta, label_smoothing);
}
template <>
double sum_weighted_losses(Loss loss, MatrixView<const double> output, MatrixView<const double> y,
                           const double* weights, double divisor, MatrixView<double> delta, double label_smoothing) {
  return HWY_DYNAMIC_DISPATCH(sum_weighted_f64)(loss, output, y, weights, divisor, delta, label_smoothing);
}
template <>
Exponentials<double> exponentiate(const double* z, double* e, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(exponentiate_f64)(z, e, n);
}
template <>
void sigmoids(const double* z, double* p, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(sigmoids_f64)(z, p, n);
}

}  // namespace gradloom
#endif
