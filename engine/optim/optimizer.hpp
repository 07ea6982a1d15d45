#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/linalg/optimizer_kernels.hpp"
#include "gradloom/config.hpp"

namespace gradloom {

/// What changes from step to step in an update rule, and from block to block.
struct UpdateContext {
  double learning_rate = 0;
  std::uint64_t step = 1;     ///< counted from 1
  double gradient_scale = 1;  ///< what the whole gradient is multiplied by: see clipped_scale()
  bool penalized = true;      ///< by optimizer.weight-decay and optimizer.l1
};

/// What a gradient of that norm is multiplied by, as torch.nn.utils.clip_grad_norm_ does: most / (norm + 1e-6), and 1
/// where that is more.
double clipped_scale(double norm, double most);

/// An update rule over flat blocks. Constant after construction: one optimizer serves all threads, and each call
/// touches only the elements it is given.
///
/// The gradient that a rule sees is, in this order, clipped by value, multiplied by the context's scale, and, where the
/// context penalizes, has weight_decay * w (but of adamw) and l1 * sign(w) added.
template <class T>
class Optimizer {
 public:
  explicit Optimizer(const Config::Optimizer& options) : options_(options) {}
  virtual ~Optimizer() = default;

  [[nodiscard]] const Config::Optimizer& options() const { return options_; }

  /// The state blocks it keeps beside the parameters, by PyTorch's names but for "momentum", PyTorch's
  /// momentum_buffer; at most kMostStates. Each is shaped like the parameters and starts with initial_state().
  [[nodiscard]] virtual std::vector<std::string> state_names() const = 0;
  static constexpr std::size_t kMostStates = 3;

  /// What every element of every state is before the first step.
  [[nodiscard]] virtual double initial_state() const { return 0; }

  /// Updates `n` consecutive parameters from their gradient. state[k] points at the same elements of the k-th block of
  /// state_names(). Returns false where a new parameter, a state that does not reach one at once, or a gradient that is
  /// clipped by value, is NaN or Inf.
  [[nodiscard]] virtual bool update(const UpdateContext& context, T* parameters, const T* gradient,
                                    std::span<T* const> state, std::size_t n) const = 0;

 protected:
  /// The way from the gradient to what the rule sees.
  [[nodiscard]] GradientTerms<T> terms(const UpdateContext& context) const;

 private:
  Config::Optimizer options_;
};

/// optimizer.epsilon, or what the type has for it.
double epsilon_of(const Config::Optimizer& options);

/// The rule that the config names.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const Config::Optimizer& options);

}  // namespace gradloom
