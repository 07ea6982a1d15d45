// Products with packed panels. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/panel_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "engine/core/fetch.hpp"
#include "engine/core/rounding.hpp"
#include "engine/linalg/panels.hpp"
#include "engine/linalg/product_tile-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

static_assert(kTileRows == kProductRows);

// Rows of B that are gone through at once: a panel of them stays in the second-level cache.
constexpr std::size_t kBlockDepth = 384;

// The same of a panel that is packed once for all and read in order: it may fill half of that cache, and sums stay in
// registers the longer.
constexpr std::size_t kLongDepth = 2048;

/// Columns [first, first + cols) of B, `vectors` vectors wide; the last panel may show fewer columns than it has.
struct Panel {
  std::size_t first, cols, vectors;
};

/// How `cols` columns are cut into panels: as wide as the registers allow, and even.
template <class D>
class PanelCut {
 public:
  PanelCut(D d, std::size_t cols) : lanes_(hn::Lanes(d)), cols_(cols) {
    const std::size_t vectors = (cols + lanes_ - 1) / lanes_;
    panels_ = (vectors + kTileVectors - 1) / kTileVectors;
    narrow_ = vectors / std::max<std::size_t>(panels_, 1);
    wide_panels_ = vectors - narrow_ * panels_;  // the first of them have a vector more
  }
  [[nodiscard]] std::size_t panels() const { return panels_; }
  [[nodiscard]] Panel operator[](std::size_t p) const {
    const std::size_t vectors = narrow_ + (p < wide_panels_ ? 1 : 0);
    const std::size_t first = (p * narrow_ + std::min(p, wide_panels_)) * lanes_;
    return {first, std::min(vectors * lanes_, cols_ - first), vectors};
  }

 private:
  std::size_t lanes_, cols_;
  std::size_t panels_, narrow_, wide_panels_;
};

/// Blocks of at most so many rows that a panel of `depth` is gone through in; none at all is one block, too.
std::size_t block_count(std::size_t depth, std::size_t most) {
  return std::max<std::size_t>(1, divide_up(depth, most));
}

/// `part` of equal parts, as even as can be: where part p of n begins.
std::size_t part_begin(std::size_t total, std::size_t parts, std::size_t p) {
  return p * (total / parts) + std::min(p, total % parts);
}

/// Some rows of a panel of B, the last of which may stand elsewhere. Where there is a `copy`, the first row group that
/// reads them leaves them there for those behind it, one after the other.
template <class T>
struct PanelRows {
  Rows<const T> rows;
  std::size_t count;
  const T* last = nullptr;
  T* copy = nullptr;
  const T* next = nullptr;  ///< with `copy`: where the next panel's rows begin, as far apart as these
};

/// C <- start + A B, as product_tile(), for row group number `group` of those that share the copy of B.
template <std::size_t kRows, std::size_t kVectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void product_of_rows(D d, Scalars<T> a, const PanelRows<T>& b, std::size_t group, Rows<const T> start,
                                Rows<T> c) {
  // Rows of B that a core multiplies while one comes from memory. (Fetching what lies past the end does nothing.)
  constexpr std::size_t kAhead = 24;
  const std::size_t width = hn::Lanes(d);
  const auto from = [&](Rows<const T> rows) HWY_ATTR {
    return [&d, rows, width](std::size_t m, std::size_t v)
               HWY_ATTR { return hn::LoadU(d, rows.data + m * rows.stride + v * width); };
  };
  if (b.copy != nullptr && group == 0) {
    const auto keep = [&](std::size_t k, std::size_t v, hn::Vec<D> row) HWY_ATTR {
      hn::StoreU(row, d, b.copy + (k * kVectors + v) * width);
      hwy::Prefetch(b.rows.data + (k + kAhead) * b.rows.stride + v * width);
    };
    return product_tile<kRows, kVectors>(d, a, b.rows, b.count, from(start), keep, c);
  }
  if (b.copy != nullptr) {
    const Rows<const T> copy{b.copy, kVectors * width};
    if (b.next == nullptr || group > kVectors)
      return product_tile<kRows, kVectors>(d, a, copy, b.count, from(start), c);
    // Each of these groups brings one column of vectors of the next panel nearer, which is then read without waiting.
    const T* const next = b.next + (group - 1) * width;
    const auto fetch = [&](std::size_t k, std::size_t v, hn::Vec<D>) HWY_ATTR {
      if (v == 0) hwy::Prefetch(next + k * b.rows.stride);
    };
    return product_tile<kRows, kVectors>(d, a, copy, b.count, from(start), fetch, c);
  }
  if (b.last == nullptr) return product_tile<kRows, kVectors>(d, a, b.rows, b.count, from(start), c);
  product_tile<kRows, kVectors>(d, a, b.rows, b.count - 1, from(start), c);
  const Scalars<T> last{a.data + (b.count - 1) * a.by_col, a.by_row, a.by_col};
  product_tile<kRows, kVectors>(d, last, {b.last, 0}, 1, from({c.data, c.stride}), c);
}

