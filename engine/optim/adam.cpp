#include "engine/optim/adam.hpp"

#include <cmath>

namespace gradloom {

template <class T>
std::vector<std::string> Adam<T>::state_names() const {
  return {"exp_avg", "exp_avg_sq"};
}

template <class T>
bool Adam<T>::update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                     std::size_t n) const {
  const Config::Optimizer& options = this->options();
  const auto t = static_cast<double>(context.step);
  AdamStep<T> step{};
  step.step_size = static_cast<T>(context.learning_rate / (1 - std::pow(options.beta1, t)));
  step.correction = static_cast<T>(1 / std::sqrt(1 - std::pow(options.beta2, t)));
  step.beta1 = static_cast<T>(options.beta1);
  step.share1 = static_cast<T>(1 - options.beta1);
  step.beta2 = static_cast<T>(options.beta2);
  step.share2 = static_cast<T>(1 - options.beta2);
  step.epsilon = static_cast<T>(epsilon_of(options));
  const bool decays = context.penalized && options.type == OptimizerType::kAdamw;
  step.kept = decays ? static_cast<T>(1 - context.learning_rate * options.weight_decay) : T{1};
  return adam_update<T>(step, this->terms(context), parameters, gradient, state[0], state[1], n);
}

template class Adam<float>;
template class Adam<double>;

}  // namespace gradloom
