// Update rules, and the norm of a gradient. This file is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/optimizer_kernels.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/optimizer_kernels.hpp"

#include "engine/core/fetch.hpp"
#include "engine/linalg/block_sums-inl.hpp"
#include "engine/linalg/elementary-inl.hpp"
#include "engine/linalg/finite_check-inl.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

/// Gradients as GradientTerms makes them; without kAll, only of weight decay.
template <bool kAll, class D>
class Terms {
 public:
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;

  HWY_INLINE Terms(D d, const GradientTerms<T>& terms)
      : d_(d),
        terms_(terms),
        decay_(hn::Set(d, terms.weight_decay)),
        l1_(hn::Set(d, terms.l1)),
        scale_(hn::Set(d, terms.scale)) {}

  HWY_INLINE V of(V g, V w, FiniteCheck<D>& check) const {
    if constexpr (kAll) {
      if (terms_.most < std::numeric_limits<T>::infinity()) {
        check.see(g);  // before it is made finite
        g = at_most(d_, terms_.most, at_least(d_, -terms_.most, g));
      }
      g = hn::Mul(scale_, g);
    }
    if (terms_.weight_decay != 0) g = hn::Add(g, hn::Mul(decay_, w));
    if constexpr (kAll) {
      const auto has_sign = hn::Ne(w, hn::Zero(d_));
      if (terms_.l1 != 0) g = hn::Add(g, hn::IfThenElseZero(has_sign, hn::CopySignToAbs(l1_, w)));
    }
    return g;
  }

 private:
  D d_;
  const GradientTerms<T> terms_;
  V decay_, l1_, scale_;
};

/// What stands at `at`, to be written anew. Of what follows, the cache lines are fetched for that.
template <class D, class Lanes, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_to_write(D d, Lanes lanes, const T* at) {
  constexpr std::size_t kLine = 64, kBytesAhead = 24 * kLine;
  fetch_to_write(reinterpret_cast<const char*>(at) + kBytesAhead);
  return lanes.load(d, at);
}

/// Every w <- rule.next(i, lanes, w, g), where w are the parameters from i on and g their gradient.
template <bool kAll, class T, class Rule>
HWY_INLINE bool take_steps(const Rule& rule, const GradientTerms<T>& terms, T* parameters, const T* gradient,
                           std::size_t n) {
  const hn::ScalableTag<T> d;
  const Terms<kAll, hn::ScalableTag<T>> terms_of(d, terms);
  FiniteCheck check(d);
  for_each_vector(d, n, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto w = load_to_write(d, lanes, parameters + i);
    const auto g = terms_of.of(lanes.load(d, gradient + i), w, check);
    const auto next = rule.next(i, lanes, w, g, check);
    lanes.store(next, d, parameters + i);
    check.see(next);
  });
  return check.finite();
}

template <class T, class Rule>
HWY_INLINE bool update_by(const Rule& rule, const GradientTerms<T>& terms, T* parameters, const T* gradient,
                          std::size_t n) {
  const bool decay_alone = terms.scale == 1 && terms.l1 == 0 && terms.most == std::numeric_limits<T>::infinity();
  return decay_alone ? take_steps<false>(rule, terms, parameters, gradient, n)
                     : take_steps<true>(rule, terms, parameters, gradient, n);
}

// Rules hold their constants by value: through a reference, every store to a parameter could change them.

/// A constant in all lanes.
template <class T>
HWY_INLINE hn::Vec<hn::ScalableTag<T>> all(T value) {
  return hn::Set(hn::ScalableTag<T>(), value);
}

template <bool kMomentum, class T>
struct SgdRule {
  const SgdStep<T> step;
  T* velocity;

  template <class Lanes, class V, class Check>
  HWY_INLINE V next(std::size_t i, Lanes lanes, V w, V g, Check&) const {
    const hn::ScalableTag<T> d;
    V direction = g;
    if constexpr (kMomentum) {
      const V share = step.gradient_share != 1 ? hn::Mul(all(step.gradient_share), g) : g;
      const V v = hn::Add(hn::Mul(all(step.momentum), load_to_write(d, lanes, velocity + i)), share);
      lanes.store(v, d, velocity + i);
      direction = step.nesterov ? hn::Add(g, hn::Mul(all(step.momentum), v)) : v;
    }
    return hn::Sub(w, hn::Mul(all(step.learning_rate), direction));
  }
};

template <class T>
struct AdamRule {
  const AdamStep<T> step;
  T* mean;
  T* square;

