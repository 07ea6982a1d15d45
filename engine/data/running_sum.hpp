#pragma once

#include <cmath>
#include <cstdint>

namespace gradloom {

/// A mean that does not lose small terms behind large sums (Neumaier 1974).
struct RunningSum {
  double sum = 0, lost = 0;
  std::uint64_t count = 0;

  void add(double value) {
    add_term(value);
    ++count;
  }
  /// The values of another one.
  void add(const RunningSum& other) {
    add_term(other.sum);
    lost += other.lost;
    count += other.count;
  }
  [[nodiscard]] double mean() const { return (sum + lost) / static_cast<double>(count); }

 private:
  void add_term(double value) {
    const double next = sum + value;
    lost += std::abs(sum) >= std::abs(value) ? (sum - next) + value : (value - next) + sum;
    sum = next;
  }
};

}  // namespace gradloom
