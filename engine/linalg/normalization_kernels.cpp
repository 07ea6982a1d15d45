// Passes of normalizations. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/normalization_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <array>
#include <cmath>

#include "engine/linalg/normalization.hpp"
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

/// Σ term(i) over i < n in float64: number i is added to sum i % kSums.
template <class Term>
HWY_INLINE double sum_of(std::size_t n, const Term& term) {
  constexpr std::size_t kSums = 8;
  std::array<double, kSums> sums{};
  std::size_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += term(i + k);
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += term(i);
  for (std::size_t half = kSums / 2; half > 0; half /= 2)
    for (std::size_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

template <class T>
void column_moments(MatrixView<const T> x, double* mean, double* squares) {
  const hn::ScalableTag<double> d;
  const auto rows = hn::Set(d, static_cast<double>(x.rows));
  for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
    auto sum = hn::Zero(d);
    for (std::size_t r = 0; r < x.rows; ++r) sum = hn::Add(sum, load_doubles(d, lanes, x.data + r * x.stride + c));
    const auto middle = hn::Div(sum, rows);
    auto square_sum = hn::Zero(d);
    for (std::size_t r = 0; r < x.rows; ++r) {
      const auto distance = hn::Sub(load_doubles(d, lanes, x.data + r * x.stride + c), middle);
      square_sum = hn::Add(square_sum, hn::Mul(distance, distance));
    }
    lanes.store(middle, d, mean + c);
    lanes.store(square_sum, d, squares + c);
  });
}

template <class T>
void normalize_columns(MatrixView<const T> x, const T* mean, const T* scale, const T* shift, MatrixView<T> y) {
  const hn::ScalableTag<T> d;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* from = x.data + r * x.stride;
    T* to = y.data + r * y.stride;
    for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
      const auto distance = hn::Sub(lanes.load(d, from + c), lanes.load(d, mean + c));
      lanes.store(hn::Add(hn::Mul(distance, lanes.load(d, scale + c)), lanes.load(d, shift + c)), d, to + c);
    });
  }
}

template <class T>
void sum_column_gradients(MatrixView<const T> dy, MatrixView<const T> x, const T* mean, double* plain,
                          double* by_distance) {
  const hn::ScalableTag<double> d;
  for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
    const auto middle = load_doubles(d, lanes, mean + c);
    auto sum = hn::Zero(d), product_sum = hn::Zero(d);
    for (std::size_t r = 0; r < x.rows; ++r) {
      const auto g = load_doubles(d, lanes, dy.data + r * dy.stride + c);
      const auto distance = hn::Sub(load_doubles(d, lanes, x.data + r * x.stride + c), middle);
      sum = hn::Add(sum, g);
      product_sum = hn::Add(product_sum, hn::Mul(g, distance));
    }
    lanes.store(sum, d, plain + c);
    lanes.store(product_sum, d, by_distance + c);
  });
}

template <class T>
void differentiate_columns(MatrixView<const T> x, const T* mean, const T* scale, const T* offset, const T* slope,
                           MatrixView<T> dy) {
  const hn::ScalableTag<T> d;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* from = x.data + r * x.stride;
    T* delta = dy.data + r * dy.stride;
    for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
      const auto distance = hn::Sub(lanes.load(d, from + c), lanes.load(d, mean + c));
      const auto g = hn::Sub(lanes.load(d, delta + c), lanes.load(d, offset + c));
      const auto inner = hn::Sub(g, hn::Mul(distance, lanes.load(d, slope + c)));
      lanes.store(hn::Mul(lanes.load(d, scale + c), inner), d, delta + c);
    });
  }
}

