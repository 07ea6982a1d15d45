#pragma once

namespace gradloom {

/// Number, mean and sum of squared deviations of a stream of values, after Welford, with weights after West,
/// "Updating mean and variance estimates: an improved method" (1979): a weight of k is the value k times. Merging after
/// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). A
/// stream of equal values has exactly 0 deviations.
struct Spread {
  double count = 0;  ///< of values; the sum of their weights where they have some
  double mean = 0;
  double squares = 0;  ///< Σ weight (value - mean)²

  void add(double value, double weight = 1) {
    if (weight == 0) return;
    count += weight;
    const double before = value - mean;
    mean += weight * before / count;
    squares += weight * before * (value - mean);
  }

  void merge(const Spread& next) {
    if (next.count == 0) return;
    const double distance = next.mean - mean;
    const double total = count + next.count;
    squares += next.squares + distance * distance * (count * next.count / total);
    mean += distance * (next.count / total);
    count = total;
  }
};

}  // namespace gradloom
