// Elementary functions on vectors, compiled once for each instruction set: include after hwy/foreach_target.h only.
//
// Each is off by at most 2 units of the last place over the whole range of its type, with fused multiply-add and
// without; NaN stays NaN, ±Inf, subnormal numbers and ±0 give what the function has there. There are no branches, and
// no approximate reciprocals, whose bits differ between vendors: AVX2 and AVX3 give the same bits.
//
// Coefficients are minimax fits by Remez's exchange algorithm in 60 digits, weighted to the relative error of the
// function named beside them; they were rounded one after the other, lowest power first, and the rest fitted anew.
#if defined(GRADLOOM_ELEMENTARY_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_ELEMENTARY_INL_HPP
#undef GRADLOOM_ELEMENTARY_INL_HPP
#else
#define GRADLOOM_ELEMENTARY_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <iterator>

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
struct Elementary;

template <>
struct Elementary<float> {
  static constexpr int kMantissaBits = 23;
  static constexpr int kBias = 127;
  static constexpr float kInteger = 0x1p23F;  // from here on floats are whole numbers
  static constexpr float kLog2E = 0x1.715476p0F;
  static constexpr float kLn2High = 0x1.62e4p-1F, kLn2Low = 0x1.7f7d1cp-20F;  // n * kLn2High is exact
  static constexpr float kExpIsZero = -120, kExpIsInf = 89;                   // z e^z rounds to 0; e^z to Inf
  static constexpr float kExpm1IsMinusOne = -18, kExpm1IsIdentity = 0x1p-30F;
  static constexpr float kSigmoidIsOne = 20, kTanhIsOne = 9.25F;
  /// (e^r - 1 - r) / r² for |r| <= ln(2) / 2, and for |r| <= 1/2: e^r - 1 is off by 2^-26, by 2^-27.
  static constexpr float kExp[] = {0x1.fffffep-2F, 0x1.5554acp-3F, 0x1.5557p-5F, 0x1.122b94p-7F, 0x1.6b9206p-10F};
  static constexpr float kExpm1[] = {0x1.000002p-1F, 0x1.555558p-3F,  0x1.5551cp-5F,
                                     0x1.110d0cp-7F, 0x1.6f48dcp-10F, 0x1.a539d8p-13F};
  /// (2 atanh(s) / s - 2) / s² by powers of s², for |s| <= (√2 - 1) / (√2 + 1): the logarithm is off by 2^-30.
  static constexpr float kLogarithm[] = {0x1.55557ap-1F, 0x1.995ed8p-2F, 0x1.31e03cp-2F};
  static constexpr std::uint32_t kRootHalf = 0x3f3504f3;  // bits of √½
};

template <>
struct Elementary<double> {
  static constexpr int kMantissaBits = 52;
  static constexpr int kBias = 1023;
  static constexpr double kInteger = 0x1p52;
  static constexpr double kLog2E = 0x1.71547652b82fep0;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kExpIsZero = -752, kExpIsInf = 710;
  static constexpr double kExpm1IsMinusOne = -38, kExpm1IsIdentity = 0x1p-60;
  static constexpr double kSigmoidIsOne = 40, kTanhIsOne = 20;
  /// Off by 2^-55, both.
  static constexpr double kExp[] = {0x1.0000000000005p-1,  0x1.555555555554bp-3,  0x1.5555555552209p-5,
                                    0x1.11111111159ffp-7,  0x1.6c16c17ee9facp-10, 0x1.a01a0183b51ddp-13,
                                    0x1.a019a75f89ee6p-16, 0x1.71de6cbdde1e9p-19, 0x1.28a1e8b633615p-22,
                                    0x1.ae90bbb0d125ep-26};
  static constexpr double kExpm1[] = {0x1.0000000000001p-1,  0x1.55555555555d4p-3,  0x1.55555555550eep-5,
                                      0x1.11111110f3c57p-7,  0x1.6c16c16ccd92dp-10, 0x1.a01a022a18715p-13,
                                      0x1.a01a002837c5fp-16, 0x1.71dd2120584a3p-19, 0x1.27e6225774aafp-22,
                                      0x1.b06a138da41b6p-26, 0x1.1ec8fc85117f0p-29};
  /// Off by 2^-59.
  static constexpr double kLogarithm[] = {0x1.5555555555592p-1, 0x1.999999997ff4ep-2, 0x1.24924941dd2e2p-2,
                                          0x1.c71c52181d5d1p-3, 0x1.74663c1e7f9c6p-3, 0x1.39a1fd95b2c09p-3,
                                          0x1.2f02eddc807bfp-3};
  static constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcd;
};