template <class T>
void row_moments(MatrixView<const T> x, double epsilon, T* mean, T* rate) {
  const auto cols = static_cast<double>(x.cols);
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* row = x.data + r * x.stride;
    const double middle = sum_of(x.cols, [&](std::size_t c) HWY_ATTR { return static_cast<double>(row[c]); }) / cols;
    const double squares = sum_of(x.cols, [&](std::size_t c) HWY_ATTR {
      const double distance = static_cast<double>(row[c]) - middle;
      return distance * distance;
    });
    mean[r] = static_cast<T>(middle);
    rate[r] = static_cast<T>(1 / std::sqrt(squares / cols + epsilon));
  }
}

template <class T>
void normalize_rows(MatrixView<const T> x, const T* mean, const T* rate, const T* scale, const T* shift,
                    MatrixView<T> y) {
  const hn::ScalableTag<T> d;
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* from = x.data + r * x.stride;
    T* to = y.data + r * y.stride;
    const auto middle = hn::Set(d, mean[r]), factor = hn::Set(d, rate[r]);
    for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
      const auto normalized = hn::Mul(hn::Sub(lanes.load(d, from + c), middle), factor);
      lanes.store(hn::Add(hn::Mul(normalized, lanes.load(d, scale + c)), lanes.load(d, shift + c)), d, to + c);
    });
  }
}

template <class T>
void sum_row_gradients(MatrixView<const T> dy, MatrixView<const T> x, const T* mean, const T* rate, double* plain,
                       double* by_normalized) {
  const hn::ScalableTag<double> d;
  for_each_vector(d, x.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
    auto sum = hn::Zero(d), product_sum = hn::Zero(d);
    for (std::size_t r = 0; r < x.rows; ++r) {
      const auto g = load_doubles(d, lanes, dy.data + r * dy.stride + c);
      const auto middle = hn::Set(d, static_cast<double>(mean[r])), factor = hn::Set(d, static_cast<double>(rate[r]));
      const auto distance = hn::Sub(load_doubles(d, lanes, x.data + r * x.stride + c), middle);
      sum = hn::Add(sum, g);
      product_sum = hn::Add(product_sum, hn::Mul(g, hn::Mul(distance, factor)));
    }
    lanes.store(sum, d, plain + c);
    lanes.store(product_sum, d, by_normalized + c);
  });
}

template <class T>
void differentiate_rows(MatrixView<const T> x, const T* mean, const T* rate, const T* scale, MatrixView<T> dy) {
  const auto cols = static_cast<double>(x.cols);
  for (std::size_t r = 0; r < x.rows; ++r) {
    const T* row = x.data + r * x.stride;
    T* delta = dy.data + r * dy.stride;
    const double middle = mean[r], factor = rate[r];
    const auto scaled = [&](std::size_t c) HWY_ATTR { return static_cast<double>(delta[c]) * scale[c]; };
    const auto normalized = [&](std::size_t c) HWY_ATTR { return (static_cast<double>(row[c]) - middle) * factor; };
    const double offset = sum_of(x.cols, scaled) / cols;
    const double slope = sum_of(x.cols, [&](std::size_t c) HWY_ATTR { return scaled(c) * normalized(c); }) / cols;
    for (std::size_t c = 0; c < x.cols; ++c)
      delta[c] = static_cast<T>(factor * (scaled(c) - offset - normalized(c) * slope));
  }
}

template <class T>
NormalizationKernels<T> kernels_of() {
  return {column_moments<T>, normalize_columns<T>, sum_column_gradients<T>, differentiate_columns<T>,
          row_moments<T>,    normalize_rows<T>,    sum_row_gradients<T>,    differentiate_rows<T>};
}

NormalizationKernels<float> kernels_f32() { return kernels_of<float>(); }
NormalizationKernels<double> kernels_f64() { return kernels_of<double>(); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

template <>
NormalizationKernels<float> normalization_kernels() {
  return HWY_DYNAMIC_DISPATCH(kernels_f32)();
}
template <>
NormalizationKernels<double> normalization_kernels() {
  return HWY_DYNAMIC_DISPATCH(kernels_f64)();
}

}  // namespace gradloom
#endif
