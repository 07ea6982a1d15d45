#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Where one dense layer's parameters stand in the flat block. Offsets count elements.
struct LayerLayout {
  std::size_t inputs = 0;
  std::size_t units = 0;
  Activation activation = Activation::kLinear;
  std::size_t weight_offset = 0;  ///< (units, inputs), row-major
  std::size_t bias_offset = 0;    ///< (units)
  double dropout = 0;
};

/// The one source of offsets into every flat block shaped like the parameters: parameters, gradients, optimizer
/// state. Each tensor starts on a multiple of 16 elements; the gaps hold zeros and stay zero.
class ParameterLayout {
 public:
  ParameterLayout() = default;
  ParameterLayout(std::size_t inputs, std::span<const LayerSpec> layers);

  [[nodiscard]] std::size_t inputs() const { return inputs_; }
  [[nodiscard]] std::size_t outputs() const { return layers_.back().units; }
  [[nodiscard]] std::size_t depth() const { return layers_.size(); }
  [[nodiscard]] const LayerLayout& layer(std::size_t l) const { return layers_[l]; }
  /// Elements of a flat block, gaps included.
  [[nodiscard]] std::size_t size() const { return size_; }
  /// A layer's own part of a flat block, from its weights on, gaps included.
  [[nodiscard]] std::size_t elements_of_layer(std::size_t l) const;
  /// Parameters proper, without gaps.
  [[nodiscard]] std::size_t parameter_count() const;
  [[nodiscard]] std::vector<LayerSpec> specs() const;

  /// Layer l's weights in a block of this layout: (units, inputs).
  template <class T>
  [[nodiscard]] MatrixView<T> weight(T* block, std::size_t l) const {
    const LayerLayout& layer = layers_[l];
    return {block + layer.weight_offset, layer.units, layer.inputs};
  }
  /// Layer l's biases in a block of this layout: (units).
  template <class T>
  [[nodiscard]] std::span<T> bias(T* block, std::size_t l) const {
    const LayerLayout& layer = layers_[l];
    return {block + layer.bias_offset, layer.units};
  }

 private:
  std::size_t inputs_ = 0;
  std::size_t size_ = 0;
  std::vector<LayerLayout> layers_;
};

/// "layer_007": the layer's name in checkpoints and messages.
std::string layer_name(std::size_t index);

}  // namespace gradloom
