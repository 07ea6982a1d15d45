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

/// Calls body with the functor of f.
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
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#endif
