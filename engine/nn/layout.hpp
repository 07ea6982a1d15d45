#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// A tensor of a layer: where it stands in a flat block, row-major, and what checkpoints call it.
struct LayerTensor {
  const char* name = "";                 ///< "weight", the data set beside the layer's others
  std::size_t offset = 0;                ///< in elements
  std::size_t rows = 0;                  ///< units
  std::optional<std::size_t> cols = {};  ///< inputs; none: it is a vector of `rows` elements
  bool learned = true;                   ///< else it is no parameter: no gradient, no optimizer state
  [[nodiscard]] std::size_t size() const { return rows * cols.value_or(1); }
  /// As a data set has it.
  [[nodiscard]] std::vector<std::uint64_t> shape() const {
    return cols ? std::vector<std::uint64_t>{rows, *cols} : std::vector<std::uint64_t>{rows};
  }
};

/// Where one dense layer's parameters stand in the flat block. Offsets count elements.
struct LayerLayout {
  std::size_t inputs = 0;
  std::size_t units = 0;
  Activation activation = Activation::kLinear;
  std::size_t weight_offset = 0;  ///< (units, inputs), row-major
  std::size_t bias_offset = 0;    ///< (units)
  double dropout = 0;
  Normalization normalization = Normalization::kNone;
  NormPlace norm_place = NormPlace::kBeforeActivation;
  // Of a normalization, (units) each. The averages are a batch-norm's alone, and not learned.
  std::size_t norm_weight_offset = 0;
  std::size_t norm_bias_offset = 0;
  std::size_t running_mean_offset = 0;
  std::size_t running_var_offset = 0;
  Slopes slopes = Slopes::kOne;
  std::size_t slope_offset = 0;      ///< of a prelu, (slope_count())
  std::vector<LayerTensor> tensors;  ///< all of them, in the order of their offsets and of checkpoints

  [[nodiscard]] bool normalizes(NormPlace place) const {
    return normalization != Normalization::kNone && norm_place == place;
  }
  /// Slopes that are learned; none where the activation is no prelu.
  [[nodiscard]] std::size_t slope_count() const {
    if (activation != Activation::kPrelu) return 0;
    return slopes == Slopes::kUnits ? units : 1;
  }
  /// True where more is learned than weights and biases: what its functions take.
  [[nodiscard]] bool learns_functions() const {
    return normalization != Normalization::kNone || activation == Activation::kPrelu;
  }
};

/// The one source of offsets into every flat block shaped like the parameters: parameters, gradients, optimizer
/// state. What training follows by running averages stands among the parameters too: whoever has these has them, and
/// the other blocks hold zeros there. Each tensor starts on a multiple of 16 elements; the gaps hold zeros and stay
/// zero.
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
  /// Parameters proper, without gaps and running averages.
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
  /// Layer l's running variances in a block of this layout: (units), or none where it has no batch-norm.
  template <class T>
  [[nodiscard]] std::span<T> running_var(T* block, std::size_t l) const {
    const LayerLayout& layer = layers_[l];
    return {block + layer.running_var_offset, layer.normalization == Normalization::kBatchNorm ? layer.units : 0};
  }
  /// Layer l's slopes in a block of this layout: (slope_count()).
  template <class T>
  [[nodiscard]] std::span<T> slope(T* block, std::size_t l) const {
    const LayerLayout& layer = layers_[l];
    return {block + layer.slope_offset, layer.slope_count()};
  }
  /// Any tensor in a block of this layout: (rows, cols), a vector as one column.
  template <class T>
  [[nodiscard]] static MatrixView<T> tensor(T* block, const LayerTensor& tensor) {
    return {block + tensor.offset, tensor.rows, tensor.cols.value_or(1)};
  }

 private:
  /// The next tensor of the layer, behind all that are there.
  std::size_t append(LayerLayout& layer, LayerTensor tensor);
  void append_normalization(LayerLayout& layer);

  std::size_t inputs_ = 0;
  std::size_t size_ = 0;
  std::vector<LayerLayout> layers_;
};

/// "layer_007": the layer's name in checkpoints and messages.
std::string layer_name(std::size_t index);

}  // namespace gradloom
