#pragma once

namespace gradloom {

/// Number, mean and sum of squared deviations of a stream of values, after Welford; merging after Chan, Golub and
/// LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). A stream of equal
/// values has exactly 0 deviations.
struct Spread {
  double count = 0;
  double mean = 0;
  double squares = 0;  ///< Σ (value - mean)²

  void add(double value) {
    count += 1;
    const double before = value - mean;
    mean += before / count;
    squares += before * (value - mean);
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