/// What stands in `next` where a tile does in its panel of C.
template <std::size_t kRows, std::size_t kVectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void fetch_tile(D d, MatrixView<T> next, std::size_t first_row) {
  for (std::size_t m = 0; m < kRows; ++m)
    for (std::size_t v = 0; v < kVectors; ++v)
      fetch_to_write(next.data + (first_row + m) * next.stride + v * hn::Lanes(d));
}

/// One panel of C over all of its rows: C <- start + A B. `start` has c.rows rows as wide as the panel's vectors, or is
/// a single one with stride 0. Where the panel shows fewer columns than it has, tiles go through memory of their own.
/// `next`: as in multiply(), of this panel.
template <std::size_t kVectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void multiply_panel(D d, Scalars<T> a, const PanelRows<T>& b, Rows<const T> start, MatrixView<T> c,
                               MatrixView<T> next) {
  const bool whole = c.cols == kVectors * hn::Lanes(d);
  HWY_ALIGN T edge[kTileRows * kTileVectors * hn::MaxLanes(d)];
  std::size_t group = 0;
  for_each_row_group(c.rows, [&](std::size_t first, auto rows) HWY_ATTR {
    constexpr std::size_t kRows = decltype(rows)::value;
    if (next.rows > 0) fetch_tile<kRows, kVectors>(d, next, first);
    const Scalars<T> left{a.data + first * a.by_row, a.by_row, a.by_col};
    Rows<const T> from{start.data + first * start.stride, start.stride};
    const Rows<T> to = whole ? Rows<T>{c.data + first * c.stride, c.stride} : Rows<T>{edge, kVectors * hn::Lanes(d)};
    if (!whole && from.stride != 0) {  // C itself, of which only c.cols columns may be touched
      for (std::size_t m = 0; m < kRows; ++m)
        std::memcpy(edge + m * to.stride, from.data + m * from.stride, c.cols * sizeof(T));
      from = {edge, to.stride};
    }
    product_of_rows<kRows, kVectors>(d, left, b, group++, from, to);
    if (!whole)
      for (std::size_t m = 0; m < kRows; ++m)
        std::memcpy(c.data + (first + m) * c.stride, edge + m * to.stride, c.cols * sizeof(T));
  });
}

/// C <- start + A B, where rows_of(panel, first, count) gives those rows of a panel of B and start_of(panel) its first
/// sums; `next` as in multiply().
template <class T, class RowsOf, class StartOf>
HWY_INLINE void multiply_blocks(Scalars<T> a, std::size_t depth, MatrixView<T> c, const RowsOf& rows_of,
                                const StartOf& start_of, MatrixView<T> next) {
  const hn::ScalableTag<T> d;
  const PanelCut cut(d, c.cols);
  const std::size_t blocks = block_count(depth, kBlockDepth);
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t k = part_begin(depth, blocks, block);
    const std::size_t count = part_begin(depth, blocks, block + 1) - k;
    const Scalars<T> left{a.data + k * a.by_col, a.by_row, a.by_col};
    for (std::size_t p = 0; p < cut.panels(); ++p) {
      const Panel panel = cut[p];
      const MatrixView<T> columns(c.data + panel.first, c.rows, panel.cols, c.stride);
      const Rows<const T> start =
          block == 0 ? Rows<const T>{start_of(panel), 0} : Rows<const T>{columns.data, columns.stride};
      const PanelRows<T> right = rows_of(panel, k, count);
      MatrixView<T> next_columns;
      if (block == 0 && next.rows > 0) next_columns = {next.data + panel.first, next.rows, panel.cols, next.stride};
      with_vectors(panel.vectors, [&](auto vectors) HWY_ATTR {
        multiply_panel<decltype(vectors)::value>(d, left, right, start, columns, next_columns);
      });
    }
  }
}

