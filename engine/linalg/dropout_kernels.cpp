// Dropout. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/dropout_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <algorithm>

#include "engine/core/random.hpp"
#include "engine/linalg/dropout.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

constexpr std::size_t kWords = 4;  // that Philox gives for a counter

#if HWY_TARGET == HWY_SCALAR

/// The words of a counter at a time, with the interface of the vectorised one: the baseline has no wide vectors.
class MaskWords {
 public:
  template <class D>
  MaskWords(D, std::uint64_t key) : key_(key) {}

  void write(std::uint64_t row, std::size_t block, std::uint32_t* out) const {
    const CounterRandom random(key_, RandomUse::kDropout, static_cast<std::uint32_t>(block));
    std::ranges::copy(random.words(row), out);
  }

 private:
  std::uint64_t key_;
};

#else

// Philox4x32-10 of Salmon et al. (SC11): rounds, multipliers, and what the key grows by from round to round.
constexpr int kRounds = 10;
constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

/// The keys of all rounds, the same for all words of a layer.
struct RoundKeys {
  std::uint32_t low[kRounds], high[kRounds];

  explicit RoundKeys(std::uint64_t key) {
    for (std::uint32_t i = 0; i < kRounds; ++i) {
      low[i] = static_cast<std::uint32_t>(key) + i * kWeyl0;
      high[i] = static_cast<std::uint32_t>(key >> 32) + i * kWeyl1;
    }
  }
};

/// Philox on Lanes(d) counters at once. A counter's word stands in the lower half of a 64-bit lane; the upper
/// half holds what multiplications leave there and is never read.
template <class D, class V = hn::Vec<D>>
class MaskWords {
 public:
  HWY_INLINE MaskWords(D d, std::uint64_t key) : d_(d), keys_(key) {
    // Lane by lane, in an order after which interleaving within 128-bit blocks leaves the words in theirs.
    HWY_ALIGN std::uint64_t blocks[hn::MaxLanes(d)];
    const std::size_t lanes = hn::Lanes(d);
    for (std::size_t i = 0; i < lanes; ++i) blocks[i] = i / 2 + (i % 2) * (lanes / 2);
    lane_blocks_ = hn::Load(d, blocks);
  }

  /// The words of this row's units [4 block, 4 (block + Lanes(d))).
  HWY_INLINE void write(std::uint64_t row, std::size_t block, std::uint32_t* HWY_RESTRICT out) const {
    V c0 = hn::Set(d_, row & kLow);
    V c1 = hn::Set(d_, row >> 32);
    V c2 = hn::Set(d_, static_cast<std::uint64_t>(RandomUse::kDropout));
    V c3 = hn::Add(hn::Set(d_, block), lane_blocks_);
    for (int i = 0; i < kRounds; ++i) {
      const V p0 = multiply(c0, kMultiplier0);
      const V p1 = multiply(c2, kMultiplier1);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(d_, keys_.low[i]));
      c1 = p1;
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(d_, keys_.high[i]));
      c3 = p0;
    }
    const V first = pair(c0, c1), second = pair(c2, c3);
    store(hn::InterleaveLower(d_, first, second), out);
    store(hn::InterleaveUpper(d_, first, second), out + kWords / 2 * hn::Lanes(d_));
  }

 private:
  static constexpr std::uint64_t kLow = 0xffffffff;
  static constexpr hn::Repartition<std::uint32_t, D> kD32{};

  HWY_INLINE V multiply(V word, std::uint32_t by) const {
    return hn::MulEven(hn::BitCast(kD32, word), hn::Set(kD32, by));
  }
  HWY_INLINE V pair(V low, V high) const { return hn::Or(hn::And(low, hn::Set(d_, kLow)), hn::ShiftLeft<32>(high)); }
  HWY_INLINE void store(V words, std::uint32_t* out) const { hn::Store(hn::BitCast(kD32, words), kD32, out); }

  D d_;
  RoundKeys keys_;
  V lane_blocks_;
};

#endif

/// `scale` where the word is not below the threshold, else 0.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> factors(D d, const std::uint32_t* words, std::uint32_t threshold, T scale) {
  const hn::Rebind<std::uint32_t, D> d_words;
  const auto word = hn::LoadU(d_words, words);
  if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
    const auto dropped = hn::Lt(word, hn::Set(d_words, threshold));
    return hn::IfThenZeroElse(hn::RebindMask(d, dropped), hn::Set(d, scale));
  } else {
    const hn::Rebind<std::int64_t, D> d_wide;
    const auto wide = hn::BitCast(d_wide, hn::PromoteTo(hn::Rebind<std::uint64_t, D>(), word));
    const auto dropped = hn::Lt(wide, hn::Set(d_wide, std::int64_t{threshold}));
    return hn::IfThenZeroElse(hn::RebindMask(d, dropped), hn::Set(d, scale));
  }
}

template <class T>
void drop_out_any(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const T> a, MatrixView<T> out) {
  const hn::ScalableTag<T> d;
  const hn::ScalableTag<std::uint64_t> d64;
  const MaskWords source(d64, masks.key);
  const auto scale = static_cast<T>(masks.scale);
  HWY_ALIGN std::uint32_t words[kWords * hn::MaxLanes(d64)];
  const std::size_t width = kWords * hn::Lanes(d64);
  for (std::size_t r = 0; r < a.rows; ++r) {
    const std::uint64_t row = rows[r];
    for (std::size_t u = 0; u < a.cols; u += width) {
      const T* from = a.data + r * a.stride + u;
      T* to = out.data + r * out.stride + u;
      source.write(row, u / kWords, words);
      for_each_vector(d, std::min(width, a.cols - u), [&](std::size_t i, auto lanes) HWY_ATTR {
        lanes.store(hn::Mul(lanes.load(d, from + i), factors(d, words + i, masks.threshold, scale)), d, to + i);
      });
    }
  }
}

void drop_out_f32(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const float> a, MatrixView<float> out) {
  drop_out_any(masks, rows, a, out);
}
void drop_out_f64(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const double> a,
                  MatrixView<double> out) {
  drop_out_any(masks, rows, a, out);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(drop_out_f32);
HWY_EXPORT(drop_out_f64);

DropoutMasks::DropoutMasks(double p, std::uint64_t seed, std::uint64_t epoch, std::uint32_t layer)
    : key(CounterRandom(seed, RandomUse::kDropoutKey, layer).bits(epoch)),
      threshold(static_cast<std::uint32_t>(p * 0x1p32)),
      scale(1 / (1 - p)) {}

template <>
void drop_out(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const float> a, MatrixView<float> out) {
  HWY_DYNAMIC_DISPATCH(drop_out_f32)(masks, rows, a, out);
}
template <>
void drop_out(const DropoutMasks& masks, const RowNumbers& rows, MatrixView<const double> a, MatrixView<double> out) {
  HWY_DYNAMIC_DISPATCH(drop_out_f64)(masks, rows, a, out);
}

}  // namespace gradloom
#endif
