#pragma once

#include "engine/optim/optimizer.hpp"

namespace gradloom {

/// RMSprop as torch.optim.RMSprop defines it, with g as Optimizer says:
///
///   s <- alpha * s + (1 - alpha) * g^2           (all states start at 0)
///   m <- alpha * m + (1 - alpha) * g             (only where centered)
///   d <- g / (sqrt(s) + epsilon),   centered   g / (sqrt(s - m^2) + epsilon)
///   v <- momentum * v + d                        (only where momentum != 0)
///   w <- w - learning_rate * d,   with momentum   w - learning_rate * v
///
/// Where s - m^2 is below 0 by rounding it counts as 0; PyTorch gets NaN. s is stored as "square_avg", m as "grad_avg",
/// v as "momentum".
template <class T>
class Rmsprop final : public Optimizer<T> {
 public:
  using Optimizer<T>::Optimizer;
  [[nodiscard]] std::vector<std::string> state_names() const override;
  [[nodiscard]] bool update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                            std::size_t n) const override;
};

}  // namespace gradloom