// The larger and the smaller of z and a number; z where it is NaN. x86's own instructions give their second operand
// there.
#undef GRADLOOM_NAN_IS_SECOND
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
#define GRADLOOM_NAN_IS_SECOND 1
#else
#define GRADLOOM_NAN_IS_SECOND 0
#endif
template <class D, class V = hn::Vec<D>>
HWY_INLINE V at_least(D d, hn::TFromD<D> bound, V z) {
  const V limit = hn::Set(d, bound);
  return GRADLOOM_NAN_IS_SECOND ? hn::Max(limit, z) : hn::IfThenElse(hn::Lt(z, limit), limit, z);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V at_most(D d, hn::TFromD<D> bound, V z) {
  const V limit = hn::Set(d, bound);
  return GRADLOOM_NAN_IS_SECOND ? hn::Min(limit, z) : hn::IfThenElse(hn::Gt(z, limit), limit, z);
}

/// Σ c[i] x^i. Pairs are independent of each other, so there is half as long to wait for as by Horner's scheme.
template <class D, std::size_t kCount, class V = hn::Vec<D>>
HWY_INLINE V polynomial(D d, V x, V x2, const hn::TFromD<D> (&c)[kCount]) {
  constexpr std::size_t kTop = (kCount - 1) / 2 * 2;
  V sum = hn::Set(d, c[kTop]);
  if constexpr (kTop + 1 < kCount) sum = hn::MulAdd(hn::Set(d, c[kTop + 1]), x, sum);
  for (std::size_t i = kTop; i > 0; i -= 2)
    sum = hn::MulAdd(sum, x2, hn::MulAdd(hn::Set(d, c[i - 1]), x, hn::Set(d, c[i - 2])));
  return sum;
}

/// z = n ln(2) + r by Cody and Waite, so that e^z is 2^n (1 + rest). n is the whole number nearest to guide / ln(2),
/// where `guide` is z or so: for e^z - 1 it keeps n at 0 up to |z| = 1/2, as what rounding takes from r and rest would
/// count more behind the subtraction.
template <class D, class V = hn::Vec<D>>
struct ReducedExp {
  hn::Vec<hn::RebindToUnsigned<D>> field;  ///< its lowest bits hold n + offset
  V rest;                                  ///< e^r - 1

  /// `low`, where there is one, is what rounding took from z.
  template <std::size_t kCount, class... Low>
  HWY_INLINE ReducedExp(D d, V z, V guide, const hn::TFromD<D> (&coefficients)[kCount], int offset, Low... low) {
    using E = Elementary<hn::TFromD<D>>;
    const V rounder = hn::Set(d, E::kInteger * 1.5F + static_cast<hn::TFromD<D>>(offset));
    const V rounded = hn::MulAdd(guide, hn::Set(d, E::kLog2E), rounder);
    const V n = hn::Sub(rounded, rounder);
    V r = hn::NegMulAdd(n, hn::Set(d, E::kLn2Low), hn::NegMulAdd(n, hn::Set(d, E::kLn2High), z));
    ((r = hn::Add(r, low)), ...);
    const V r2 = hn::Mul(r, r);
    field = hn::BitCast(hn::RebindToUnsigned<D>(), rounded);
    rest = hn::MulAdd(polynomial(d, r, r2, coefficients), r2, r);
  }
};

/// The number whose exponent field is the lowest bits of `field`.
template <class D>
HWY_INLINE hn::Vec<D> power_of_two(D d, hn::Vec<hn::RebindToUnsigned<D>> field) {
  return hn::BitCast(d, hn::ShiftLeft<Elementary<hn::TFromD<D>>::kMantissaBits>(field));
}

/// 2^64 e^z for z <= kSigmoidIsOne: what keeps it normal from there down to where z e^z is 0.
template <class D, class V = hn::Vec<D>, class... Low>
HWY_INLINE V shifted_exp(D d, V z, Low... low) {
  using E = Elementary<hn::TFromD<D>>;
  const V clamped = at_least(d, E::kExpIsZero, z);
  const ReducedExp<D> e(d, clamped, clamped, E::kExp, E::kBias + 64, low...);
  const V power = power_of_two(d, e.field);
  return hn::MulAdd(power, e.rest, power);
}

/// Back from 2^64 times a number, which may be subnormal.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V unshifted(D d, V shifted) {
  return hn::Mul(shifted, hn::Set(d, 0x1p-64F));
}

