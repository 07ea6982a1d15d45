#pragma once

#include <cstdint>
#include <vector>

#include "gradloom/config.hpp"

namespace gradloom {

/// How long a run is by its config and the rows that it trains on.
struct RunLength {
  std::uint64_t steps_per_epoch = 1;
  std::uint64_t steps = 0;  ///< by train.epochs and train.max-steps, whichever comes first
};
RunLength run_length(const Config& config, std::uint64_t training_rows);

/// The learning rate of every step, a function of config and run length alone. With b = optimizer.learning-rate,
/// m = schedule.min-learning-rate, and t units (steps, or whole epochs) done since the warm-up's end before a step, it
/// is what a scheduler of torch.optim.lr_scheduler has after t calls of its step():
///
///   constant     b
///   step         b * gamma ^ floor(t / step_size)
///   multistep    b * gamma ^ (number of milestones <= t)
///   exponential  b * gamma ^ t
///   cosine       m + (b - m) * (1 + cos(pi * u / P)) / 2;   u = t, P = length; or, with a period, u counts from the
///                last start and P is that period: period, period * period_factor, ... one after the other
///   polynomial   m + (b - m) * (1 - min(t, length) / length) ^ power
///   one-cycle    b / initial_divisor -> b -> b / (initial_divisor * final_divisor), which it reaches at length - 1 and
///                keeps
///   plateau      max(b * scale, m), where the scale is PlateauState's
///
/// One-cycle leaves the momentum alone. Step s of w warm-up steps takes s / w of what t = 0 gives. Of epochs, the one
/// that the step behind the warm-up belongs to has t = 0.
class Schedule {
 public:
  /// The config is valid, and need not outlive the schedule.
  Schedule(const Config& config, const RunLength& run);

  /// Of a step counted from 1. `plateau_scale` is looked at by plateau alone.
  [[nodiscard]] double rate(std::uint64_t step, double plateau_scale = 1) const;

  /// The key whose value would part the rates from the number of steps in the run; null where they do not hang on it.
  [[nodiscard]] const char* run_length_key() const;

 private:
  [[nodiscard]] std::uint64_t units_before(std::uint64_t step) const;
  [[nodiscard]] double rate_at(std::uint64_t t, double plateau_scale) const;
  [[nodiscard]] double cosine(std::uint64_t t) const;
  [[nodiscard]] double one_cycle(std::uint64_t t) const;

  Config::Schedule keys_;
  double base_;
  double least_;
  std::uint64_t steps_per_epoch_;
  bool by_epoch_;
  std::uint64_t whole_;   ///< units of the run from the warm-up's end, at least 1
  std::uint64_t length_;  ///< the same, or what the config says
  double gamma_;
  std::uint64_t step_size_;
  std::vector<std::uint64_t> milestones_;
};

}  // namespace gradloom
