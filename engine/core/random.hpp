#pragma once

#include <array>
#include <cstdint>

namespace gradloom {

/// What a stream of random numbers is for. Part of the key, so that no two uses share numbers.
enum class RandomUse : std::uint32_t {
  kInitializer = 1,
  kShuffle = 2,
  kHoldOut = 3,
  kImportSplit = 4,
  kGenerator = 5,
  kDropoutKey = 6,
  kDropout = 7,
  kBlockShuffle = 8,
  kWindowShuffle = 9,
  kRepack = 10,
  kFold = 11,
  kStratifiedFold = 12
};

/// Counter-based random numbers: a pure function of (seed, use, stream, counter), the same on every machine and for
/// any thread. Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC11), from Random123.
class CounterRandom {
 public:
  CounterRandom(std::uint64_t seed, RandomUse use, std::uint32_t stream = 0);

  /// Four independent 32-bit words for this counter.
  [[nodiscard]] std::array<std::uint32_t, 4> words(std::uint64_t counter) const;
  /// 64 random bits.
  [[nodiscard]] std::uint64_t bits(std::uint64_t counter) const;
  /// Uniform in [0, 1), a multiple of 2^-53.
  [[nodiscard]] double uniform(std::uint64_t counter) const;
  /// Standard normal, by Box and Muller's transform (the cosine branch).
  [[nodiscard]] double normal(std::uint64_t counter) const;

 private:
  std::uint64_t seed_;
  std::uint32_t use_;
  std::uint32_t stream_;
};

}  // namespace gradloom
