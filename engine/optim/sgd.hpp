#pragma once

#include "engine/optim/optimizer.hpp"

namespace gradloom {

/// Stochastic gradient descent as torch.optim.SGD defines it, with g as Optimizer says:
///
///   v <- momentum * v + (1 - dampening) * g    (only where momentum != 0; v starts at 0, without dampening in step 1)
///   d <- g + momentum * v    with Nesterov,   v   without,   g   where momentum = 0
///   w <- w - learning_rate * d
///
/// v is stored as "momentum".
template <class T>
class Sgd final : public Optimizer<T> {
 public:
  using Optimizer<T>::Optimizer;
  [[nodiscard]] std::vector<std::string> state_names() const override;
  [[nodiscard]] bool update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                            std::size_t n) const override;
};

}  // namespace gradloom