/// e^z for z <= kSigmoidIsOne, at less cost than for all z.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_small(D d, V z) {
  return unshifted(d, shifted_exp(d, z));
}

/// e^z. 2^n goes into two factors, as it may be subnormal or too large.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of(D d, V z) {
  using E = Elementary<hn::TFromD<D>>;
  const V clamped = at_most(d, E::kExpIsInf, at_least(d, E::kExpIsZero, z));
  const ReducedExp<D> e(d, clamped, clamped, E::kExp, 2 * E::kBias);
  const auto half = hn::ShiftRight<1>(e.field);
  const V first = power_of_two(d, half), second = power_of_two(d, hn::Sub(e.field, half));
  return hn::Mul(hn::MulAdd(first, e.rest, first), second);
}

/// e^z - 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V expm1_of(D d, V z) {
  using E = Elementary<hn::TFromD<D>>;
  const V clamped = at_most(d, E::kExpIsInf, at_least(d, E::kExpm1IsMinusOne, z));
  const V magnitude = hn::Abs(z);
  const V guide = hn::IfThenZeroElse(hn::Lt(magnitude, hn::Set(d, 0.5F)), clamped);
  const ReducedExp<D> e(d, clamped, guide, E::kExpm1, E::kBias - 1);
  const V half_power = power_of_two(d, e.field);  // 2^n itself may be too large
  const V half = hn::MulAdd(half_power, e.rest, hn::Sub(half_power, hn::Set(d, 0.5F)));
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, E::kExpm1IsIdentity)), z, hn::Add(half, half));
}

/// sigmoid(z) is e^z / (1 + e^z): `quotient`. For z < 0 it is more exactly e^z (1 - that), 2^-64 `shifted`, as there
/// the rounding of 1 + e^z does not count. z <= kSigmoidIsOne.
template <class D, class V = hn::Vec<D>>
struct SigmoidParts {
  V quotient, shifted;
  HWY_INLINE SigmoidParts(D d, V z) {
    const V e = shifted_exp(d, z);
    quotient = hn::Div(e, hn::Add(e, hn::Set(d, 0x1p64F)));
    shifted = hn::NegMulAdd(e, quotient, e);
  }
};

/// sigmoid(z).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid_of(D d, V z) {
  const SigmoidParts<D> s(d, at_most(d, Elementary<hn::TFromD<D>>::kSigmoidIsOne, z));
  return hn::IfThenElse(hn::Lt(z, hn::Zero(d)), unshifted(d, s.shifted), s.quotient);
}

/// sigmoid(z) and sigmoid(-z), neither by subtracting a rounded number from a close one.
template <class D, class V = hn::Vec<D>>
struct Sigmoids {
  V of_z, of_minus_z;
  HWY_INLINE Sigmoids(D d, V z) {
    const SigmoidParts<D> s(d, hn::Neg(hn::Abs(z)));
    const V smaller = unshifted(d, s.shifted), larger = hn::Sub(hn::Set(d, 1), s.quotient);
    const auto negative = hn::Lt(z, hn::Zero(d));
    of_z = hn::IfThenElse(negative, smaller, larger);
    of_minus_z = hn::IfThenElse(negative, larger, smaller);
  }
};

