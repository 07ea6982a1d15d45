// Products of narrow layers. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/narrow_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <algorithm>

#include "engine/linalg/narrow.hpp"
#include "engine/linalg/product_tile-inl.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

// Scalar products that are kept in registers at once.
constexpr std::size_t kDotRows = HWY_TARGET <= HWY_AVX3 ? 4 : HWY_TARGET <= HWY_AVX2 ? 2 : 1;
constexpr std::size_t kDotCols = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

/// C <- A B (+ start, one value a row). A (c.rows, b.rows), B (b.rows, c.cols).
template <class T>
void product_any(Scalars<T> a, MatrixView<const T> b, const T* start, MatrixView<T> c) {
  const hn::ScalableTag<T> d;
  const std::size_t width = hn::Lanes(d);
  for (std::size_t left = c.cols / width; left > 0;) {
    const std::size_t vectors = std::min(left, kTileVectors);
    with_vectors(vectors, [&](auto count) HWY_ATTR {
      for_each_row_group(c.rows, [&](std::size_t first, auto rows) HWY_ATTR {
        const auto first_sums = [&](std::size_t m, std::size_t)
                                    HWY_ATTR { return start == nullptr ? hn::Zero(d) : hn::Set(d, start[first + m]); };
        product_tile<decltype(rows)::value, decltype(count)::value>(d, {a.data + first * a.by_row, a.by_row, a.by_col},
                                                                    {b.data, b.stride}, b.rows, first_sums,
                                                                    {c.data + first * c.stride, c.stride});
      });
    });
    left -= vectors;
    b.data += vectors * width;
    c.data += vectors * width;
  }
}

/// Sums of neighbouring lanes of a, then of b; of vectors of one lane, their sum.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sums_of_pairs([[maybe_unused]] D d, V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Add(a, b);
#else
  return hn::Add(hn::ConcatEven(d, b, a), hn::ConcatOdd(d, b, a));
#endif
}

/// Adds neighbours among the lanes of kCount vectors until each run of kRun lanes is one sum; the sums stand one after
/// the other from the first lane of the first vector on.
template <std::size_t kRun, std::size_t kCount, class D, class V = hn::Vec<D>>
HWY_INLINE void sum_runs(D d, V* v) {
  if constexpr (kRun > 1) {
    constexpr std::size_t kLeft = kCount > 1 ? kCount / 2 : 1;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kLeft; ++i) v[i] = sums_of_pairs(d, v[2 * i], v[kCount > 1 ? 2 * i + 1 : 2 * i]);
    sum_runs<kRun / 2, kLeft>(d, v);
  }
}

/// Scalar products of kDotRows rows of one matrix with kDotCols of another, each (n), n a multiple of kNarrowMultiple,
/// to dots (kDotRows, kDotCols). Each is kept as the sums of 64 bytes of lanes, whatever a vector's size, so that
/// their order is the same with any of them.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void dot_block(D d, const T* const (&a)[kDotRows], const T* const (&b)[kDotCols], std::size_t n, T* dots) {
  constexpr std::size_t kRun = 64 / sizeof(T);
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  constexpr std::size_t kParts = kRun / kLanes;
  constexpr std::size_t kSums = kDotRows * kDotCols * kParts;
  hn::Vec<D> sums[kSums];
#pragma GCC unroll 16
  for (auto& sum : sums) sum = hn::Zero(d);
  for (std::size_t k = 0; k < n; k += kRun)
#pragma GCC unroll 4
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::Vec<D> right[kDotCols];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < kDotCols; ++j) right[j] = hn::LoadU(d, b[j] + k + part * kLanes);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < kDotRows; ++i) {
        const auto left = hn::LoadU(d, a[i] + k + part * kLanes);
#pragma GCC unroll 4
        for (std::size_t j = 0; j < kDotCols; ++j) {
          auto& sum = sums[(i * kDotCols + j) * kParts + part];
          sum = hn::MulAdd(left, right[j], sum);
        }
      }
    }
  sum_runs<kRun, kSums>(d, sums);
