// Activations and their derivatives on vectors, compiled once for each instruction set: include after
// hwy/foreach_target.h only. Definitions and default parameters are PyTorch's.
#if defined(GRADLOOM_ACTIVATIONS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef GRADLOOM_ACTIVATIONS_INL_HPP
#undef GRADLOOM_ACTIVATIONS_INL_HPP
#else
#define GRADLOOM_ACTIVATIONS_INL_HPP
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

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

/// Highway's exp, expm1 and tanh turn NaN into numbers; a diverging network must be seen.
template <class V>
HWY_INLINE V keep_nan(V argument, V result) {
  return hn::IfThenElse(hn::IsNaN(argument), argument, result);
}

/// e^-|z|: never overflows.
template <class D, class V>
HWY_INLINE V exp_minus_abs(D d, V z) {
  return hn::Exp(d, hn::Neg(hn::Abs(z)));
}

/// sigmoid(z) and sigmoid(-z), neither by subtracting from 1.
template <class D, class V = hn::Vec<D>>
struct Sigmoids {
  V of_z, of_minus_z;
  HWY_INLINE Sigmoids(D d, V z) {
    const V e = exp_minus_abs(d, z);
    const V larger = hn::Div(hn::Set(d, 1), hn::Add(hn::Set(d, 1), e));
    const V smaller = hn::Mul(e, larger);
    const auto negative = hn::Lt(z, hn::Zero(d));
    of_z = keep_nan(z, hn::IfThenElse(negative, smaller, larger));
    of_minus_z = hn::IfThenElse(negative, larger, smaller);
  }
};

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
    return Sigmoids<D>(d, z).of_z;
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {
    return hn::Mul(a, hn::Sub(hn::Set(d, 1), a));
  }
};

struct Tanh {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return keep_nan(z, hn::Tanh(d, z));
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
    const auto positive = hn::Gt(z, hn::Zero(d));
    return keep_nan(z, hn::IfThenElse(positive, z, hn::Expm1(d, hn::IfThenZeroElse(positive, z))));
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
    const V rest = hn::Log1p(d, exp_minus_abs(d, z));
    const V smooth = hn::Add(hn::Max(z, hn::Zero(d)), rest);
    return keep_nan(z, hn::IfThenElse(hn::Gt(z, constant(d, kThreshold)), z, smooth));
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V a) const {  // sigmoid(z) = 1 - e^-a
    const auto straight = hn::Gt(a, constant(d, kThreshold));
    const V bent = hn::Neg(hn::Expm1(d, hn::Neg(hn::IfThenZeroElse(straight, a))));
    return keep_nan(a, hn::IfThenElse(straight, hn::Set(d, 1), bent));
  }
};

struct Gelu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return keep_nan(z, hn::Mul(z, Normal<D>(d, z).distribution));
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {  // Φ(z) + z φ(z)
    const Normal<D> normal(d, z);
    return keep_nan(z, hn::MulAdd(normal.clamped, normal.density, normal.distribution));
  }
};

struct Silu {
  template <class D, class V>
  HWY_INLINE V value(D d, V z) const {
    return hn::Mul(z, Sigmoids<D>(d, z).of_z);
  }
  template <class D, class V>
  HWY_INLINE V derivative(D d, V z) const {  // s(z) (1 + z s(-z))
    const Sigmoids<D> s(d, z);
    return hn::Mul(s.of_z, hn::MulAdd(z, s.of_minus_z, hn::Set(d, 1)));
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
