// Many elements of a permutation at once. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/feistel_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>

#include "engine/linalg/feistel.hpp"

#ifndef GRADLOOM_FEISTEL_ROUND
#define GRADLOOM_FEISTEL_ROUND
namespace gradloom {

// The second multiplier of a round and the shifts: from MurmurHash3's finalizers.
constexpr std::uint32_t kFeistelMultiplier = 0x85ebca6b;
constexpr int kFeistelShift = 15;

constexpr std::uint64_t kMostSixteenBitHalf = 0xffff;

}  // namespace gradloom
#endif

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void elements(const FeistelNetwork& network, std::uint64_t first, std::uint64_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = feistel_element(network, first + i);
}

#else

using D = hn::CappedTag<std::uint32_t, 16>;
using V = hn::Vec<D>;

// Vectors that go through the rounds side by side: a round is a chain of slow multiplications.
constexpr std::size_t kVectors = 4;

/// Positions that follow each other, as pairs.
struct Cursor {
  std::uint32_t high, low;

  void advance(std::uint32_t by, std::uint32_t low_size) {
    low += by;
    while (low >= low_size) {
      low -= low_size;
      ++high;
    }
  }
};

/// The pairs of the next Lanes(d) positions; `cursor` goes on behind them.
HWY_INLINE void take_pairs(D d, std::uint32_t low_size, Cursor& cursor, V& high, V& low) {
  const auto lanes = static_cast<std::uint32_t>(hn::Lanes(d));
  if (cursor.low + lanes <= low_size) {
    high = hn::Set(d, cursor.high);
    low = hn::Iota(d, cursor.low);
    cursor.advance(lanes, low_size);
    return;
  }
  HWY_ALIGN std::uint32_t highs[hn::MaxLanes(d)];
  HWY_ALIGN std::uint32_t lows[hn::MaxLanes(d)];
  for (std::uint32_t i = 0; i < lanes; ++i) {
    highs[i] = cursor.high;
    lows[i] = cursor.low;
    cursor.advance(1, low_size);
  }
  high = hn::Load(d, highs);
  low = hn::Load(d, lows);
}

/// One round: `half` moved by a function of the other half, modulo `modulus`.
HWY_INLINE V move(D d, V half, V other, std::uint32_t multiplier, std::uint32_t addend, std::uint32_t modulus) {
  const hn::Repartition<std::uint16_t, D> d16;
  const V m = hn::Set(d, modulus);
  V t = hn::Add(hn::Mul(other, hn::Set(d, multiplier)), hn::Set(d, addend));
  t = hn::Mul(hn::Xor(t, hn::ShiftRight<kFeistelShift>(t)), hn::Set(d, kFeistelMultiplier));
  // Upper halves of 16-bit products: those of the empty upper words are 0.
  const V by = hn::BitCast(d, hn::MulHigh(hn::BitCast(d16, hn::ShiftRight<16>(t)), hn::BitCast(d16, m)));
  const V sum = hn::Add(half, by);
  return hn::Min(sum, hn::Sub(sum, m));  // unsigned: the difference wraps to the larger where sum < modulus
}