/// Row i of `from` to to[i * width], zeros behind it.
template <class T>
HWY_INLINE void copy_rows(MatrixView<const T> from, T* to, std::size_t width) {
  for (std::size_t i = 0; i < from.rows; ++i, to += width) {
    std::memcpy(to, from.data + i * from.stride, from.cols * sizeof(T));
    std::fill(to + from.cols, to + width, T{0});
  }
}

/// True where rows of B are better read where they stand: copying them would not pay for so few rows of C, or they
/// stay in the cache as they are. Rows a large power of two apart would drive each other out of it.
template <class T>
bool reads_in_place(MatrixView<const T> b, std::size_t rows_of_c) {
  constexpr std::size_t kFewRows = 16;
  constexpr std::size_t kCacheBytes = std::size_t{512} * 1024;
  const std::size_t stride = b.stride * sizeof(T);
  return rows_of_c < kFewRows || (stride % 1024 != 0 && stride * b.rows <= kCacheBytes);
}

/// The columns of the widest panel.
template <class T>
constexpr std::size_t kWidest = hn::MaxLanes(hn::ScalableTag<T>()) * kTileVectors;

/// Memory of the calling thread for as much of a panel as is gone through at once.
template <class T>
T* panel_room() {
  static_assert(kLongDepth >= kBlockDepth);
  static thread_local AlignedBuffer<T> room(kLongDepth * kWidest<T>);
  return room.data();
}

template <class T>
void multiply_in_place(Scalars<T> a, MatrixView<const T> b, MatrixView<T> c, MatrixView<T> next) {
  const hn::ScalableTag<T> d;
  T* const room = panel_room<T>();
  static const T zeros[kWidest<T>] = {};
  const bool in_place = reads_in_place<T>(b, c.rows);
  multiply_blocks<T>(
      a, b.rows, c,
      [&](const Panel& panel, std::size_t k, std::size_t count) {
        const MatrixView<const T> rows(b.data + k * b.stride + panel.first, count, panel.cols, b.stride);
        const std::size_t width = panel.vectors * hn::Lanes(d);
        const bool runs_over = panel.cols < width;  // into the next row, and the last one has none
        if (in_place && (!runs_over || (count > 0 && b.cols >= kWidest<T>))) {
          if (runs_over) copy_rows(rows.row_range(count - 1, 1), room, width);
          return PanelRows<T>{{rows.data, rows.stride}, count, runs_over ? room : nullptr};
        }
        if (!runs_over) {
          const T* const behind = panel.first + panel.cols < b.cols ? rows.data + panel.cols : nullptr;
          return PanelRows<T>{{rows.data, rows.stride}, count, nullptr, room, behind};
        }
        copy_rows(rows, room, width);
        return PanelRows<T>{{room, width}, count};
      },
      [&](const Panel&) { return zeros; }, next);
}

#if HWY_TARGET != HWY_SCALAR
/// Transposes 4 x 4 elements in each block of 128 bits of four vectors.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void transpose_in_blocks(D d, V* v) {
  const hn::Repartition<double, D> pairs;
  const auto low02 = hn::InterleaveLower(d, v[0], v[1]), high02 = hn::InterleaveUpper(d, v[0], v[1]);
  const auto low13 = hn::InterleaveLower(d, v[2], v[3]), high13 = hn::InterleaveUpper(d, v[2], v[3]);
  const auto as_pairs = [&](V x) HWY_ATTR { return hn::BitCast(pairs, x); };
  v[0] = hn::BitCast(d, hn::InterleaveLower(pairs, as_pairs(low02), as_pairs(low13)));
  v[1] = hn::BitCast(d, hn::InterleaveUpper(pairs, as_pairs(low02), as_pairs(low13)));
  v[2] = hn::BitCast(d, hn::InterleaveLower(pairs, as_pairs(high02), as_pairs(high13)));
  v[3] = hn::BitCast(d, hn::InterleaveUpper(pairs, as_pairs(high02), as_pairs(high13)));
}

