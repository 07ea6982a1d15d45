#pragma once

#include "engine/optim/optimizer.hpp"

namespace gradloom {

/// Stochastic gradient descent as torch.optim.SGD defines it (dampening 0):
///
///   g <- g + weight_decay * w
///   v <- momentum * v + g           (only where momentum != 0; v starts at 0)
///   d <- g + momentum * v           with Nesterov,   v   without,   g   where momentum = 0
///   w <- w - learning_rate * d
///
/// Weight decay applies to biases too, as in PyTorch. v is stored as "momentum".
template <class T>
class Sgd final : public Optimizer<T> {
 public:
  explicit Sgd(const Config::Optimizer& options) : options_(options) {}
  [[nodiscard]] std::vector<std::string> state_names() const override;
  [[nodiscard]] bool update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                            std::size_t n) const override;

 private:
  Config::Optimizer options_;
};

}  // namespace gradloom
