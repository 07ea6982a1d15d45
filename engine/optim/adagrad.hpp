#pragma once

#include "engine/optim/optimizer.hpp"

namespace gradloom {

/// Adagrad as torch.optim.Adagrad defines it, with g as Optimizer says, and t the step:
///
///   s <- s + g^2                                 (s starts at initial_accumulator_value)
///   w <- w - learning_rate / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + epsilon)
///
/// s is stored as "sum". (Duchi, Hazan, Singer: Adaptive subgradient methods. 2011.)
template <class T>
class Adagrad final : public Optimizer<T> {
 public:
  using Optimizer<T>::Optimizer;
  [[nodiscard]] std::vector<std::string> state_names() const override;
  [[nodiscard]] double initial_state() const override { return this->options().initial_accumulator_value; }
  [[nodiscard]] bool update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                            std::size_t n) const override;
};

}  // namespace gradloom
