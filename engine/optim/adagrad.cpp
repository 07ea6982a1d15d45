#include "engine/optim/adagrad.hpp"

namespace gradloom {

template <class T>
std::vector<std::string> Adagrad<T>::state_names() const {
  return {"sum"};
}

template <class T>
bool Adagrad<T>::update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                        std::size_t n) const {
  const Config::Optimizer& options = this->options();
  const double decay = 1 + static_cast<double>(context.step - 1) * options.lr_decay;
  const AdagradStep<T> step{static_cast<T>(context.learning_rate / decay), static_cast<T>(epsilon_of(options))};
  return adagrad_update<T>(step, this->terms(context), parameters, gradient, state[0], n);
}

template class Adagrad<float>;
template class Adagrad<double>;

}  // namespace gradloom
