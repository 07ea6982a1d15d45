#pragma once

#include "engine/optim/optimizer.hpp"

namespace gradloom {

/// Adam and, by the options' type, AdamW, as torch.optim defines them (amsgrad and maximize false), with g as Optimizer
/// says, and t the step:
///
///   w <- w - learning_rate * weight_decay * w    (only of AdamW, where the context penalizes)
///   m <- beta1 * m + (1 - beta1) * g             (m and v start at 0)
///   v <- beta2 * v + (1 - beta2) * g^2
///   w <- w - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// m is stored as "exp_avg", v as "exp_avg_sq". (Kingma, Ba: Adam. 2015. Loshchilov, Hutter: Decoupled weight decay
/// regularization. 2019.)
template <class T>
class Adam final : public Optimizer<T> {
 public:
  using Optimizer<T>::Optimizer;
  [[nodiscard]] std::vector<std::string> state_names() const override;
  [[nodiscard]] bool update(const UpdateContext& context, T* parameters, const T* gradient, std::span<T* const> state,
                            std::size_t n) const override;
};

}  // namespace gradloom
