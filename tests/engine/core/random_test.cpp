#include "engine/core/random.hpp"

#include <cmath>

#include "support/catch.hpp"

using gradloom::CounterRandom;
using gradloom::RandomUse;

TEST_CASE("random numbers are functions of seed, use, stream and counter", "[core]") {
  const CounterRandom a(7, RandomUse::kShuffle, 3);
  CHECK(a.bits(11) == CounterRandom(7, RandomUse::kShuffle, 3).bits(11));
  CHECK(a.bits(11) != a.bits(12));
  CHECK(a.bits(11) != CounterRandom(8, RandomUse::kShuffle, 3).bits(11));
  CHECK(a.bits(11) != CounterRandom(7, RandomUse::kHoldOut, 3).bits(11));
  CHECK(a.bits(11) != CounterRandom(7, RandomUse::kShuffle, 4).bits(11));
  CHECK(a.bits(11) != a.bits(11 + (std::uint64_t{1} << 32)));
}

TEST_CASE("uniform and normal numbers have the moments of their distributions", "[core]") {
  // Bounds are five standard errors of the mean and of the second moment over n draws.
  constexpr int n = 200000;
  const CounterRandom random(1, RandomUse::kGenerator);
  double sum = 0, normal_sum = 0, normal_squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(i);
    REQUIRE((u >= 0 && u < 1));
    sum += u;
    const double z = random.normal(i);
    normal_sum += z;
    normal_squares += z * z;
  }
  CHECK(std::abs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::abs(normal_sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(normal_squares / n - 1) < 5 * std::sqrt(2.0 / n));
}
