// The moving average of parameters. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/average_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/kernels.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void move_average_any(T* average, const T* values, double decay, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto kept = hn::Set(d, static_cast<T>(decay));
  const auto taken = hn::Set(d, static_cast<T>(1 - decay));
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto old = hn::Mul(kept, lanes.load(d, average + i));
    lanes.store(hn::Add(old, hn::Mul(taken, lanes.load(d, values + i))), d, average + i);
  });
}

void move_average_f32(float* average, const float* values, double decay, std::size_t n) {
  move_average_any(average, values, decay, n);
}
void move_average_f64(double* average, const double* values, double decay, std::size_t n) {
  move_average_any(average, values, decay, n);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(move_average_f32);
HWY_EXPORT(move_average_f64);

template <>
void move_average(float* average, const float* values, double decay, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(move_average_f32)(average, values, decay, n);
}
template <>
void move_average(double* average, const double* values, double decay, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(move_average_f64)(average, values, decay, n);
}

}  // namespace gradloom
#endif
