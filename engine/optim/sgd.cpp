#include "engine/optim/sgd.hpp"

namespace gradloom {

template <class T>
std::vector<std::string> Sgd<T>::state_names() const {
  if (this->options().momentum == 0) return {};
  return {"momentum"};
}

template <class T>
bool Sgd<T>::update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                    std::size_t n) const {
  const Config::Optimizer& options = this->options();
  const double share = context.step == 1 ? 1 : 1 - options.dampening;
  const SgdStep<T> step{static_cast<T>(context.learning_rate), static_cast<T>(options.momentum), static_cast<T>(share),
                        options.nesterov};
  return sgd_update<T>(step, this->terms(context), parameters, gradient, state.empty() ? nullptr : state[0], n);
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace gradloom
