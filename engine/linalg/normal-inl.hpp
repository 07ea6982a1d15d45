// The standard normal distribution on vectors, compiled once for each instruction set: include after
// hwy/foreach_target.h only.
#if defined(GRADLOOM_NORMAL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_NORMAL_INL_HPP
#undef GRADLOOM_NORMAL_INL_HPP
#else
#define GRADLOOM_NORMAL_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <iterator>

#include "engine/linalg/elementary-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// (1 + t) Φ(-t) e^(t²/2) for t >= 0, as a polynomial in (t - kCentre) / (t + kCentre), lowest power first: a Chebyshev
// expansion in that variable, worked out with 50 digits, cut off below a rounding, and written in powers (Shepherd and
// Laframboise 1981 expand e^(x²) erfc(x) so).
template <class T>
struct NormalTail;
template <>
struct NormalTail<float> {
  static constexpr float kCentre = 4;
  static constexpr float kPowers[] = {0.4720532F,    -0.09670347F,   0.013999914F,    0.028600167F,
                                      -0.032201163F, 0.017937696F,   -0.0049877143F,  -0.0002912675F,
                                      0.0006649887F, -8.455402e-05F, -5.8091235e-05F, 1.25685465e-05F};
};
template <>
struct NormalTail<double> {
  static constexpr double kCentre = 5;
  static constexpr double kPowers[] = {
      0.46151582985003775,    -0.09155228183400904,   0.031030368425963708,    0.010002352385229382,
      -0.026401042966308307,  0.024536963243678652,   -0.015170415402514863,   0.006522000667783896,
      -0.00167607234455447,   7.791597409338999e-06,  0.00018233414511643843,  -5.36075811148722e-05,
      -9.896097759279782e-06, 9.05982468125664e-06,   -7.034644683537101e-08,  -1.3074486019237587e-06,
      1.27878221820937e-07,   1.9627809920091187e-07, -2.6286205089898754e-08, -3.095201755804207e-08,
      3.627373163401201e-09,  4.4011596227599254e-09, -2.8220772290629865e-10, -3.815816262632953e-10};
};

/// Φ(z), its derivative φ(z) and z Φ(z), each to a few units of the last place in both tails.
template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
struct Normal {
  static constexpr T kFarthest = 64;  // Φ(-64) and φ(64) are 0 even in float64

  V clamped;  ///< z within ±kFarthest, so that products with Φ and φ are finite
  V distribution, density, product;

  HWY_INLINE Normal(D d, V z) : clamped(at_most(d, kFarthest, at_least(d, -kFarthest, z))) {
    const V one = hn::Set(d, 1);
    const V t = hn::Abs(clamped);
    const V bell = shifted_bell(d, t);
    const V tail = hn::Div(hn::Mul(bell, scaled_tail(d, t)), hn::Add(one, t));
    const V rest = hn::Sub(one, unshifted(d, tail));
    const auto negative = hn::Lt(z, hn::Zero(d));
    distribution = hn::IfThenElse(negative, unshifted(d, tail), rest);
    product = hn::IfThenElse(negative, unshifted(d, hn::Mul(clamped, tail)), hn::Mul(z, rest));
    density = unshifted(d, hn::Mul(bell, hn::Set(d, static_cast<T>(0.39894228040143267794))));
  }

 private:
  /// 2^64 e^(-t²/2). The rounding of t² would be magnified by t²/2: it goes along.
  static HWY_INLINE V shifted_bell(D d, V t) {
    const V minus_half = hn::Set(d, static_cast<T>(-0.5));
    const V square = hn::Mul(t, t);
    return shifted_exp(d, hn::Mul(minus_half, square), hn::Mul(minus_half, rounding_of_square(d, t, square)));
  }

  /// t² - square. Without a fused multiply-add it is worked out from the halves of t, whose products are exact.
  static HWY_INLINE V rounding_of_square(D d, V t, V square) {
    if constexpr (HWY_NATIVE_FMA) {
      return hn::MulSub(t, t, square);
    } else {
      const hn::RebindToUnsigned<D> bits;
      constexpr int kLowBits = Elementary<T>::kMantissaBits / 2 + 1;
      const V high = hn::BitCast(d, hn::ShiftLeft<kLowBits>(hn::ShiftRight<kLowBits>(hn::BitCast(bits, t))));
      const V low = hn::Sub(t, high);
      const V middle = hn::Mul(hn::Add(high, high), low);
      return hn::Add(hn::Add(hn::Sub(hn::Mul(high, high), square), middle), hn::Mul(low, low));
    }
  }

  /// (1 + t) Φ(-t) e^(t²/2).
  static HWY_INLINE V scaled_tail(D d, V t) {
    const V centre = hn::Set(d, NormalTail<T>::kCentre);
    const V q = hn::Div(hn::Sub(t, centre), hn::Add(t, centre));
    return polynomial(d, q, hn::Mul(q, q), NormalTail<T>::kPowers);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
