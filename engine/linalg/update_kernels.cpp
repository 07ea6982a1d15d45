// Sums and checks over long runs of numbers. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/update_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/finite_check-inl.hpp"
#include "engine/linalg/kernels.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

/// Columns [c, c + Lanes(d)) or fewer, row after row.
template <class D, class Access, class T>
HWY_INLINE void sum_one_vector(D d, MatrixView<const T> m, std::size_t c, Access lanes, T* out) {
  auto sum = hn::Zero(d);
  for (std::size_t r = 0; r < m.rows; ++r) sum = hn::Add(sum, lanes.load(d, m.data + r * m.stride + c));
  lanes.store(sum, d, out + c);
}

/// Four vectors of columns at once: a cache line or more of every row.
template <class D, class T>
HWY_INLINE void sum_four_vectors(D d, MatrixView<const T> m, std::size_t c, T* out) {
  const std::size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t r = 0; r < m.rows; ++r) {
    const T* row = m.data + r * m.stride + c;
    s0 = hn::Add(s0, hn::LoadU(d, row));
    s1 = hn::Add(s1, hn::LoadU(d, row + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, row + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, row + 3 * lanes));
  }
  hn::StoreU(s0, d, out + c);
  hn::StoreU(s1, d, out + c + lanes);
  hn::StoreU(s2, d, out + c + 2 * lanes);
  hn::StoreU(s3, d, out + c + 3 * lanes);
}

template <class T>
void sum_rows_any(MatrixView<const T> m, T* out) {
  const hn::ScalableTag<T> d;
  const std::size_t block = 4 * hn::Lanes(d);
  std::size_t c = 0;
  for (; c + block <= m.cols; c += block) sum_four_vectors(d, m, c, out);
  for_each_vector(d, m.cols - c, [&](std::size_t i, auto lanes) HWY_ATTR { sum_one_vector(d, m, c + i, lanes, out); });
}

template <class T>
void add_to_any(T* sum, const T* term, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
    lanes.store(hn::Add(lanes.load(d, sum + i), lanes.load(d, term + i)), d, sum + i);
  });
}

template <class T>
bool all_finite_any(const T* values, std::size_t n) {
  const hn::ScalableTag<T> d;
  FiniteCheck check(d);
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR { check.see(lanes.load(d, values + i)); });
  return check.finite();
}

void sum_rows_f32(MatrixView<const float> m, float* out) { sum_rows_any(m, out); }
void sum_rows_f64(MatrixView<const double> m, double* out) { sum_rows_any(m, out); }
void add_to_f32(float* sum, const float* term, std::size_t n) { add_to_any(sum, term, n); }
void add_to_f64(double* sum, const double* term, std::size_t n) { add_to_any(sum, term, n); }
bool all_finite_f32(const float* values, std::size_t n) { return all_finite_any(values, n); }
bool all_finite_f64(const double* values, std::size_t n) { return all_finite_any(values, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(sum_rows_f32);
HWY_EXPORT(sum_rows_f64);
HWY_EXPORT(add_to_f32);
HWY_EXPORT(add_to_f64);
HWY_EXPORT(all_finite_f32);
HWY_EXPORT(all_finite_f64);

template <>
void sum_rows(MatrixView<const float> m, float* out) {
  HWY_DYNAMIC_DISPATCH(sum_rows_f32)(m, out);
}
template <>
void sum_rows(MatrixView<const double> m, double* out) {
  HWY_DYNAMIC_DISPATCH(sum_rows_f64)(m, out);
}
template <>
void add_to(float* sum, const float* term, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(add_to_f32)(sum, term, n);
}
template <>
void add_to(double* sum, const double* term, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(add_to_f64)(sum, term, n);
}
template <>
bool all_finite(const float* values, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(all_finite_f32)(values, n);
}
template <>
bool all_finite(const double* values, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(all_finite_f64)(values, n);
}

}  // namespace gradloom
#endif
