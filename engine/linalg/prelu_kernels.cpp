// Passes through prelu. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/prelu_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <algorithm>

#include "engine/linalg/prelu.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class T>
struct OneSlope {
  T value;
  template <class D, class Access>
  HWY_INLINE hn::Vec<D> at(D d, std::size_t, Access) const {
    return hn::Set(d, value);
  }
};

template <class T>
struct SlopeOfEach {
  const T* values;
  template <class D, class Access>
  HWY_INLINE hn::Vec<D> at(D d, std::size_t column, Access lanes) const {
    return lanes.load(d, values + column);
  }
};

/// Calls body with the functor of these slopes.
template <class T, class Body>
HWY_INLINE void with_slopes(ColumnSlopes<T> a, const Body& body) {
  if (a.shared)
    body(OneSlope<T>{*a.values});
  else
    body(SlopeOfEach<T>{a.values});
}

template <class D>
HWY_INLINE hn::Vec<D> as_double(D, hn::Vec<D> v) {
  return v;
}

template <class D>
HWY_INLINE hn::Vec<D> as_double(D d, hn::Vec<hn::Rebind<float, D>> v) {
  return hn::PromoteTo(d, v);
}

template <class T>
void activate_any(ColumnSlopes<T> a, MatrixView<const T> z, MatrixView<T> y) {
  const hn::ScalableTag<T> d;
  with_slopes(a, [&](auto slope) HWY_ATTR {
    for (std::size_t r = 0; r < z.rows; ++r) {
      const T* from = z.data + r * z.stride;
      T* to = y.data + r * y.stride;
      for_each_vector(d, z.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
        const auto x = lanes.load(d, from + c);
        const auto bent = hn::Mul(slope.at(d, c, lanes), x);
        lanes.store(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, bent), d, to + c);
      });
    }
  });
}

template <class T>
void differentiate_any(ColumnSlopes<T> a, MatrixView<const T> z, MatrixView<T> delta, double* sums) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<T, decltype(wide)> d;
  std::fill_n(sums, z.cols, 0.0);
  with_slopes(a, [&](auto slope) HWY_ATTR {
    for (std::size_t r = 0; r < z.rows; ++r) {
      const T* from = z.data + r * z.stride;
      T* to = delta.data + r * delta.stride;
      for_each_vector(wide, z.cols, [&](std::size_t c, auto lanes) HWY_ATTR {
        const auto x = lanes.load(d, from + c), dy = lanes.load(d, to + c);
        const auto wide_x = as_double(wide, x);
        const auto product = hn::Mul(wide_x, as_double(wide, dy));
        // Not min(0, z) * delta: that would be NaN where z > 0 and delta is Inf.
        const auto term = hn::IfThenZeroElse(hn::Gt(wide_x, hn::Zero(wide)), product);
        lanes.store(hn::Add(lanes.load(wide, sums + c), term), wide, sums + c);
        const auto bent = hn::Mul(slope.at(d, c, lanes), dy);
        lanes.store(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, bent), d, to + c);
      });
    }
  });
}

void activate_f32(ColumnSlopes<float> a, MatrixView<const float> z, MatrixView<float> y) { activate_any(a, z, y); }
void activate_f64(ColumnSlopes<double> a, MatrixView<const double> z, MatrixView<double> y) { activate_any(a, z, y); }
void derive_f32(ColumnSlopes<float> a, MatrixView<const float> z, MatrixView<float> delta, double* sums) {
  differentiate_any(a, z, delta, sums);
}
void derive_f64(ColumnSlopes<double> a, MatrixView<const double> z, MatrixView<double> delta, double* sums) {
  differentiate_any(a, z, delta, sums);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(activate_f32);
HWY_EXPORT(activate_f64);
HWY_EXPORT(derive_f32);
HWY_EXPORT(derive_f64);

template <>
void activate_prelu(ColumnSlopes<float> a, MatrixView<const float> z, MatrixView<float> y) {
  HWY_DYNAMIC_DISPATCH(activate_f32)(a, z, y);
}
template <>
void activate_prelu(ColumnSlopes<double> a, MatrixView<const double> z, MatrixView<double> y) {
  HWY_DYNAMIC_DISPATCH(activate_f64)(a, z, y);
}
template <>
void differentiate_prelu(ColumnSlopes<float> a, MatrixView<const float> z, MatrixView<float> delta, double* sums) {
  HWY_DYNAMIC_DISPATCH(derive_f32)(a, z, delta, sums);
}
template <>
void differentiate_prelu(ColumnSlopes<double> a, MatrixView<const double> z, MatrixView<double> delta, double* sums) {
  HWY_DYNAMIC_DISPATCH(derive_f64)(a, z, delta, sums);
}

}  // namespace gradloom
#endif