  template <class Lanes, class V, class Check>
  HWY_INLINE V next(std::size_t i, Lanes lanes, V w, V g, Check& check) const {
    const hn::ScalableTag<T> d;
    const V m = hn::Add(hn::Mul(all(step.beta1), load_to_write(d, lanes, mean + i)), hn::Mul(all(step.share1), g));
    const V v = hn::Add(hn::Mul(all(step.beta2), load_to_write(d, lanes, square + i)),
                        hn::Mul(hn::Mul(all(step.share2), g), g));
    lanes.store(m, d, mean + i);
    lanes.store(v, d, square + i);
    check.see(v);
    const V root = hn::Add(hn::Mul(hn::Sqrt(v), all(step.correction)), all(step.epsilon));
    const V kept = hn::Mul(all(step.kept), w);
    return hn::Sub(kept, hn::Mul(all(step.step_size), hn::Div(m, root)));
  }
};

template <class T>
struct RmspropRule {
  const RmspropStep<T> step;
  T* square;
  T* mean;
  T* velocity;

  template <class Lanes, class V, class Check>
  HWY_INLINE V next(std::size_t i, Lanes lanes, V w, V g, Check& check) const {
    const hn::ScalableTag<T> d;
    const V s =
        hn::Add(hn::Mul(all(step.alpha), load_to_write(d, lanes, square + i)), hn::Mul(hn::Mul(all(step.share), g), g));
    lanes.store(s, d, square + i);
    check.see(s);
    V direction = hn::Div(g, hn::Add(hn::Sqrt(mean == nullptr ? s : variance(i, lanes, s, g)), all(step.epsilon)));
    if (velocity != nullptr) {
      direction = hn::Add(hn::Mul(all(step.momentum), load_to_write(d, lanes, velocity + i)), direction);
      lanes.store(direction, d, velocity + i);
    }
    return hn::Sub(w, hn::Mul(all(step.learning_rate), direction));
  }

 private:
  template <class Lanes, class V>
  HWY_INLINE V variance(std::size_t i, Lanes lanes, V s, V g) const {
    const hn::ScalableTag<T> d;
    const V m = hn::Add(hn::Mul(all(step.alpha), load_to_write(d, lanes, mean + i)), hn::Mul(all(step.share), g));
    lanes.store(m, d, mean + i);
    return at_least(d, 0, hn::Sub(s, hn::Mul(m, m)));
  }
};

template <class T>
struct AdagradRule {
  const AdagradStep<T> step;
  T* sum;

  template <class Lanes, class V, class Check>
  HWY_INLINE V next(std::size_t i, Lanes lanes, V w, V g, Check& check) const {
    const hn::ScalableTag<T> d;
    const V s = hn::Add(load_to_write(d, lanes, sum + i), hn::Mul(g, g));
    lanes.store(s, d, sum + i);
    check.see(s);
    return hn::Sub(w, hn::Mul(all(step.learning_rate), hn::Div(g, hn::Add(hn::Sqrt(s), all(step.epsilon)))));
  }
};

template <class T>
double sum_squares_any(const T* gradient, T most, std::size_t n) {
  const BlockSums::D d;
  const auto limit = static_cast<double>(most);
  BlockSums sums;
  for_each_block(n, [&](std::size_t first, auto elements) HWY_ATTR {
    sums.add([&](std::size_t i) HWY_ATTR {
      const auto g = at_most(d, limit, at_least(d, -limit, load_double(elements, gradient + first, i)));
      return hn::Mul(g, g);
    });
  });
  return sums.total();
}

template <class T>
bool sgd_any(const SgdStep<T>& step, const GradientTerms<T>& terms, T* w, const T* g, T* velocity, std::size_t n) {
  return step.momentum != 0 ? update_by(SgdRule<true, T>{step, velocity}, terms, w, g, n)
                            : update_by(SgdRule<false, T>{step, velocity}, terms, w, g, n);
}

