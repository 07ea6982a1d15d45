// Forward and backward through activations. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/activation_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/linalg/activations-inl.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class F, class T>
void add_bias_and_activate_rows(F f, MatrixView<T> z, const T* bias, MatrixView<T> a) {
  const hn::ScalableTag<T> d;
  for (std::size_t r = 0; r < z.rows; ++r) {
    T* z_row = z.data + r * z.stride;
    T* a_row = a.data + r * a.stride;
    for_each_vector(d, z.cols, [&](std::size_t i, auto lanes) HWY_ATTR {
      const auto sum = hn::Add(lanes.load(d, z_row + i), lanes.load(d, bias + i));
      lanes.store(sum, d, z_row + i);
      lanes.store(f.value(d, sum), d, a_row + i);
    });
  }
}

/// The widest row that add_bias_and_activate_block takes.
constexpr std::size_t kBlockCols = 64;

/// Repeats the first `period` elements of `pattern` until there are n.
template <class T>
void repeat(T* pattern, std::size_t period, std::size_t n) {
  for (std::size_t known = period; known < n; known *= 2)
    std::memcpy(pattern + known, pattern, std::min(known, n - known) * sizeof(T));
}

/// Rows without gaps, taken as one run of elements. Row by row, the masked tail of a narrow row would waste lanes, and
/// its store would stall the next row's load. As many rows as a vector has lanes hold a whole number of vectors: the
/// biases repeat after them.
template <class F, class T>
void add_bias_and_activate_block(F f, MatrixView<T> z, const T* bias, T* a) {
  const hn::ScalableTag<T> d;
  HWY_ALIGN T pattern[kBlockCols * hn::MaxLanes(d)];
  const std::size_t period = std::min(z.rows, hn::Lanes(d)) * z.cols;
  std::memcpy(pattern, bias, z.cols * sizeof(T));
  repeat(pattern, z.cols, period);
  std::size_t at = 0;
  for_each_vector(d, z.rows * z.cols, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto sum = hn::Add(lanes.load(d, z.data + i), lanes.load(d, pattern + at));
    lanes.store(sum, d, z.data + i);
    lanes.store(f.value(d, sum), d, a + i);
    at += hn::Lanes(d);
    if (at == period) at = 0;
  });
}

template <class T>
void add_bias_and_activate_any(Activation f, MatrixView<T> z, const T* bias, MatrixView<T> a) {
  const hn::ScalableTag<T> d;
  const bool as_block = one_block(z, a) && z.cols <= kBlockCols && z.cols % hn::Lanes(d) != 0;
  with_activation(f, [&](auto functor) HWY_ATTR {
    if (as_block)
      add_bias_and_activate_block(functor, z, bias, a.data);
    else
      add_bias_and_activate_rows(functor, z, bias, a);
  });
}

template <class T>
void activate_any(Activation f, MatrixView<T> z, MatrixView<T> a) {
  const hn::ScalableTag<T> d;
  with_activation(f, [&](auto functor) HWY_ATTR {
    const auto run = [&](const T* from, T* to, std::size_t n) HWY_ATTR {
      for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
        lanes.store(functor.value(d, lanes.load(d, from + i)), d, to + i);
      });
    };
    if (one_block(z, a)) return run(z.data, a.data, z.rows * z.cols);
    for (std::size_t r = 0; r < z.rows; ++r) run(z.data + r * z.stride, a.data + r * a.stride, z.cols);
  });
}

template <class F, class T>
void multiply_block(F f, const T* from, T* delta, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto slope = f.derivative(d, lanes.load(d, from + i));
    lanes.store(hn::Mul(lanes.load(d, delta + i), slope), d, delta + i);
  });
}

template <class T>
void multiply_by_derivative_any(Activation f, MatrixView<const T> from, MatrixView<T> delta) {
  with_activation(f, [&](auto functor) HWY_ATTR {
    if (one_block(from, delta)) return multiply_block(functor, from.data, delta.data, delta.rows * delta.cols);
    for (std::size_t r = 0; r < delta.rows; ++r)
      multiply_block(functor, from.data + r * from.stride, delta.data + r * delta.stride, delta.cols);
  });
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }
void biased_f32(Activation f, MatrixView<float> z, const float* bias, MatrixView<float> a) {
  add_bias_and_activate_any(f, z, bias, a);
}
void activate_f32(Activation f, MatrixView<float> z, MatrixView<float> a) { activate_any(f, z, a); }
void activate_f64(Activation f, MatrixView<double> z, MatrixView<double> a) { activate_any(f, z, a); }
void biased_f64(Activation f, MatrixView<double> z, const double* bias, MatrixView<double> a) {
  add_bias_and_activate_any(f, z, bias, a);
}
void derive_f32(Activation f, MatrixView<const float> from, MatrixView<float> delta) {
  multiply_by_derivative_any(f, from, delta);
}
void derive_f64(Activation f, MatrixView<const double> from, MatrixView<double> delta) {
  multiply_by_derivative_any(f, from, delta);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(target_name);
HWY_EXPORT(activate_f32);
HWY_EXPORT(activate_f64);
HWY_EXPORT(biased_f32);
HWY_EXPORT(biased_f64);
HWY_EXPORT(derive_f32);
HWY_EXPORT(derive_f64);

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

bool has_fused_multiply_add() { return std::string_view(instruction_set()).starts_with("AVX"); }

bool needs_preactivation(Activation f) {  // those that are not monotone, or need not be
  return f == Activation::kGelu || f == Activation::kSilu || f == Activation::kMish || f == Activation::kHardswish ||
         f == Activation::kPrelu;
}

template <>
void add_bias_and_activate(Activation f, MatrixView<float> z, const float* bias, MatrixView<float> a) {
  HWY_DYNAMIC_DISPATCH(biased_f32)(f, z, bias, a);
}
template <>
void add_bias_and_activate(Activation f, MatrixView<double> z, const double* bias, MatrixView<double> a) {
  HWY_DYNAMIC_DISPATCH(biased_f64)(f, z, bias, a);
}
template <>
void activate(Activation f, MatrixView<float> z, MatrixView<float> a) {
  if (f != Activation::kLinear || z.data != a.data) HWY_DYNAMIC_DISPATCH(activate_f32)(f, z, a);
}
template <>
void activate(Activation f, MatrixView<double> z, MatrixView<double> a) {
  if (f != Activation::kLinear || z.data != a.data) HWY_DYNAMIC_DISPATCH(activate_f64)(f, z, a);
}
template <>
void multiply_by_derivative(Activation f, MatrixView<const float> z, MatrixView<const float> a,
                            MatrixView<float> delta) {
  HWY_DYNAMIC_DISPATCH(derive_f32)(f, needs_preactivation(f) ? z : a, delta);
}
template <>
void multiply_by_derivative(Activation f, MatrixView<const double> z, MatrixView<const double> a,
                            MatrixView<double> delta) {
  HWY_DYNAMIC_DISPATCH(derive_f64)(f, needs_preactivation(f) ? z : a, delta);
}

}  // namespace gradloom
#endif