/// 4 x 4 elements: to(k, i) <- from(i, k).
HWY_INLINE void transpose_4x4(Rows<const float> from, Rows<float> to) {
  const hn::FixedTag<float, 4> d;
  hn::Vec<decltype(d)> v[4];
  for (std::size_t i = 0; i < 4; ++i) v[i] = hn::LoadU(d, from.data + i * from.stride);
  transpose_in_blocks(d, v);
  for (std::size_t k = 0; k < 4; ++k) hn::StoreU(v[k], d, to.data + k * to.stride);
}
#endif

#if HWY_TARGET <= HWY_AVX2
HWY_INLINE void transpose_4x4(Rows<const double> from, Rows<double> to) {
  const hn::FixedTag<double, 4> d;
  hn::Vec<decltype(d)> v[4];
  for (std::size_t i = 0; i < 4; ++i) v[i] = hn::LoadU(d, from.data + i * from.stride);
  const auto even01 = hn::InterleaveLower(d, v[0], v[1]), odd01 = hn::InterleaveUpper(d, v[0], v[1]);
  const auto even23 = hn::InterleaveLower(d, v[2], v[3]), odd23 = hn::InterleaveUpper(d, v[2], v[3]);
  hn::StoreU(hn::ConcatLowerLower(d, even23, even01), d, to.data);
  hn::StoreU(hn::ConcatLowerLower(d, odd23, odd01), d, to.data + to.stride);
  hn::StoreU(hn::ConcatUpperUpper(d, even23, even01), d, to.data + 2 * to.stride);
  hn::StoreU(hn::ConcatUpperUpper(d, odd23, odd01), d, to.data + 3 * to.stride);
}
#endif

#if HWY_TARGET <= HWY_AVX3
/// 16 x 16 elements: to(k, i) <- from(i, k), a cache line at a time.
HWY_INLINE void transpose_16x16(Rows<const float> from, Rows<float> to) {
  const hn::FixedTag<float, 16> d;
  hn::Vec<decltype(d)> v[16];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; ++i) v[i] = hn::LoadU(d, from.data + i * from.stride);
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 16; i += 4)
    transpose_in_blocks(d, v + i);  // block b of v[i + j]: k = 4 b + j, i to i + 3
#pragma GCC unroll 4
  for (std::size_t j = 0; j < 4; ++j) {
    const auto low02 = hn::ConcatLowerLower(d, v[8 + j], v[j]), high02 = hn::ConcatUpperUpper(d, v[8 + j], v[j]);
    const auto low13 = hn::ConcatLowerLower(d, v[12 + j], v[4 + j]);
    const auto high13 = hn::ConcatUpperUpper(d, v[12 + j], v[4 + j]);
    hn::StoreU(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(low13), low02), d, to.data + j * to.stride);
    hn::StoreU(hn::OddEvenBlocks(low13, hn::SwapAdjacentBlocks(low02)), d, to.data + (4 + j) * to.stride);
    hn::StoreU(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(high13), high02), d, to.data + (8 + j) * to.stride);
    hn::StoreU(hn::OddEvenBlocks(high13, hn::SwapAdjacentBlocks(high02)), d, to.data + (12 + j) * to.stride);
  }
}
#endif

/// to(k, i) <- from(i, k) for k < depth and i < count.
template <class T>
HWY_INLINE void transpose_block(Rows<const T> from, std::size_t count, std::size_t depth, Rows<T> to) {
  [[maybe_unused]] constexpr std::size_t kAhead = 64;  // elements of each row that are under way: four cache lines
  std::size_t k = 0;
  const auto at = [&](std::size_t i) { return Rows<const T>{from.data + i * from.stride + k, from.stride}; };
  const auto out = [&](std::size_t i) { return Rows<T>{to.data + k * to.stride + i, to.stride}; };
#if HWY_TARGET <= HWY_AVX3
  if constexpr (sizeof(T) == 4) {
    for (; k + 16 <= depth && count == 16; k += 16) {
      for (std::size_t i = 0; i < 16; ++i) hwy::Prefetch(at(i).data + kAhead);
      transpose_16x16(at(0), out(0));
    }
  }
#endif
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4 || HWY_TARGET <= HWY_AVX2) {
    for (; k + 4 <= depth && count % 4 == 0; k += 4)
      for (std::size_t i = 0; i < count; i += 4) transpose_4x4(at(i), out(i));
  }
