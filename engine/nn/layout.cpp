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
    LayerLayout layer;
    layer.inputs = inputs;
    layer.units = spec.units;
    layer.activation = spec.activation;
    layer.dropout = spec.dropout;
    layer.weight_offset = append(layer, {.name = "weight", .rows = spec.units, .cols = inputs});
    layer.bias_offset = append(layer, {.name = "bias", .rows = spec.units});
    layer.normalization = spec.normalization;
    layer.norm_place = spec.norm_place;
    if (spec.normalization != Normalization::kNone) append_normalization(layer);
    layer.slopes = spec.slopes;
    if (const std::size_t slopes = layer.slope_count(); slopes > 0)
      layer.slope_offset = append(layer, {.name = "slope", .rows = slopes});
    layers_.push_back(std::move(layer));
    inputs = spec.units;
  }
}

std::size_t ParameterLayout::elements_of_layer(std::size_t l) const {
  const std::size_t end = l + 1 < depth() ? layers_[l + 1].weight_offset : size_;
  return end - layers_[l].weight_offset;
}

std::size_t ParameterLayout::append(LayerLayout& layer, LayerTensor tensor) {
  tensor.offset = size_;
  size_ += align(tensor.size());
  layer.tensors.push_back(tensor);
  return tensor.offset;
}

void ParameterLayout::append_normalization(LayerLayout& layer) {
  layer.norm_weight_offset = append(layer, {.name = "norm_weight", .rows = layer.units});
  layer.norm_bias_offset = append(layer, {.name = "norm_bias", .rows = layer.units});
  if (layer.normalization != Normalization::kBatchNorm) return;
  layer.running_mean_offset = append(layer, {.name = "running_mean", .rows = layer.units, .learned = false});
  layer.running_var_offset = append(layer, {.name = "running_var", .rows = layer.units, .learned = false});
}

std::size_t ParameterLayout::parameter_count() const {
  std::size_t count = 0;
  for (const LayerLayout& layer : layers_)
    for (const LayerTensor& tensor : layer.tensors)
      if (tensor.learned) count += tensor.size();
  return count;
}

std::vector<LayerSpec> ParameterLayout::specs() const {
  std::vector<LayerSpec> specs;
  for (const LayerLayout& layer : layers_)
    specs.push_back(
        {layer.units, layer.activation, layer.dropout, layer.normalization, layer.norm_place, layer.slopes});
  return specs;
}

std::string layer_name(std::size_t index) { return fmt::format("layer_{:03}", index); }

}  // namespace gradloom
