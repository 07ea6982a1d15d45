#include "engine/optim/sgd.hpp"

#include "engine/linalg/kernels.hpp"

namespace gradloom {

template <class T>
std::vector<std::string> Sgd<T>::state_names() const {
  if (options_.momentum == 0) return {};
  return {"momentum"};
}

template <class T>
bool Sgd<T>::update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                    std::size_t n) const {
  const SgdStep<T> step{static_cast<T>(context.learning_rate), static_cast<T>(options_.momentum),
                        static_cast<T>(options_.weight_decay), options_.nesterov};
  return sgd_update<T>(step, parameters, gradient, state.empty() ? nullptr : state[0], n);
}

template class Sgd<float>;
template class Sgd<double>;

}  // namespace gradloom