#endif
  for (; k < depth; ++k)
    for (std::size_t i = 0; i < count; ++i) *out(i).data = *at(i).data;
}

/// to(k, i) <- from(i, k) for k < depth and i < count, zeros for count <= i < to.stride.
template <class T>
HWY_INLINE void pack_panel(Rows<const T> from, std::size_t count, std::size_t depth, Rows<T> to) {
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  for (std::size_t i = 0; i < count; i += lanes)
    transpose_block<T>({from.data + i * from.stride, from.stride}, std::min(lanes, count - i), depth,
                       {to.data + i, to.stride});
  for (std::size_t k = 0; k < depth && count < to.stride; ++k)
    std::fill(to.data + k * to.stride + count, to.data + (k + 1) * to.stride, T{0});
}

/// Cᵀ <- start + B P for a packed panel P of B.cols rows, or C's own sums go on where there is no start. C's rows are
/// as many as the panel's columns. Some of Cᵀ's rows at a time wait in memory of their own to be transposed.
template <std::size_t kVectors, class T>
HWY_INLINE void multiply_by_packed(MatrixView<const T> b, const T* packed, const T* start, MatrixView<T> c) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kUnits = 48;  // rows of B: whole row groups, and whole vectors of C
  static_assert(kUnits % kTileRows == 0 && kUnits % hn::MaxLanes(d) == 0);
  const std::size_t lanes = hn::Lanes(d), width = kVectors * lanes;
  HWY_ALIGN T sums[kUnits * kVectors * hn::MaxLanes(d)];
  for (std::size_t first = 0; first < b.rows; first += kUnits) {
    const std::size_t units = std::min(kUnits, b.rows - first);
    if (start == nullptr) pack_panel<T>({c.data + first, c.stride}, c.rows, units, {sums, width});
    for_each_row_group(units, [&](std::size_t u, auto rows) HWY_ATTR {
      constexpr std::size_t kRows = decltype(rows)::value;
      const Scalars<T> left{b.data + (first + u) * b.stride, b.stride, 1};
      const Rows<T> to{sums + u * width, width};
      // Rows of B often come from another core, and each is read once: the next group's are fetched meanwhile.
      const T* const next = left.data + kRows * b.stride;
      const auto fetch = [&](std::size_t k, std::size_t v, hn::Vec<decltype(d)>) HWY_ATTR {
        if (v == 0) hwy::Prefetch(next + k * kRows);
      };
      if (start != nullptr) {
        const auto begin = [&](std::size_t m, std::size_t) HWY_ATTR { return hn::Set(d, start[first + u + m]); };
        product_tile<kRows, kVectors>(d, left, {packed, width}, b.cols, begin, fetch, to);
      } else {
        const auto go_on = [&](std::size_t m, std::size_t v)
                               HWY_ATTR { return hn::Load(d, to.data + m * width + v * lanes); };
        product_tile<kRows, kVectors>(d, left, {packed, width}, b.cols, go_on, fetch, to);
      }
    });
    for (std::size_t u = 0; u < units; u += lanes)
      transpose_block<T>({sums + u * width, width}, std::min(lanes, units - u), c.rows, {c.data + first + u, c.stride});
  }
}

/// Each panel of Bᵀ packed, then multiplied by all rows of A.
template <class T>
void multiply_packing_b(MatrixView<const T> a, MatrixView<const T> b, const T* start, MatrixView<T> c) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  T* const room = panel_room<T>();
  HWY_ALIGN T first_sums[kWidest<T>] = {};
  multiply_blocks<T>(
      {a.data, a.stride, 1}, b.cols, c,
      [&](const Panel& panel, std::size_t k, std::size_t count) {
        const std::size_t width = panel.vectors * lanes;
        pack_panel<T>({b.data + panel.first * b.stride + k, b.stride}, panel.cols, count, {room, width});
        return PanelRows<T>{{room, width}, count};
      },
      [&](const Panel& panel) {
        std::copy_n(start + panel.first, panel.cols, first_sums);
        return static_cast<const T*>(first_sums);
      },
      {});
}

