#include "engine/nn/layout.hpp"

#include <fmt/format.h>

#include <utility>

namespace gradloom {
namespace {

constexpr std::size_t kAlignElements = 16;  // a cache line of float32

std::size_t align(std::size_t n) { return (n + kAlignElements - 1) / kAlignElements * kAlignElements; }

}  // namespace

ParameterLayout::ParameterLayout(std::size_t inputs, std::span<const LayerSpec> layers) : inputs_(inputs) {
  for (const LayerSpec& spec : layers) {
    LayerLayout layer{inputs, spec.units, spec.activation, 0, 0, spec.dropout, {}};
    layer.weight_offset = append(layer, "weight", spec.units, inputs);
    layer.bias_offset = append(layer, "bias", spec.units, std::nullopt);
    layers_.push_back(std::move(layer));
    inputs = spec.units;
  }
}

std::size_t ParameterLayout::elements_of_layer(std::size_t l) const {
  const std::size_t end = l + 1 < depth() ? layers_[l + 1].weight_offset : size_;
  return end - layers_[l].weight_offset;
}

std::size_t ParameterLayout::append(LayerLayout& layer, const char* name, std::size_t rows,
                                    std::optional<std::size_t> cols) {
  layer.tensors.push_back({name, size_, rows, cols});
  size_ += align(layer.tensors.back().size());
  return layer.tensors.back().offset;
}

std::size_t ParameterLayout::parameter_count() const {
  std::size_t count = 0;
  for (const LayerLayout& layer : layers_)
    for (const LayerTensor& tensor : layer.tensors) count += tensor.size();
  return count;
}

std::vector<LayerSpec> ParameterLayout::specs() const {
  std::vector<LayerSpec> specs;
  for (const LayerLayout& layer : layers_) specs.push_back({layer.units, layer.activation, layer.dropout});
  return specs;
}

std::string layer_name(std::size_t index) { return fmt::format("layer_{:03}", index); }

}  // namespace gradloom