/// tanh(z) = E / (E + 2) with E = e^2|z| - 1, and with the sign of z. Where E is small it is E/2 (1 - that), lest the
/// rounding of E + 2 count.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh_of(D d, V z) {
  using E = Elementary<hn::TFromD<D>>;
  const V t = at_most(d, E::kTanhIsOne, hn::Abs(z));
  const V twice = hn::Add(t, t);
  const ReducedExp<D> e(d, twice, hn::Sub(twice, hn::Set(d, 0.1F)), E::kExpm1, E::kBias);
  const V power = power_of_two(d, e.field), one = hn::Set(d, 1);
  const V less = hn::MulAdd(power, e.rest, hn::Sub(power, one));
  const V two = hn::Set(d, 2), sum = hn::Add(less, two);
  const V quotient = hn::Div(less, sum);
  const V half = hn::Mul(less, hn::Set(d, 0.5F));
  V part = quotient;
  if constexpr (!HWY_NATIVE_FMA) {  // more roundings: that of the sum is put back, to first order for sums around 2.5
    const V lost = hn::Sub(less, hn::Sub(sum, two));
    part = hn::Sub(part, hn::Mul(hn::Mul(part, hn::Set(d, 0.4F)), lost));
  }
  const V small = hn::NegMulAdd(half, part, half);
  return hn::CopySignToAbs(hn::IfThenElse(hn::Lt(less, one), small, quotient), z);
}

/// 1 + x = 2^k (1 + f) for x > -1, with 1 + f around 1.
template <class D, class V = hn::Vec<D>>
struct Log1pReduction {
  V k, f;

  HWY_INLINE Log1pReduction(D d, V x) {
    using E = Elementary<hn::TFromD<D>>;
    using Bits = hn::TFromD<hn::RebindToUnsigned<D>>;
    const hn::RebindToUnsigned<D> bits;
    constexpr Bits kOne = Bits{E::kBias} << E::kMantissaBits;
    const V one = hn::Set(d, 1), integer = hn::Set(d, E::kInteger);
    const V sum = hn::Add(one, x);
    const auto from_root = hn::Set(bits, static_cast<Bits>(kOne - E::kRootHalf));
    const auto field = hn::ShiftRight<E::kMantissaBits>(hn::Add(hn::BitCast(bits, sum), from_root));
    k = hn::Sub(hn::BitCast(d, hn::Or(field, hn::BitCast(bits, integer))), hn::Set(d, E::kInteger + E::kBias));
    // f = 2^-k x + (2^-k - 1) is rounded once. The power may be subnormal where it no longer counts.
    const auto exponent = hn::ShiftLeft<E::kMantissaBits>(field);
    const V power = hn::BitCast(d, hn::Sub(hn::Set(bits, 2 * kOne), exponent));
    const V scaled = hn::BitCast(d, hn::Sub(hn::BitCast(bits, x), hn::Sub(exponent, hn::Set(bits, kOne))));
    f = hn::Add(scaled, hn::Sub(hn::IfThenElseZero(hn::Lt(sum, integer), power), one));
  }
};

/// log(1 + x) for x >= 0. With 1 + x = 2^k (1 + f) and s = f / (2 + f) it is k ln(2) + 2 atanh(s), in the order of
/// additions of fdlibm's log().
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log1p_of_positive(D d, V x) {
  using E = Elementary<hn::TFromD<D>>;
  const Log1pReduction<D> reduced(d, x);
  const V f = reduced.f;
  const V s = hn::Div(f, hn::Add(hn::Set(d, 2), f));
  const V s2 = hn::Mul(s, s);
  const V rest = hn::Mul(s2, polynomial(d, s2, hn::Mul(s2, s2), E::kLogarithm));
  const V half_square = hn::Mul(hn::Mul(hn::Set(d, 0.5F), f), f);
  const V low = hn::MulAdd(s, hn::Add(half_square, rest), hn::Mul(reduced.k, hn::Set(d, E::kLn2Low)));
  const V result = hn::MulAdd(reduced.k, hn::Set(d, E::kLn2High), hn::Sub(f, hn::Sub(half_square, low)));
  return hn::IfThenElse(hn::Lt(x, hn::Inf(d)), result, x);  // Inf and NaN stay
}

/// log(1 + x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V log1p_of(D d, V x) {
  const V minus_one = hn::Set(d, -1);
  const V inside = hn::CopySign(log1p_of_positive(d, x), x);
  const V outside = hn::IfThenElse(hn::Eq(x, minus_one), hn::Neg(hn::Inf(d)), hn::NaN(d));
  return hn::IfThenElse(hn::Le(x, minus_one), outside, inside);
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
