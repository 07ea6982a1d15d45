#pragma once

#include <optional>

#include "engine/nn/layout.hpp"
#include "engine/optim/optimizer.hpp"
#include "engine/train/step_graph.hpp"
#include "gradloom/config.hpp"

namespace gradloom {

/// What a new run starts with: parameters by model.init and train.seed, optimizer state as the rule has it, and by
/// train.ema an average that holds the parameters.
template <class T>
TrainingState<T> initial_state(const Config& config, const ParameterLayout& layout, const Optimizer<T>& optimizer);

/// The parameters of model.init-from, a flat block of `layout`; nothing where the key is not set. ConfigError where the
/// file does not exist, else as read_initial_parameters().
template <class T>
std::optional<AlignedBuffer<T>> given_parameters(const Config& config, const ParameterLayout& layout);

}  // namespace gradloom
