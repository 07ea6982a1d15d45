#include "engine/optim/optimizer.hpp"

#include <algorithm>

#include "engine/optim/adagrad.hpp"
#include "engine/optim/adam.hpp"
#include "engine/optim/rmsprop.hpp"
#include "engine/optim/sgd.hpp"

namespace gradloom {

double clipped_scale(double norm, double most) {
  constexpr double kClipEpsilon = 1e-6;  // of clip_grad_norm_
  return std::min(1.0, most / (norm + kClipEpsilon));
}

double epsilon_of(const Config::Optimizer& options) {
  return options.epsilon.value_or(options.type == OptimizerType::kAdagrad ? 1e-10 : 1e-8);
}

template <class T>
GradientTerms<T> Optimizer<T>::terms(const UpdateContext& context) const {
  GradientTerms<T> terms;
  terms.scale = static_cast<T>(context.gradient_scale);
  if (options_.clip_grad_value) terms.most = static_cast<T>(*options_.clip_grad_value);
  if (!context.penalized) return terms;
  terms.l1 = static_cast<T>(options_.l1);
  if (options_.type != OptimizerType::kAdamw) terms.weight_decay = static_cast<T>(options_.weight_decay);
  return terms;
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const Config::Optimizer& options) {
  switch (options.type) {
    case OptimizerType::kSgd:
      return std::make_unique<Sgd<T>>(options);
    case OptimizerType::kAdam:
    case OptimizerType::kAdamw:
      return std::make_unique<Adam<T>>(options);
    case OptimizerType::kRmsprop:
      return std::make_unique<Rmsprop<T>>(options);
    case OptimizerType::kAdagrad:
      return std::make_unique<Adagrad<T>>(options);
  }
  return nullptr;  // unreachable: the switch covers the enumeration
}

template class Optimizer<float>;
template class Optimizer<double>;
template std::unique_ptr<Optimizer<float>> make_optimizer(const Config::Optimizer&);
template std::unique_ptr<Optimizer<double>> make_optimizer(const Config::Optimizer&);

}  // namespace gradloom
