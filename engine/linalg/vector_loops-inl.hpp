// Loops over rows of vectors, compiled once for each instruction set: include after hwy/foreach_target.h only.
#if defined(GRADLOOM_VECTOR_LOOPS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_VECTOR_LOOPS_INL_HPP
#undef GRADLOOM_VECTOR_LOOPS_INL_HPP
#else
#define GRADLOOM_VECTOR_LOOPS_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstring>

#include "gradloom/matrix.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Masked memory operations leave the masked-off lanes' memory alone. Highway does not promise it for AVX2, because of
// 8- and 16-bit lanes; for float and double they are VMASKMOV.
#undef GRADLOOM_MASKED_MEMORY  // this header is read once for each target
#if HWY_TARGET == HWY_AVX2 || !HWY_MEM_OPS_MIGHT_FAULT
#define GRADLOOM_MASKED_MEMORY 1
#else
#define GRADLOOM_MASKED_MEMORY 0
#endif

/// The first n < Lanes(d) lanes from memory, zeros behind them.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_first(D d, const T* from, std::size_t n) {
#if GRADLOOM_MASKED_MEMORY
  return hn::MaskedLoad(hn::FirstN(d, n), d, from);
#else
  HWY_ALIGN T padded[hn::MaxLanes(d)] = {};
  std::memcpy(padded, from, n * sizeof(T));
  return hn::Load(d, padded);
#endif
}

/// Stores the first n < Lanes(d) lanes; touches no memory behind them.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_first(hn::Vec<D> v, D d, T* to, std::size_t n) {
#if GRADLOOM_MASKED_MEMORY
  hn::BlendedStore(v, hn::FirstN(d, n), d, to);
#else
  HWY_ALIGN T padded[hn::MaxLanes(d)];
  hn::Store(v, d, padded);
  std::memcpy(to, padded, n * sizeof(T));
#endif
}

/// Memory access of a whole vector.
struct WholeVector {
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* from) const {
    return hn::LoadU(d, from);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* to) const {
    hn::StoreU(v, d, to);
  }
};

/// Memory access of the last n lanes of a row, with the same interface.
struct FirstLanes {
  std::size_t n;
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE hn::Vec<D> load(D d, const T* from) const {
    return load_first(d, from, n);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE void store(hn::Vec<D> v, D d, T* to) const {
    store_first(v, d, to, n);
  }
};

/// Calls body(i, lanes) for each vector of n elements. The tail goes through the same vector operations as all the
/// rest, so an element's bits do not depend on where it stands.
template <class D, class Body>
HWY_INLINE void for_each_vector(D d, std::size_t n, const Body& body) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, WholeVector{});
  if (i < n) body(i, FirstLanes{n - i});
}

template <class A, class B>
HWY_INLINE bool one_block(const MatrixView<A>& a, const MatrixView<B>& b) {
  return a.stride == a.cols && b.stride == b.cols;
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
