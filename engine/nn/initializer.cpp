#include "engine/nn/initializer.hpp"

#include <algorithm>
#include <cmath>

#include "engine/core/random.hpp"
#include "engine/nn/layer_prelu.hpp"

namespace gradloom {
namespace {

/// What a layer's weights are drawn from.
struct Distribution {
  enum class Kind { kZero, kUniform, kNormal } kind = Kind::kZero;
  double scale = 0;  ///< uniform: half of the width around 0; normal: the standard deviation

  [[nodiscard]] double draw(const CounterRandom& random, std::uint64_t counter) const {
    switch (kind) {
      case Kind::kZero:
        return 0;
      case Kind::kUniform:
        return scale * (2 * random.uniform(counter) - 1);
      case Kind::kNormal:
        return scale * random.normal(counter);
    }
    return 0;  // unreachable: the switch covers the enumeration
  }
};

bool saturates(Activation f) {
  return f == Activation::kSigmoid || f == Activation::kTanh || f == Activation::kSoftsign;
}

/// What `auto` stands for. selu keeps means and deviations of what goes through it with weights of this deviation.
Initializer resolved(Initializer init, Activation f) {
  return init == Initializer::kAuto && f == Activation::kSelu ? Initializer::kLecunNormal : init;
}

Distribution weight_distribution(Initializer init, const LayerLayout& layer) {
  using Kind = Distribution::Kind;
  const auto fan_in = static_cast<double>(layer.inputs);
  const auto fan_sum = static_cast<double>(layer.inputs + layer.units);
  switch (resolved(init, layer.activation)) {
    case Initializer::kXavierUniform:
      return {Kind::kUniform, std::sqrt(6 / fan_sum)};
    case Initializer::kXavierNormal:
      return {Kind::kNormal, std::sqrt(2 / fan_sum)};
    case Initializer::kHeUniform:
      return {Kind::kUniform, std::sqrt(6 / fan_in)};
    case Initializer::kHeNormal:
      return {Kind::kNormal, std::sqrt(2 / fan_in)};
    case Initializer::kLecunNormal:
      return {Kind::kNormal, std::sqrt(1 / fan_in)};
    case Initializer::kNormal:
      return {Kind::kNormal, 1};
    case Initializer::kAuto:
      return {Kind::kUniform, saturates(layer.activation) ? std::sqrt(6 / fan_sum) : std::sqrt(1 / fan_in)};
    case Initializer::kZeros:
      break;
  }
  return {};
}

Distribution bias_distribution(Initializer init, const LayerLayout& layer) {
  init = resolved(init, layer.activation);
  if (init == Initializer::kNormal || (init == Initializer::kAuto && !saturates(layer.activation)))
    return weight_distribution(init, layer);
  return {};
}

}  // namespace

template <class T>
void initialize(Initializer init, const ParameterLayout& layout, std::uint64_t seed, T* parameters) {
  std::fill_n(parameters, layout.size(), T{0});
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    const CounterRandom random(seed, RandomUse::kInitializer, static_cast<std::uint32_t>(l));
    const Distribution weights = weight_distribution(init, layer);
    const std::size_t count = layer.units * layer.inputs;
    T* weight = parameters + layer.weight_offset;
    for (std::size_t i = 0; i < count; ++i) weight[i] = static_cast<T>(weights.draw(random, i));
    const Distribution biases = bias_distribution(init, layer);
    T* bias = parameters + layer.bias_offset;  // counters go on where the weights' end
    for (std::size_t u = 0; u < layer.units; ++u) bias[u] = static_cast<T>(biases.draw(random, count + u));
    if (layer.normalization != Normalization::kNone)
      std::fill_n(parameters + layer.norm_weight_offset, layer.units, T{1});
    std::ranges::fill(layout.running_var(parameters, l), T{1});
    std::ranges::fill(layout.slope(parameters, l), static_cast<T>(kInitialSlope));
  }
}

template void initialize(Initializer, const ParameterLayout&, std::uint64_t, float*);
template void initialize(Initializer, const ParameterLayout&, std::uint64_t, double*);

}  // namespace gradloom
