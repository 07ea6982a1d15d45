#pragma once

#include <cstddef>
#include <vector>

#include "engine/nn/layout.hpp"

namespace gradloom {

/// The 2-norm of a whole gradient. It is summed in float64, in pieces of a fixed number of elements that are added in
/// the order of layers and elements, so that the result does not depend on who measures which of them.
template <class T>
class GradientNorm {
 public:
  /// Elements count as if brought to within +-most before. `layout` need not outlive the norm.
  GradientNorm(const ParameterLayout& layout, T most);

  /// Squares of every `parts`-th piece of a layer from piece `part` on. `gradient`: the layer's own, laid out as in the
  /// parameters, gaps of zeros included. Threads may call it at once for different parts.
  void measure(std::size_t layer, const T* gradient, std::size_t part = 0, std::size_t parts = 1);

  /// Of what was measured of all layers.
  [[nodiscard]] double value() const;

  /// False where the layer's own part of the norm is NaN or Inf.
  [[nodiscard]] bool is_finite(std::size_t layer) const;

 private:
  T most_;
  std::vector<std::size_t> elements_;         ///< [layer]
  std::vector<std::vector<double>> squares_;  ///< [layer][piece]
};

}  // namespace gradloom
