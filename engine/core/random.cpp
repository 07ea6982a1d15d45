#include "engine/core/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace gradloom {

CounterRandom::CounterRandom(std::uint64_t seed, RandomUse use, std::uint32_t stream)
    : seed_(seed), use_(static_cast<std::uint32_t>(use)), stream_(stream) {}

std::array<std::uint32_t, 4> CounterRandom::words(std::uint64_t counter) const {
  const r123::Philox4x32::ctr_type in = {
      {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), use_, stream_}};
  const r123::Philox4x32::key_type key = {{static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}};
  const auto out = r123::Philox4x32{}(in, key);
  return {out[0], out[1], out[2], out[3]};
}

std::uint64_t CounterRandom::bits(std::uint64_t counter) const {
  const auto w = words(counter);
  return static_cast<std::uint64_t>(w[1]) << 32 | w[0];
}

double CounterRandom::uniform(std::uint64_t counter) const {
  return static_cast<double>(bits(counter) >> 11) * 0x1p-53;
}

double CounterRandom::normal(std::uint64_t counter) const {
  const auto w = words(counter);
  const std::uint64_t a = static_cast<std::uint64_t>(w[1]) << 32 | w[0];
  const std::uint64_t b = static_cast<std::uint64_t>(w[3]) << 32 | w[2];
  const double u = (static_cast<double>(a >> 11) + 0.5) * 0x1p-53;  // in (0, 1): the logarithm stays finite
  const double v = static_cast<double>(b >> 11) * 0x1p-53;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace gradloom