/// The other way round, Cᵀ = start + B Aᵀ: each panel of Aᵀ packed, then multiplied by all rows of B as they stand.
template <class T>
void multiply_packing_a(MatrixView<const T> a, MatrixView<const T> b, const T* start, MatrixView<T> c) {
  const hn::ScalableTag<T> d;
  T* const room = panel_room<T>();
  const PanelCut cut(d, c.rows);
  const std::size_t blocks = block_count(b.cols, kLongDepth);
  for (std::size_t p = 0; p < cut.panels(); ++p) {
    const Panel panel = cut[p];
    const MatrixView<T> rows = c.row_range(panel.first, panel.cols);
    for (std::size_t block = 0; block < blocks; ++block) {
      const std::size_t k = part_begin(b.cols, blocks, block);
      const std::size_t count = part_begin(b.cols, blocks, block + 1) - k;
      const std::size_t width = panel.vectors * hn::Lanes(d);
      pack_panel<T>({a.data + panel.first * a.stride + k, a.stride}, panel.cols, count, {room, width});
      with_vectors(panel.vectors, [&](auto vectors) HWY_ATTR {
        const MatrixView<const T> weights(b.data + k, b.rows, count, b.stride);
        multiply_by_packed<decltype(vectors)::value, T>(weights, room, block == 0 ? start : nullptr, rows);
      });
    }
  }
}

/// Whichever way is less work: products of whole vectors, and packing.
template <class T>
void multiply_transposed_any(MatrixView<const T> a, MatrixView<const T> b, const T* start, MatrixView<T> c) {
  constexpr std::size_t kPacking = 10;  // an element takes as long as so many multiplications
  const std::size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  const std::size_t packing_a = round_up(c.rows, lanes) * c.cols * b.cols + kPacking * c.rows * (b.cols + c.cols);
  const std::size_t packing_b = c.rows * round_up(c.cols, lanes) * b.cols + kPacking * c.cols * b.cols;
  if (packing_a < packing_b)
    multiply_packing_a(a, b, start, c);
  else
    multiply_packing_b(a, b, start, c);
}

void multiply_transposed_f32(MatrixView<const float> a, MatrixView<const float> b, const float* start,
                             MatrixView<float> c) {
  multiply_transposed_any<float>(a, b, start, c);
}
void multiply_transposed_f64(MatrixView<const double> a, MatrixView<const double> b, const double* start,
                             MatrixView<double> c) {
  multiply_transposed_any<double>(a, b, start, c);
}
void multiply_f32(const float* a, std::size_t by_row, std::size_t by_col, MatrixView<const float> b,
                  MatrixView<float> c, MatrixView<float> next) {
  multiply_in_place<float>({a, by_row, by_col}, b, c, next);
}
void multiply_f64(const double* a, std::size_t by_row, std::size_t by_col, MatrixView<const double> b,
                  MatrixView<double> c, MatrixView<double> next) {
  multiply_in_place<double>({a, by_row, by_col}, b, c, next);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(multiply_transposed_f32);
HWY_EXPORT(multiply_transposed_f64);
HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);

template <>
void multiply_transposed(MatrixView<const float> a, MatrixView<const float> b, const float* start,
                         MatrixView<float> c) {
  HWY_DYNAMIC_DISPATCH(multiply_transposed_f32)(a, b, start, c);
}
template <>
void multiply_transposed(MatrixView<const double> a, MatrixView<const double> b, const double* start,
                         MatrixView<double> c) {
  HWY_DYNAMIC_DISPATCH(multiply_transposed_f64)(a, b, start, c);
}
template <>
void multiply(MatrixView<const float> a, Transpose op_a, MatrixView<const float> b, MatrixView<float> c,
              MatrixView<float> next) {
  const bool as_is = op_a == Transpose::kNo;
  HWY_DYNAMIC_DISPATCH(multiply_f32)(a.data, as_is ? a.stride : 1, as_is ? 1 : a.stride, b, c, next);
}
template <>
void multiply(MatrixView<const double> a, Transpose op_a, MatrixView<const double> b, MatrixView<double> c,
              MatrixView<double> next) {
  const bool as_is = op_a == Transpose::kNo;
  HWY_DYNAMIC_DISPATCH(multiply_f64)(a.data, as_is ? a.stride : 1, as_is ? 1 : a.stride, b, c, next);
}

}  // namespace gradloom
#endif
