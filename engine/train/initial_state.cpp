#include "engine/train/initial_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/checkpoint/initial_parameters.hpp"
#include "engine/nn/initializer.hpp"
#include "engine/train/run_checks.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Gaps between tensors are left as they are.
template <class T>
void fill_tensors(const ParameterLayout& layout, T value, T* block) {
  for (std::size_t l = 0; l < layout.depth(); ++l)
    for (const LayerTensor& tensor : layout.layer(l).tensors)
      if (tensor.learned) std::fill_n(block + tensor.offset, tensor.size(), value);
}

}  // namespace

template <class T>
TrainingState<T> initial_state(const Config& config, const ParameterLayout& layout, const Optimizer<T>& optimizer) {
  TrainingState<T> state{AlignedBuffer<T>(layout.size()), {}};
  initialize(config.model.init, layout, config.train.seed, state.parameters.data());
  for (const std::string& name : optimizer.state_names()) {
    AlignedBuffer<T> block(layout.size(), T{0});
    fill_tensors(layout, static_cast<T>(optimizer.initial_state()), block.data());
    state.optimizer.emplace_back(name, std::move(block));
  }
  if (config.train.ema) state.average = state.parameters;
  return state;
}

template <class T>
std::optional<AlignedBuffer<T>> given_parameters(const Config& config, const ParameterLayout& layout) {
  const std::string& path = config.model.init_from;
  if (path.empty()) return std::nullopt;
  if (!std::filesystem::exists(path))
    throw ConfigError(fmt::format("{} = {}: no such file", key_place(config, "model.init-from"), path));
  return read_initial_parameters<T>(path, layout);
}

template TrainingState<float> initial_state(const Config&, const ParameterLayout&, const Optimizer<float>&);
template TrainingState<double> initial_state(const Config&, const ParameterLayout&, const Optimizer<double>&);
template std::optional<AlignedBuffer<float>> given_parameters(const Config&, const ParameterLayout&);
template std::optional<AlignedBuffer<double>> given_parameters(const Config&, const ParameterLayout&);

}  // namespace gradloom
