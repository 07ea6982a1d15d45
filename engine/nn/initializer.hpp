#pragma once

#include <cstdint>

#include "engine/nn/layout.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Fills a flat parameter block (layout.size() elements, gaps zeroed) from (seed, layer, element) alone, each number
/// drawn in float64 and rounded, so that float32 and float64 runs start from the same network.
/// Glorot and Bengio 2010 (xavier), He et al. 2015, LeCun et al. 1998. `kAuto`: he-uniform before relu, leaky-relu,
/// elu, gelu, silu and softplus; xavier-uniform before sigmoid, tanh and linear. Biases are zero, except for `kNormal`.
template <class T>
void initialize(Initializer init, const ParameterLayout& layout, std::uint64_t seed, T* parameters);

}  // namespace gradloom
