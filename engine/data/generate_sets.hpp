#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/core/random.hpp"

namespace gradloom {

/// A synthetic set: writes row r from (seed, r) alone. Constant after construction.
class SyntheticSet {
 public:
  SyntheticSet(std::uint64_t seed, double noise);
  virtual ~SyntheticSet() = default;

  /// Fills x (features) and returns the target, or the class index. y is computed from x as it is stored, in float32.
  virtual double row(std::uint64_t r, std::span<float> x) const = 0;
  /// Class names; empty for regression.
  [[nodiscard]] virtual std::vector<std::string> classes() const { return {}; }

 protected:
  /// Multiple of 2^-24 in [0, 1): float32 holds it exactly, so it never rounds up to 1.
  [[nodiscard]] float uniform(std::uint64_t r, std::size_t column, std::size_t columns) const;
  [[nodiscard]] double normal(std::uint64_t r, std::size_t column, std::size_t columns) const;
  /// noise * N(0, 1), from numbers of its own: another deviation changes nothing else.
  [[nodiscard]] double noise(std::uint64_t r, std::size_t column = 0, std::size_t columns = 1) const;
  /// Uniform in [0, count).
  [[nodiscard]] std::size_t pick(std::uint64_t r, std::size_t count) const;
  /// Numbers that belong to the whole set: centers, weights.
  [[nodiscard]] const CounterRandom& fixed() const { return fixed_; }

 private:
  CounterRandom values_, noise_, fixed_, picks_;
  double deviation_;
};

/// What generate() knows of a set before it is made.
struct SyntheticKind {
  std::string name, formula;
  std::size_t features = 0;        ///< by default
  std::size_t least_features = 0;  ///< equal to features in a set that has no other number
  bool adjustable = true;
  std::unique_ptr<SyntheticSet> (*make)(std::uint64_t seed, double noise, std::size_t features) = nullptr;
};

const std::vector<SyntheticKind>& synthetic_kinds();

}  // namespace gradloom
