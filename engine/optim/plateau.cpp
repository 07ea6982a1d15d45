#include "engine/optim/plateau.hpp"

#include <algorithm>
#include <limits>

namespace gradloom {
namespace {

// Defaults of ReduceLROnPlateau, and its `eps`.
constexpr double kFactor = 0.1;
constexpr std::uint64_t kPatience = 10;
constexpr double kThreshold = 1e-4;
constexpr double kLeastFall = 1e-8;

bool is_better(double score, double best, bool rises, const Config::Schedule& keys) {
  const double threshold = keys.threshold.value_or(kThreshold);
  if (keys.threshold_mode == ThresholdMode::kAbsolute)
    return rises ? score > best + threshold : score < best - threshold;
  return rises ? score > best * (1 + threshold) : score < best * (1 - threshold);
}

}  // namespace

PlateauState plateau_start(bool score_rises) {
  constexpr double kWorst = std::numeric_limits<double>::infinity();
  return {score_rises ? -kWorst : kWorst, 0, 0, 1};
}

void enter_score(PlateauState& state, double score, bool score_rises, const Config& config) {
  const Config::Schedule& keys = config.schedule;
  if (is_better(score, state.best, score_rises, keys)) {
    state.best = score;
    state.bad_epochs = 0;
  } else {
    ++state.bad_epochs;
  }
  if (state.cooldown_left > 0) {
    --state.cooldown_left;
    state.bad_epochs = 0;
  }
  if (state.bad_epochs <= keys.patience.value_or(kPatience)) return;
  const double least = keys.min_learning_rate.value_or(0);
  const auto rate = [&](double scale) { return std::max(config.optimizer.learning_rate * scale, least); };
  const double fallen = state.scale * keys.factor.value_or(kFactor);
  if (rate(state.scale) - rate(fallen) > kLeastFall) state.scale = fallen;
  state.cooldown_left = keys.cooldown.value_or(0);
  state.bad_epochs = 0;
}

}  // namespace gradloom
