#include "engine/data/sampler.hpp"

#include <bit>

#include "engine/core/random.hpp"

namespace gradloom {
namespace {

// Spreads a half of the value over 32 bits under a round key. Multipliers of MurmurHash3's finalizer.
std::uint64_t mix(std::uint64_t half, std::uint64_t key) {
  std::uint64_t x = (half + key) * 0xff51afd7ed558ccdULL;
  x ^= x >> 32;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x >> 32;
}

}  // namespace

KeyedPermutation::KeyedPermutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch) : size_(size), keys_() {
  const int bits = size > 4 ? static_cast<int>(std::bit_width(size - 1)) : 2;
  low_bits_ = (bits + 1) / 2;
  low_mask_ = (std::uint64_t{1} << low_bits_) - 1;
  high_mask_ = (std::uint64_t{1} << (bits - low_bits_)) - 1;
  // One counter-based stream for all epochs: epoch e owns the counters [e * kRounds, (e + 1) * kRounds).
  const CounterRandom random(seed, RandomUse::kShuffle);
  for (int i = 0; i < kRounds; ++i) keys_[i] = random.bits(epoch * kRounds + i);
}

std::uint64_t KeyedPermutation::encrypt(std::uint64_t value) const {
  std::uint64_t low = value & low_mask_;
  std::uint64_t high = value >> low_bits_;
  for (int i = 0; i < kRounds; i += 2) {
    low ^= mix(high, keys_[i]) & low_mask_;
    high ^= mix(low, keys_[i + 1]) & high_mask_;
  }
  return high << low_bits_ | low;
}

std::uint64_t KeyedPermutation::operator()(std::uint64_t position) const {
  std::uint64_t value = encrypt(position);
  while (value >= size_) value = encrypt(value);
  return value;
}

}  // namespace gradloom
