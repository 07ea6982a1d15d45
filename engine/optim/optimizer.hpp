#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gradloom/config.hpp"

namespace gradloom {

/// What changes from step to step in an update rule.
struct UpdateContext {
  double learning_rate = 0;
  std::uint64_t step = 1;  ///< counted from 1
};

/// An update rule over flat blocks. Constant after construction: one optimizer serves all threads, and each call
/// touches only the elements it is given.
template <class T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// The state blocks it keeps beside the parameters, by PyTorch's names; each is shaped like the parameters and
  /// starts as zeros.
  [[nodiscard]] virtual std::vector<std::string> state_names() const = 0;

  /// Updates `n` consecutive parameters from their gradient. state[k] points at the same elements of the k-th block of
  /// state_names(). Returns false where a new parameter, or a state that does not reach one at once, is NaN or Inf.
  [[nodiscard]] virtual bool update(const UpdateContext& context, T* parameters, const T* gradient,
                                    std::span<T* const> state, std::size_t n) const = 0;
};

/// The rule that the config names.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(const Config::Optimizer& options);

}  // namespace gradloom
