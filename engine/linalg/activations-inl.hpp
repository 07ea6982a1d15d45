// Activations and their derivatives on vectors, compiled once for each instruction set: include after
// hwy/foreach_target.h only. Definitions and default parameters are PyTorch's.
#if defined(GRADLOOM_ACTIVATIONS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_ACTIVATIONS_INL_HPP
#undef GRADLOOM_ACTIVATIONS_INL_HPP
#else
#define GRADLOOM_ACTIVATIONS_INL_HPP
#endif

#include <hwy/highway.h>

#include "engine/linalg/elementary-inl.hpp"
#include "engine/linalg/normal-inl.hpp"
#include "gradloom/options.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> constant(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

struct Linear {
  template <class D, class V>
  HWY_INLINE V value(D, V z) const {
    return z;
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V) const {
    return hn::Set(d, 1);
  }
};

struct Sigmoid {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return sigmoid_of(d, z);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::Mul(a, hn::Sub(hn::Set(d, 1), a));
  }
};

struct Tanh {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return tanh_of(d, z);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::NegMulAdd(a, a, hn::Set(d, 1));
  }
};

struct Relu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return hn::IfThenElse(hn::Le(z, hn::Zero(d)), hn::Zero(d), z);  // not max(z, 0): NaN must stay
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::IfThenElseZero(hn::Gt(a, hn::Zero(d)), hn::Set(d, 1));
  }
};

struct LeakyRelu {
  static constexpr double kSlope = 0.01;
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, hn::Mul(z, constant(d, kSlope)));
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::IfThenElse(hn::Gt(a, hn::Zero(d)), hn::Set(d, 1), constant(d, kSlope));
  }
};

struct Elu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, expm1_of(d, z));
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::IfThenElse(hn::Gt(a, hn::Zero(d)), hn::Set(d, 1), hn::Add(a, hn::Set(d, 1)));
  }
};

struct Softplus {
  static constexpr double kThreshold = 20;  // above it the function is taken as z, as in PyTorch
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    const V rest = log1p_of_positive(d, exp_of_small(d, hn::Neg(hn::Abs(z))));
    const V smooth = hn::Add(hn::Max(z, hn::Zero(d)), rest);
    return hn::IfThenElse(hn::Gt(z, constant(d, kThreshold)), z, smooth);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {  // sigmoid(z) = 1 - e^-a
    const V bent = hn::Neg(expm1_of(d, hn::Neg(a)));
    return hn::IfThenElse(hn::Gt(a, constant(d, kThreshold)), hn::Set(d, 1), bent);
  }
};

struct Gelu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return Normal<D>(d, z).product;
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {  // Φ(z) + z φ(z)
    const Normal<D> normal(d, z);
    return hn::MulAdd(normal.clamped, normal.density, normal.distribution);
  }
};

struct Silu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    using E = Elementary<hn::TFromD<D>>;
    const SigmoidParts<D> s(d, hn::Neg(hn::Abs(z)));
    const V clamped = at_most(d, -E::kExpIsZero, at_least(d, E::kExpIsZero, z));  // so that no product is 0 * Inf
    const V small = unshifted(d, hn::Mul(clamped, s.shifted));
    const V large = hn::NegMulAdd(clamped, unshifted(d, s.shifted), z);  // z - z s(-z)
    return hn::IfThenElse(hn::Le(z, hn::Zero(d)), small, large);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {  // s(z) (1 + z s(-z))
    using E = Elementary<hn::TFromD<D>>;
    const Sigmoids<D> s(d, z);
    const V clamped = at_most(d, -E::kExpIsZero, at_least(d, E::kExpIsZero, z));
    return hn::Mul(s.of_z, hn::MulAdd(clamped, s.of_minus_z, hn::Set(d, 1)));
  }
};

/// λz above 0, λα (e^z - 1) below: Klambauer et al. 2017, with PyTorch's digits of both constants.
struct Selu {
  static constexpr double kScale = 1.0507009873554804934193349852946;
  static constexpr double kDepth = kScale * 1.6732632423543772848170429916717;
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    const V bent = hn::Mul(constant(d, kDepth), expm1_of(d, z));
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), hn::Mul(constant(d, kScale), z), bent);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::IfThenElse(hn::Gt(a, hn::Zero(d)), constant(d, kScale), hn::Add(a, constant(d, kDepth)));
  }
};