bool sgd_f32(const SgdStep<float>& step, const GradientTerms<float>& terms, float* w, const float* g, float* v,
             std::size_t n) {
  return sgd_any(step, terms, w, g, v, n);
}
bool sgd_f64(const SgdStep<double>& step, const GradientTerms<double>& terms, double* w, const double* g, double* v,
             std::size_t n) {
  return sgd_any(step, terms, w, g, v, n);
}
bool adam_f32(const AdamStep<float>& step, const GradientTerms<float>& terms, float* w, const float* g, float* m,
              float* v, std::size_t n) {
  return update_by(AdamRule<float>{step, m, v}, terms, w, g, n);
}
bool adam_f64(const AdamStep<double>& step, const GradientTerms<double>& terms, double* w, const double* g, double* m,
              double* v, std::size_t n) {
  return update_by(AdamRule<double>{step, m, v}, terms, w, g, n);
}
bool rmsprop_f32(const RmspropStep<float>& step, const GradientTerms<float>& terms, float* w, const float* g, float* s,
                 float* m, float* v, std::size_t n) {
  return update_by(RmspropRule<float>{step, s, m, v}, terms, w, g, n);
}
bool rmsprop_f64(const RmspropStep<double>& step, const GradientTerms<double>& terms, double* w, const double* g,
                 double* s, double* m, double* v, std::size_t n) {
  return update_by(RmspropRule<double>{step, s, m, v}, terms, w, g, n);
}
bool adagrad_f32(const AdagradStep<float>& step, const GradientTerms<float>& terms, float* w, const float* g, float* s,
                 std::size_t n) {
  return update_by(AdagradRule<float>{step, s}, terms, w, g, n);
}
bool adagrad_f64(const AdagradStep<double>& step, const GradientTerms<double>& terms, double* w, const double* g,
                 double* s, std::size_t n) {
  return update_by(AdagradRule<double>{step, s}, terms, w, g, n);
}
double sum_squares_f32(const float* g, float most, std::size_t n) { return sum_squares_any(g, most, n); }
double sum_squares_f64(const double* g, double most, std::size_t n) { return sum_squares_any(g, most, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gradloom {

HWY_EXPORT(sgd_f32);
HWY_EXPORT(sgd_f64);
HWY_EXPORT(adam_f32);
HWY_EXPORT(adam_f64);
HWY_EXPORT(rmsprop_f32);
HWY_EXPORT(rmsprop_f64);
HWY_EXPORT(adagrad_f32);
HWY_EXPORT(adagrad_f64);
HWY_EXPORT(sum_squares_f32);
HWY_EXPORT(sum_squares_f64);

template <>
bool sgd_update(const SgdStep<float>& step, const GradientTerms<float>& terms, float* parameters, const float* gradient,
                float* velocity, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(sgd_f32)(step, terms, parameters, gradient, velocity, n);
}
template <>
bool sgd_update(const SgdStep<double>& step, const GradientTerms<double>& terms, double* parameters,
                const double* gradient, double* velocity, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(sgd_f64)(step, terms, parameters, gradient, velocity, n);
}
template <>
bool adam_update(const AdamStep<float>& step, const GradientTerms<float>& terms, float* parameters,
                 const float* gradient, float* mean, float* square, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(adam_f32)(step, terms, parameters, gradient, mean, square, n);
}
template <>
bool adam_update(const AdamStep<double>& step, const GradientTerms<double>& terms, double* parameters,
                 const double* gradient, double* mean, double* square, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(adam_f64)(step, terms, parameters, gradient, mean, square, n);
}
template <>
bool rmsprop_update(const RmspropStep<float>& step, const GradientTerms<float>& terms, float* parameters,
                    const float* gradient, float* square, float* mean, float* velocity, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(rmsprop_f32)(step, terms, parameters, gradient, square, mean, velocity, n);
}
template <>
bool rmsprop_update(const RmspropStep<double>& step, const GradientTerms<double>& terms, double* parameters,
                    const double* gradient, double* square, double* mean, double* velocity, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(rmsprop_f64)(step, terms, parameters, gradient, square, mean, velocity, n);
}
template <>
bool adagrad_update(const AdagradStep<float>& step, const GradientTerms<float>& terms, float* parameters,
                    const float* gradient, float* sum, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(adagrad_f32)(step, terms, parameters, gradient, sum, n);
}
template <>
bool adagrad_update(const AdagradStep<double>& step, const GradientTerms<double>& terms, double* parameters,
                    const double* gradient, double* sum, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(adagrad_f64)(step, terms, parameters, gradient, sum, n);
}
template <>
double sum_squares(const float* gradient, float most, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(sum_squares_f32)(gradient, most, n);
}
template <>
double sum_squares(const double* gradient, double most, std::size_t n) {
  return HWY_DYNAMIC_DISPATCH(sum_squares_f64)(gradient, most, n);
}

}  // namespace gradloom
#endif
