#include "engine/data/sampler.hpp"

#include <cmath>

namespace gradloom {
namespace {

// Halves of few values mix slowly. Measured over epochs, the probabilities of the distance between two rows that follow
// each other are off by root^((3 - rounds) / 2) of themselves: 1/1000 with 8 rounds at 256 rows, 1/4000 with 6 at
// 65536, and less for larger sets. With 24, all orders of up to 6 rows are equally likely.
int rounds_for(std::uint64_t size) {
  if (size < 256) return FeistelNetwork::kMostRounds;
  return size < 65536 ? 8 : 6;
}

std::uint64_t root_rounded_up(std::uint64_t size) {
  auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(size)));
  while (root * root < size) ++root;
  while (root > 1 && (root - 1) * (root - 1) >= size) --root;
  return root;
}

}  // namespace

KeyedPermutation::KeyedPermutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch, RandomUse use) {
  network_.size = size;
  network_.low_size = root_rounded_up(size);
  network_.high_size = (size + network_.low_size - 1) / network_.low_size;
  network_.rounds = rounds_for(size);
  // One counter-based stream for all epochs: epoch e owns the counters [e * kMostRounds, (e + 1) * kMostRounds).
  const CounterRandom random(seed, use);
  for (int i = 0; i < network_.rounds; ++i) {
    const auto words = random.words(epoch * FeistelNetwork::kMostRounds + i);
    network_.multiplier[i] = words[0] | 1;
    network_.addend[i] = words[1];
  }
}

}  // namespace gradloom
