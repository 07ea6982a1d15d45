#pragma once

#include <cstddef>
#include <limits>

/// One step of each update rule over n consecutive parameters, in one vectorised pass. The letters are those of
/// engine/optim; the rest is as in kernels.hpp: an element's bits do not depend on where it stands, nor on the
/// instruction set, and everything is defined for float and double.
namespace gradloom {

/// What every rule takes for the gradient g of parameters w, in this order:
///
///   g <- min(max(g, -most), most)
///   g <- scale * g
///   g <- g + weight_decay * w
///   g <- g + l1 * sign(w)
///
/// NaN stays NaN.
template <class T>
struct GradientTerms {
  T weight_decay = 0;
  T l1 = 0;
  T scale = 1;
  T most = std::numeric_limits<T>::infinity();
};

/// Constants of a step by engine/optim/sgd.hpp; gradient_share is what g counts in the velocity.
template <class T>
struct SgdStep {
  T learning_rate, momentum;
  T gradient_share = 1;
  bool nesterov = false;
};

/// Constants of a step by engine/optim/adam.hpp: step_size = learning_rate / (1 - beta1^t), correction =
/// 1 / sqrt(1 - beta2^t), and `kept` of each parameter before the step (decoupled weight decay). A share is 1 - beta,
/// rounded once.
template <class T>
struct AdamStep {
  T step_size, correction, beta1, share1, beta2, share2, epsilon;
  T kept = 1;
};

/// Constants of a step by engine/optim/rmsprop.hpp; share = 1 - alpha.
template <class T>
struct RmspropStep {
  T learning_rate, alpha, share, epsilon, momentum;
};

/// Constants of a step by engine/optim/adagrad.hpp: a rate that has decayed.
template <class T>
struct AdagradStep {
  T learning_rate, epsilon;
};

// Each returns false where a new parameter, a new mean or sum of squares, or a gradient that is clipped by value, is
// NaN or Inf. Any NaN or Inf of the gradient leads to that.

/// `velocity` may be null where momentum is 0.
template <class T>
bool sgd_update(const SgdStep<T>& step, const GradientTerms<T>& terms, T* parameters, const T* gradient, T* velocity,
                std::size_t n);

template <class T>
bool adam_update(const AdamStep<T>& step, const GradientTerms<T>& terms, T* parameters, const T* gradient, T* mean,
                 T* square, std::size_t n);

/// `mean` is null where the rule is not centered, `velocity` where it has no momentum.
template <class T>
bool rmsprop_update(const RmspropStep<T>& step, const GradientTerms<T>& terms, T* parameters, const T* gradient,
                    T* square, T* mean, T* velocity, std::size_t n);

template <class T>
bool adagrad_update(const AdagradStep<T>& step, const GradientTerms<T>& terms, T* parameters, const T* gradient, T* sum,
                    std::size_t n);

/// The sum of g^2 over n numbers, clipped to +-most before, in float64: number i goes to partial sum i % 16, so that
/// every instruction set gives the same bits.
template <class T>
double sum_squares(const T* gradient, T most, std::size_t n);

}  // namespace gradloom
