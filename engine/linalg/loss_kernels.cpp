// The exponentials of the cross-entropies. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/loss_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/activations-inl.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void exponentials_any(const T* z, T* e, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(
      d, n, [&](std::size_t i, auto lanes) HWY_ATTR { lanes.store(exp_of_small(d, lanes.load(d, z + i)), d, e + i); });
}

template <class T>
void logistic_any(const T* z, T* p, T* rest, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto logit = lanes.load(d, z + i);
    lanes.store(log1p_of_positive(d, exp_of_small(d, hn::Neg(hn::Abs(logit)))), d, rest + i);
    lanes.store(sigmoid_of(d, logit), d, p + i);
  });
}

void exponentials_f32(const float* z, float* e, std::size_t n) { exponentials_any(z, e, n); }
void exponentials_f64(const double* z, double* e, std::size_t n) { exponentials_any(z, e, n); }
void logistic_f32(const float* z, float* p, float* rest, std::size_t n) { logistic_any(z, p, rest, n); }
void logistic_f64(const double* z, double* p, double* rest, std::size_t n) { logistic_any(z, p, rest, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(exponentials_f32);
HWY_EXPORT(exponentials_f64);
HWY_EXPORT(logistic_f32);
HWY_EXPORT(logistic_f64);

template <>
void exponentials(const float* z, float* e, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(exponentials_f32)(z, e, n);
}
template <>
void exponentials(const double* z, double* e, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(exponentials_f64)(z, e, n);
}
template <>
void logistic(const float* z, float* p, float* rest, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(logistic_f32)(z, p, rest, n);
}
template <>
void logistic(const double* z, double* p, double* rest, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(logistic_f64)(z, p, rest, n);
}

}  // namespace gradloom
#endif
