#pragma once

#include <cstdint>

#include "engine/nn/layout.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// Fills a flat parameter block (layout.size() elements, gaps zeroed) from (seed, layer, element) alone, each number
/// drawn in float64 and rounded, so that float32 and float64 runs start from the same network.
/// Glorot and Bengio 2010 (xavier), He et al. 2015, LeCun et al. 1998; biases are zero, except for `kNormal` and where
/// `kAuto` says otherwise.
/// Whatever `init` is, normalizations start with a scale of 1 and a shift of 0, running averages with a mean of 0 and a
/// variance of 1, slopes with 0.25.
/// `kAuto`: xavier-uniform and zero biases before sigmoid and tanh; before all others weights and biases uniform in
/// ±1/sqrt(fan-in), as torch.nn.Linear starts. He's rule is not the default there: on tables with outliers (California
/// housing, standardized) SGD at rate 0.01 and momentum 0.9 diverges from it, in PyTorch as here.
template <class T>
void initialize(Initializer init, const ParameterLayout& layout, std::uint64_t seed, T* parameters);

}  // namespace gradloom
