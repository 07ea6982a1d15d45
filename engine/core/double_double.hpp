#pragma once

#include <cmath>

namespace gradloom {

/// A number as the unevaluated sum of two doubles, |low| at most half a unit in the last place of high: about 106 bits,
/// after Dekker, "A floating-point technique for extending the available precision" (1971).
struct DoubleDouble {
  double high = 0;
  double low = 0;

  [[nodiscard]] double rounded() const { return high + low; }
  friend bool operator==(const DoubleDouble&, const DoubleDouble&) = default;
};

inline bool operator<(const DoubleDouble& a, const DoubleDouble& b) {
  return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/// a + b without an error (Knuth).
inline DoubleDouble two_sum(double a, double b) {
  const double sum = a + b;
  const double taken = sum - a;
  return {sum, (a - (sum - taken)) + (b - taken)};
}

/// The same, where |a| >= |b| or a is nought (Dekker).
inline DoubleDouble ordered_sum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

/// a * b without an error, where the product is no subnormal number.
inline DoubleDouble two_product(double a, double b) {
  const double product = a * b;
  return {product, std::fma(a, b, -product)};
}

inline DoubleDouble operator-(const DoubleDouble& a) { return {-a.high, -a.low}; }

// Sums and products within a few units of 2^-104, relative; sums also where terms cancel, relative to the terms.
inline DoubleDouble operator+(const DoubleDouble& a, const DoubleDouble& b) {
  const DoubleDouble high = two_sum(a.high, b.high);
  const DoubleDouble low = two_sum(a.low, b.low);
  const DoubleDouble sum = ordered_sum(high.high, high.low + low.high);
  return ordered_sum(sum.high, sum.low + low.low);
}

inline DoubleDouble operator-(const DoubleDouble& a, const DoubleDouble& b) { return a + -b; }

inline DoubleDouble operator*(const DoubleDouble& a, double b) {
  const DoubleDouble product = two_product(a.high, b);
  return ordered_sum(product.high, product.low + a.low * b);
}

inline DoubleDouble operator/(const DoubleDouble& a, double b) {
  const double quotient = a.high / b;
  const DoubleDouble product = two_product(quotient, b);
  const double rest = ((a.high - product.high) - product.low) + a.low;
  return ordered_sum(quotient, rest / b);
}

/// a * 2^exponent, without an error where it is neither too large nor subnormal.
inline DoubleDouble scaled(const DoubleDouble& a, int exponent) {
  return exponent == 0 ? a : DoubleDouble{std::ldexp(a.high, exponent), std::ldexp(a.low, exponent)};
}

}  // namespace gradloom