/// The next kVectors * Lanes(d) elements, without walking.
HWY_INLINE void encrypt_block(D d, const FeistelNetwork& network, Cursor& cursor, std::uint32_t* out) {
  const auto low_size = static_cast<std::uint32_t>(network.low_size);
  const auto high_size = static_cast<std::uint32_t>(network.high_size);
  const std::size_t lanes = hn::Lanes(d);
  V h0, h1, h2, h3, l0, l1, l2, l3;  // no arrays of vectors: their sizes may be unknown to the compiler
  take_pairs(d, low_size, cursor, h0, l0);
  take_pairs(d, low_size, cursor, h1, l1);
  take_pairs(d, low_size, cursor, h2, l2);
  take_pairs(d, low_size, cursor, h3, l3);
  for (int i = 0; i < network.rounds; i += 2) {
    const std::uint32_t m0 = network.multiplier[i], a0 = network.addend[i];
    const std::uint32_t m1 = network.multiplier[i + 1], a1 = network.addend[i + 1];
    l0 = move(d, l0, h0, m0, a0, low_size);
    l1 = move(d, l1, h1, m0, a0, low_size);
    l2 = move(d, l2, h2, m0, a0, low_size);
    l3 = move(d, l3, h3, m0, a0, low_size);
    h0 = move(d, h0, l0, m1, a1, high_size);
    h1 = move(d, h1, l1, m1, a1, high_size);
    h2 = move(d, h2, l2, m1, a1, high_size);
    h3 = move(d, h3, l3, m1, a1, high_size);
  }
  const V radix = hn::Set(d, low_size);
  hn::StoreU(hn::Add(hn::Mul(h0, radix), l0), d, out);
  hn::StoreU(hn::Add(hn::Mul(h1, radix), l1), d, out + lanes);
  hn::StoreU(hn::Add(hn::Mul(h2, radix), l2), d, out + 2 * lanes);
  hn::StoreU(hn::Add(hn::Mul(h3, radix), l3), d, out + 3 * lanes);
}

void elements(const FeistelNetwork& network, std::uint64_t first, std::uint64_t* out, std::size_t n) {
  const D d;
  HWY_ALIGN std::uint32_t block[kVectors * hn::MaxLanes(d)];
  const std::size_t width = kVectors * hn::Lanes(d);
  Cursor cursor{static_cast<std::uint32_t>(first / network.low_size),
                static_cast<std::uint32_t>(first % network.low_size)};
  for (std::size_t i = 0; i < n; i += width) {
    encrypt_block(d, network, cursor, block);  // behind the last position: pairs of no meaning, not looked at
    const std::size_t count = std::min(width, n - i);
    std::uint32_t largest = 0;
    for (std::size_t k = 0; k < count; ++k) {
      out[i + k] = block[k];
      largest = std::max(largest, block[k]);
    }
    if (largest < network.size) continue;
    for (std::size_t k = 0; k < count; ++k)
      if (out[i + k] >= network.size) out[i + k] = feistel_element(network, first + i + k);
  }
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {
namespace {

// Above 16 bits a half, all 32 bits of the mix are wanted, so it ends with one more round of mixing.
std::uint64_t wide_function(std::uint32_t mixed, std::uint64_t modulus) {
  constexpr std::uint32_t kSecondMultiplier = 0xc2b2ae35;
  mixed = (mixed ^ mixed >> 13) * kSecondMultiplier;
  mixed ^= mixed >> 16;
  return (mixed * modulus) >> 32;
}

std::uint64_t moved(const FeistelNetwork& network, int round, std::uint64_t half, std::uint64_t other,
                    std::uint64_t modulus) {
  std::uint32_t t = static_cast<std::uint32_t>(other) * network.multiplier[round] + network.addend[round];
  t = (t ^ t >> kFeistelShift) * kFeistelMultiplier;
  const bool narrow = network.low_size <= kMostSixteenBitHalf;
  half += narrow ? ((t >> 16) * modulus) >> 16 : wide_function(t, modulus);
  return half >= modulus ? half - modulus : half;
}

std::uint64_t encrypt(const FeistelNetwork& network, std::uint64_t value) {
  std::uint64_t high = value / network.low_size;
  std::uint64_t low = value % network.low_size;
  for (int i = 0; i < network.rounds; i += 2) {
    low = moved(network, i, low, high, network.low_size);
    high = moved(network, i + 1, high, low, network.high_size);
  }
  return high * network.low_size + low;
}

}  // namespace

HWY_EXPORT(elements);

std::uint64_t feistel_element(const FeistelNetwork& network, std::uint64_t position) {
  std::uint64_t value = encrypt(network, position);
  while (value >= network.size) value = encrypt(network, value);
  return value;
}

void feistel_elements(const FeistelNetwork& network, std::uint64_t first, std::span<std::uint64_t> elements) {
  if (network.low_size <= kMostSixteenBitHalf) {
    HWY_DYNAMIC_DISPATCH(elements)(network, first, elements.data(), elements.size());
    return;
  }
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = feistel_element(network, first + i);
}

}  // namespace gradloom
#endif
