#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "gradloom/config.hpp"

namespace gradloom {

/// The learning rates that train() would use, step by step.
struct LearningRateCurve {
  std::uint64_t training_rows = 0;
  std::uint64_t steps_per_epoch = 0;
  std::uint64_t steps = 0;  ///< of the run, by train.epochs and train.max-steps
  /// Of a step counted from 1. With plateau, which goes by what training brings: where nothing falls.
  std::function<double(std::uint64_t step)> rate;
};

/// Of a config whose data.train holds `rows` rows (1 and more; those that data.valid-fraction holds out included).
/// nullopt: by the headers of its files. ConfigError, DataError.
LearningRateCurve learning_rate_curve(const Config& config, std::optional<std::uint64_t> rows = std::nullopt);

}  // namespace gradloom