#pragma GCC unroll 16
  for (std::size_t i = 0; i * kLanes < kDotRows * kDotCols; ++i) hn::StoreU(sums[i], d, dots + i * kLanes);
}

/// kCount rows of m from `first` on; behind the last one it is repeated.
template <std::size_t kCount, class T>
HWY_INLINE void row_pointers(MatrixView<const T> m, std::size_t first, const T* (&rows)[kCount]) {
  for (std::size_t i = 0; i < kCount; ++i) rows[i] = m.data + std::min(first + i, m.rows - 1) * m.stride;
}

template <class T>
void gradient_any(MatrixView<const T> dz, MatrixView<const T> a, MatrixView<T> dw, T* db) {
  const hn::ScalableTag<T> d;
  HWY_ALIGN T dots[kDotRows * kDotCols + hn::MaxLanes(d)];
  const T* left[kDotRows];
  const T* right[kDotCols];
  for (std::size_t m = 0; m < dz.rows; m += kDotRows) {
    row_pointers(dz, m, left);
    const std::size_t rows = std::min(kDotRows, dz.rows - m);
    for (std::size_t n = 0; n < a.rows; n += kDotCols) {
      row_pointers(a, n, right);
      dot_block(d, left, right, dz.cols, dots);
      if (n + kDotCols < a.rows) {  // all of them weights
        for (std::size_t i = 0; i < rows; ++i) std::memcpy(&dw(m + i, n), dots + i * kDotCols, kDotCols * sizeof(T));
        continue;
      }
      const std::size_t weights = a.rows - 1 - n;
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < weights; ++j) dw(m + i, n + j) = dots[i * kDotCols + j];
        db[m + i] = dots[i * kDotCols + weights];
      }
    }
  }
}

void product_f32(const float* a, std::size_t by_row, std::size_t by_col, MatrixView<const float> b, const float* start,
                 MatrixView<float> c) {
  product_any<float>({a, by_row, by_col}, b, start, c);
}
void product_f64(const double* a, std::size_t by_row, std::size_t by_col, MatrixView<const double> b,
                 const double* start, MatrixView<double> c) {
  product_any<double>({a, by_row, by_col}, b, start, c);
}
void gradient_f32(MatrixView<const float> dz, MatrixView<const float> a, MatrixView<float> dw, float* db) {
  gradient_any(dz, a, dw, db);
}
void gradient_f64(MatrixView<const double> dz, MatrixView<const double> a, MatrixView<double> dw, double* db) {
  gradient_any(dz, a, dw, db);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(product_f32);
HWY_EXPORT(product_f64);
HWY_EXPORT(gradient_f32);
HWY_EXPORT(gradient_f64);

template <>
void narrow_forward(MatrixView<const float> w, const float* bias, MatrixView<const float> a, MatrixView<float> z) {
  HWY_DYNAMIC_DISPATCH(product_f32)(w.data, w.stride, 1, a, bias, z);
}
template <>
void narrow_forward(MatrixView<const double> w, const double* bias, MatrixView<const double> a, MatrixView<double> z) {
  HWY_DYNAMIC_DISPATCH(product_f64)(w.data, w.stride, 1, a, bias, z);
}
template <>
void narrow_backward(MatrixView<const float> w, MatrixView<const float> dz, MatrixView<float> da) {
  HWY_DYNAMIC_DISPATCH(product_f32)(w.data, 1, w.stride, dz, nullptr, da);
}
template <>
void narrow_backward(MatrixView<const double> w, MatrixView<const double> dz, MatrixView<double> da) {
  HWY_DYNAMIC_DISPATCH(product_f64)(w.data, 1, w.stride, dz, nullptr, da);
}
template <>
void narrow_gradient(MatrixView<const float> dz, MatrixView<const float> a, MatrixView<float> dw, float* db) {
  HWY_DYNAMIC_DISPATCH(gradient_f32)(dz, a, dw, db);
}
template <>
void narrow_gradient(MatrixView<const double> dz, MatrixView<const double> a, MatrixView<double> dw, double* db) {
  HWY_DYNAMIC_DISPATCH(gradient_f64)(dz, a, dw, db);
}

}  // namespace gradloom
#endif
