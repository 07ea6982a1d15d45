#include "engine/optim/schedule.hpp"
#include "engine/train/run_data.hpp"
#include "gradloom/schedule.hpp"

namespace gradloom {

LearningRateCurve learning_rate_curve(const Config& config, std::optional<std::uint64_t> rows) {
  validate(config);
  const std::uint64_t training_rows = count_training_rows(config, rows);
  const RunLength length = run_length(config, training_rows);
  return {training_rows, length.steps_per_epoch, length.steps,
          [schedule = Schedule(config, length)](std::uint64_t step) { return schedule.rate(step); }};
}

}  // namespace gradloom
