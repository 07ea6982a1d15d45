#include "engine/train/snapshot.hpp"

#include <algorithm>

namespace gradloom {

bool is_anchor(const Config& config, const Progress& progress) {
  const auto& when = config.checkpoint;
  const bool by_steps = when.every_steps && progress.step % *when.every_steps == 0;
  const bool by_epochs = when.every_epochs && progress.epoch_step == 0 && progress.epoch % *when.every_epochs == 0;
  const auto kept = static_cast<std::ptrdiff_t>(std::min(progress.best.size(), when.keep_best));
  const bool by_score = std::any_of(progress.best.begin(), progress.best.begin() + kept,
                                    [&](const BestEpoch& b) { return b.step == progress.step; });
  return progress.step == 0 || by_steps || by_epochs || by_score;
}

}  // namespace gradloom
