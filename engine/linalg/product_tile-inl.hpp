// The inner loop of matrix products, compiled once for each instruction set: include after hwy/foreach_target.h only.
#if defined(GRADLOOM_PRODUCT_TILE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_PRODUCT_TILE_INL_HPP
#undef GRADLOOM_PRODUCT_TILE_INL_HPP
#else
#define GRADLOOM_PRODUCT_TILE_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The largest tile of C that is kept in registers: of 32, or of 16.
constexpr std::size_t kTileRows = 6;
constexpr std::size_t kTileVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

/// A matrix whose elements are read one by one: element (m, k) stands at data[m * by_row + k * by_col].
template <class T>
struct Scalars {
  const T* data;
  std::size_t by_row, by_col;
};

/// `rows` consecutive rows, `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  std::size_t stride;
};

/// C <- start + A B for kRows rows and kVectors vectors of columns, B having `depth` rows: every element is start + a0
/// b0 + a1 b1 + ... in this order, fused where the instruction set can, so that its bits do not depend on where tiles
/// begin. start(m, v) gives a vector; saw(k, v, row) is told each vector of B.
template <std::size_t kRows, std::size_t kVectors, class D, class Start, class Saw, class T = hn::TFromD<D>>
HWY_INLINE void product_tile(D d, Scalars<T> a, Rows<const T> b, std::size_t depth, const Start& start, const Saw& saw,
                             Rows<T> c) {
  const std::size_t width = hn::Lanes(d);
  hn::Vec<D> sums[kRows][kVectors];
#pragma GCC unroll 8
  for (std::size_t m = 0; m < kRows; ++m)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) sums[m][v] = start(m, v);
  for (std::size_t k = 0; k < depth; ++k) {
    hn::Vec<D> row[kVectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = hn::LoadU(d, b.data + k * b.stride + v * width);
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) saw(k, v, row[v]);
#pragma GCC unroll 8
    for (std::size_t m = 0; m < kRows; ++m) {
      const auto factor = hn::Set(d, a.data[m * a.by_row + k * a.by_col]);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVectors; ++v) sums[m][v] = hn::MulAdd(factor, row[v], sums[m][v]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t m = 0; m < kRows; ++m)
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[m][v], d, c.data + m * c.stride + v * width);
}

/// The same, and nobody looks on.
template <std::size_t kRows, std::size_t kVectors, class D, class Start, class T = hn::TFromD<D>>
HWY_INLINE void product_tile(D d, Scalars<T> a, Rows<const T> b, std::size_t depth, const Start& start, Rows<T> c) {
  product_tile<kRows, kVectors>(
      d, a, b, depth, start, [](std::size_t, std::size_t, hn::Vec<D>) HWY_ATTR {}, c);
}

/// Calls tile(first, std::integral_constant<rows>) for groups of at most kTileRows rows, as even as can be.
template <class Tile>
HWY_INLINE void for_each_row_group(std::size_t rows, const Tile& tile) {
  static_assert(kTileRows == 6);
  for (std::size_t first = 0; first < rows;) {
    const std::size_t groups = (rows - first + kTileRows - 1) / kTileRows;
    const std::size_t now = (rows - first + groups - 1) / groups;
    switch (now) {
      case 1:
        tile(first, std::integral_constant<std::size_t, 1>{});
        break;
      case 2:
        tile(first, std::integral_constant<std::size_t, 2>{});
        break;
      case 3:
        tile(first, std::integral_constant<std::size_t, 3>{});
        break;
      case 4:
        tile(first, std::integral_constant<std::size_t, 4>{});
        break;
      case 5:
        tile(first, std::integral_constant<std::size_t, 5>{});
        break;
      default:
        tile(first, std::integral_constant<std::size_t, 6>{});
    }
    first += now;
  }
}

/// Calls body(std::integral_constant<vectors>), 1 <= vectors <= kTileVectors.
template <class Body>
HWY_INLINE void with_vectors(std::size_t vectors, const Body& body) {
  if constexpr (kTileVectors > 2) {
    if (vectors == 4) return body(std::integral_constant<std::size_t, 4>{});
    if (vectors == 3) return body(std::integral_constant<std::size_t, 3>{});
  }
  if (vectors == 2) return body(std::integral_constant<std::size_t, 2>{});
  body(std::integral_constant<std::size_t, 1>{});
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