/// With e = e^-|z|, t = tanh(softplus(z)) is (e² + 2e) / (e² + 2e + 2) below 0 and (1 + 2e) / (2e² + 2e + 1) above.
struct Mish {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    using E = Elementary<hn::TFromD<D>>;
    const V one = hn::Set(d, 1), two = hn::Set(d, 2);
    const V shifted = shifted_exp(d, hn::Neg(hn::Abs(z))), e = unshifted(d, shifted);
    const V clamped = at_most(d, -E::kExpIsZero, at_least(d, E::kExpIsZero, z));  // so that no product is 0 * Inf
    const V sum = hn::Add(e, two);
    const V below = unshifted(d, hn::Mul(clamped, hn::Div(hn::Mul(shifted, sum), hn::MulAdd(e, sum, two))));
    const V twice = hn::Mul(two, hn::Mul(e, e));
    const V above =
        hn::NegMulAdd(clamped, hn::Div(twice, hn::Add(twice, hn::MulAdd(two, e, one))), z);  // z - z (1 - t)
    return hn::IfThenElse(hn::Le(z, hn::Zero(d)), below, above);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {  // t + z s(z) (1 - t) (1 + t)
    using E = Elementary<hn::TFromD<D>>;
    const V one = hn::Set(d, 1), two = hn::Set(d, 2);
    const V e = exp_of_small(d, hn::Neg(hn::Abs(z))), sum = hn::Add(e, two), twice = hn::Mul(two, hn::Mul(e, e));
    const auto negative = hn::Lt(z, hn::Zero(d));
    const V numerator = hn::IfThenElse(negative, hn::Mul(e, sum), hn::MulAdd(two, e, one));
    const V rest = hn::IfThenElse(negative, two, twice);
    const V denominator = hn::Add(numerator, rest);
    const V t = hn::Div(numerator, denominator), without = hn::Div(rest, denominator);
    const V sigmoid = hn::Div(hn::IfThenElse(negative, e, one), hn::Add(one, e));
    const V clamped = at_most(d, -E::kExpIsZero, at_least(d, E::kExpIsZero, z));
    return hn::MulAdd(hn::Mul(clamped, sigmoid), hn::Mul(without, hn::Add(one, t)), t);
  }
};

struct Hardswish {
  static constexpr double kBend = 3;
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    const V bend = constant(d, kBend);
    const V between = hn::Div(hn::Mul(z, hn::Add(z, bend)), constant(d, 2 * kBend));
    return hn::IfThenElse(hn::Ge(z, bend), z, hn::IfThenElse(hn::Le(z, hn::Neg(bend)), hn::Zero(d), between));
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {
    const V bend = constant(d, kBend), one = hn::Set(d, 1);
    const V between = hn::Add(hn::Div(z, bend), constant(d, 0.5));
    return hn::IfThenElse(hn::Gt(z, bend), one, hn::IfThenElse(hn::Lt(z, hn::Neg(bend)), hn::Zero(d), between));
  }
};

struct Softsign {
  static constexpr float kIsOne = 0x1p60F;  // from here on: Inf / Inf is none
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    const V magnitude = at_most(d, kIsOne, hn::Abs(z));
    return hn::CopySignToAbs(hn::Div(magnitude, hn::Add(magnitude, hn::Set(d, 1))), z);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {  // (1 - |a|)²
    const V rest = hn::Sub(hn::Set(d, 1), hn::Abs(a));
    return hn::Mul(rest, rest);
  }
};

/// Calls body with the functor of f, which is not prelu: that has slopes, see prelu.hpp.
template <class Body>
HWY_INLINE void with_activation(Activation f, const Body& body) {
  switch (f) {
    case Activation::kLinear:
      return body(Linear{});
    case Activation::kSigmoid:
      return body(Sigmoid{});
    case Activation::kTanh:
      return body(Tanh{});
    case Activation::kRelu:
      return body(Relu{});
    case Activation::kLeakyRelu:
      return body(LeakyRelu{});
    case Activation::kElu:
      return body(Elu{});
    case Activation::kGelu:
      return body(Gelu{});
    case Activation::kSilu:
      return body(Silu{});
    case Activation::kSoftplus:
      return body(Softplus{});
    case Activation::kSelu:
      return body(Selu{});
    case Activation::kMish:
      return body(Mish{});
    case Activation::kHardswish:
      return body(Hardswish{});
    case Activation::kSoftsign:
      return body(Softsign{});
    case Activation::kPrelu:
      break;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
