// Sums in float64 whose order does not hang on the vector's width, compiled once for each instruction set: include
// after hwy/foreach_target.h only.
#if defined(GRADLOOM_BLOCK_SUMS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_BLOCK_SUMS_INL_HPP
#undef GRADLOOM_BLOCK_SUMS_INL_HPP
#else
#define GRADLOOM_BLOCK_SUMS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {

/// Elements that are taken at once; element i is added to sum i % kBlock whatever the vector's width is.
constexpr std::size_t kBlock = 16;

/// Memory access of a whole block of elements.
struct WholeBlock {
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* block, std::size_t i) const {
    return hn::LoadU(d, block + i);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* block, std::size_t i) const {
    hn::StoreU(v, d, block + i);
  }
  /// `other` from the block's end on.
  template <class D>
  HWY_INLINE hn::Vec<D> or_behind(D, hn::Vec<D> v, hn::Vec<D>, std::size_t) const {
    return v;
  }
};

/// Memory access of the first n elements of a block, with the same interface: zeros behind them.
struct FirstOfBlock {
  std::size_t n;
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* block, std::size_t i) const {
    return i < n ? load_first(d, block + i, left(d, i)) : hn::Zero(d);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* block, std::size_t i) const {
    if (i < n) store_first(v, d, block + i, left(d, i));
  }
  template <class D>
  HWY_INLINE hn::Vec<D> or_behind(D d, hn::Vec<D> v, hn::Vec<D> other, std::size_t i) const {
    return i < n ? hn::IfThenElse(hn::FirstN(d, left(d, i)), v, other) : other;
  }

 private:
  template <class D>
  HWY_INLINE std::size_t left(D d, std::size_t i) const {
    return std::min(n - i, hn::Lanes(d));
  }
};

/// Calls body(first, elements) for each block of n elements.
template <class Body>
HWY_INLINE void for_each_block(std::size_t n, const Body& body) {
  std::size_t first = 0;
  for (; first + kBlock <= n; first += kBlock) body(first, WholeBlock{});
  if (first < n) body(first, FirstOfBlock{n - first});
}

/// kBlock float64 sums, side by side.
class BlockSums {
 public:
  using D = hn::ScalableTag<double>;
  using V = hn::Vec<D>;

  HWY_INLINE BlockSums() {
    for (V& sum : sums_) sum = hn::Zero(D());
  }

  /// Adds term(i) for each vector of a block, where i is the number of its first element.
  template <class Term>
  HWY_INLINE void add(const Term& term) {
    for (std::size_t v = 0; v < kVectors; ++v) sums_[v] = hn::Add(sums_[v], term(v * hn::Lanes(D())));
  }

  /// The upper half is added to the lower one until one number is left.
  [[nodiscard]] HWY_INLINE double total() {
    for (std::size_t half = kVectors / 2; half > 0; half /= 2)
      for (std::size_t v = 0; v < half; ++v) sums_[v] = hn::Add(sums_[v], sums_[v + half]);
    return total_of(D(), sums_[0]);
  }

 private:
#if HWY_TARGET == HWY_SCALAR  // which has no halves
  static HWY_INLINE double total_of(D, V v) { return hn::GetLane(v); }
#else
  template <class Part>
  static HWY_INLINE double total_of(Part, hn::Vec<Part> v) {
    if constexpr (hn::MaxLanes(Part()) == 1) {
      return hn::GetLane(v);
    } else {
      const hn::Half<Part> half;
      return total_of(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
  }
#endif

  static constexpr std::size_t kVectors = kBlock / hn::MaxLanes(D());
  V sums_[kVectors];
};

/// Elements of a block as float64.
template <class Access, class T>
HWY_INLINE BlockSums::V load_double(Access elements, const T* block, std::size_t i) {
  const BlockSums::D d;
  if constexpr (std::is_same_v<T, double>)
    return elements.load(d, block, i);
  else
    return hn::PromoteTo(d, elements.load(hn::Rebind<T, BlockSums::D>(), block, i));
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
