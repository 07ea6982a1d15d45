#pragma once

#include <cstdint>

#include "gradloom/config.hpp"

namespace gradloom {

/// Schedule state of plateau, as torch.optim.lr_scheduler.ReduceLROnPlateau keeps it.
struct PlateauState {
  double best = 0;                  ///< score; infinite where none has come yet
  std::uint64_t bad_epochs = 0;     ///< in a row, without a score that is better
  std::uint64_t cooldown_left = 0;  ///< epochs that do not count
  double scale = 1;                 ///< product of all falls: what optimizer.learning-rate is multiplied by
  friend bool operator==(const PlateauState&, const PlateauState&) = default;
};

/// Before the first epoch.
PlateauState plateau_start(bool score_rises);

/// Enters an epoch's score; NaN is never better. The learning rate falls where more than schedule.patience epochs
/// in a row were not better, unless that would change it by 1e-8 at most.
void enter_score(PlateauState& state, double score, bool score_rises, const Config& config);

}  // namespace gradloom
