#include "engine/optim/rmsprop.hpp"

namespace gradloom {

template <class T>
std::vector<std::string> Rmsprop<T>::state_names() const {
  std::vector<std::string> names{"square_avg"};
  if (this->options().centered) names.emplace_back("grad_avg");
  if (this->options().momentum != 0) names.emplace_back("momentum");
  return names;
}

template <class T>
bool Rmsprop<T>::update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                        std::size_t n) const {
  const Config::Optimizer& options = this->options();
  const RmspropStep<T> step{static_cast<T>(context.learning_rate), static_cast<T>(options.alpha),
                            static_cast<T>(1 - options.alpha), static_cast<T>(epsilon_of(options)),
                            static_cast<T>(options.momentum)};
  T* const mean = options.centered ? state[1] : nullptr;
  T* const velocity = options.momentum != 0 ? state.back() : nullptr;
  return rmsprop_update<T>(step, this->terms(context), parameters, gradient, state[0], mean, velocity, n);
}

template class Rmsprop<float>;
template class Rmsprop<double>;

}  // namespace gradloom
