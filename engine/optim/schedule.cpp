#include "engine/optim/schedule.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "engine/core/rounding.hpp"

namespace gradloom {
namespace {

constexpr double kGamma = 0.1;
constexpr double kExponentialEnd = 0.01;  // of the first learning rate, where gamma is left out
constexpr double kRiseFraction = 0.3;
constexpr double kInitialDivisor = 25;
constexpr double kFinalDivisor = 1e4;

// From `from` at share 0 to `to` at share 1.
double annealed(Anneal way, double from, double to, double share) {
  if (way == Anneal::kLinear) return (to - from) * share + from;
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * share) + 1);
}

// Units of a run from its warm-up's end.
std::uint64_t units_behind_warmup(const RunLength& run, std::uint64_t warmup_steps, bool by_epoch) {
  if (run.steps <= warmup_steps) return 1;
  if (!by_epoch) return run.steps - warmup_steps;
  return divide_up(run.steps, run.steps_per_epoch) - warmup_steps / run.steps_per_epoch;
}

// An end of a one-cycle phase: where it is, and the learning rate there.
struct Turn {
  double at, rate;
};

}  // namespace

RunLength run_length(const Config& config, std::uint64_t training_rows) {
  const std::uint64_t steps_per_epoch = divide_up(training_rows, config.train.batch_size);
  const std::uint64_t most = config.train.max_steps.value_or(std::numeric_limits<std::uint64_t>::max());
  return {steps_per_epoch, config.train.epochs > most / steps_per_epoch ? most : config.train.epochs * steps_per_epoch};
}

Schedule::Schedule(const Config& config, const RunLength& run)
    : keys_(config.schedule),
      base_(config.optimizer.learning_rate),
      least_(keys_.min_learning_rate.value_or(0)),
      steps_per_epoch_(run.steps_per_epoch),
      by_epoch_(keys_.unit == ScheduleUnit::kEpoch),
      whole_(units_behind_warmup(run, keys_.warmup_steps, by_epoch_)),
      length_(keys_.length.value_or(whole_)),
      gamma_(keys_.gamma.value_or(kGamma)),
      step_size_(keys_.step_size.value_or(divide_up(whole_, 3))),
      milestones_(keys_.milestones) {
  if (milestones_.empty()) milestones_ = {divide_up(whole_, 2), whole_ - whole_ / 4};
  if (keys_.type == ScheduleType::kExponential && !keys_.gamma)
    gamma_ = std::pow(kExponentialEnd, 1 / static_cast<double>(whole_));
}

double Schedule::rate(std::uint64_t step, double plateau_scale) const {
  const double rate = rate_at(units_before(step), plateau_scale);
  if (step >= keys_.warmup_steps) return rate;
  return rate * static_cast<double>(step) / static_cast<double>(keys_.warmup_steps);
}

const char* Schedule::run_length_key() const {
  switch (keys_.type) {
    case ScheduleType::kConstant:
    case ScheduleType::kPlateau:
      return nullptr;
    case ScheduleType::kStep:
      return keys_.step_size ? nullptr : "schedule.step-size";
    case ScheduleType::kMultistep:
      return keys_.milestones.empty() ? "schedule.milestones" : nullptr;
    case ScheduleType::kExponential:
      return keys_.gamma ? nullptr : "schedule.gamma";
    case ScheduleType::kCosine:
      return keys_.period || keys_.length ? nullptr : "schedule.length";
    case ScheduleType::kPolynomial:
    case ScheduleType::kOneCycle:
      return keys_.length ? nullptr : "schedule.length";
  }
  return nullptr;  // unreachable: the switch covers the enumeration
}

std::uint64_t Schedule::units_before(std::uint64_t step) const {
  if (step <= keys_.warmup_steps) return 0;
  if (!by_epoch_) return step - 1 - keys_.warmup_steps;
  return (step - 1) / steps_per_epoch_ - keys_.warmup_steps / steps_per_epoch_;
}

double Schedule::rate_at(std::uint64_t t, double plateau_scale) const {
  const auto falls = [&](std::uint64_t count) { return base_ * std::pow(gamma_, static_cast<double>(count)); };
  switch (keys_.type) {
    case ScheduleType::kConstant:
      return base_;
    case ScheduleType::kStep:
      return falls(t / step_size_);
    case ScheduleType::kMultistep:
      return falls(static_cast<std::uint64_t>(std::ranges::upper_bound(milestones_, t) - milestones_.begin()));
    case ScheduleType::kExponential:
      return falls(t);
    case ScheduleType::kCosine:
      return cosine(t);
    case ScheduleType::kPolynomial: {
      const double left = static_cast<double>(length_ - std::min(t, length_)) / static_cast<double>(length_);
      return least_ + (base_ - least_) * std::pow(left, keys_.power.value_or(1));
    }
    case ScheduleType::kOneCycle:
      return one_cycle(t);
    case ScheduleType::kPlateau:
      return std::max(base_ * plateau_scale, least_);
  }
  return base_;  // unreachable: the switch covers the enumeration
}

double Schedule::cosine(std::uint64_t t) const {
  std::uint64_t period = keys_.period.value_or(length_);
  if (keys_.period) {
    const std::uint64_t factor = keys_.period_factor.value_or(1);
    if (factor == 1) t %= period;
    while (t >= period) {  // at most 64 times: each period is at least twice the one before
      t -= period;
      period = times(period, factor);
    }
  }
  return annealed(Anneal::kCosine, base_, least_, static_cast<double>(t) / static_cast<double>(period));
}

double Schedule::one_cycle(std::uint64_t t) const {
  const auto length = static_cast<double>(length_);
  const double first = base_ / keys_.initial_divisor.value_or(kInitialDivisor);
  const double last = first / keys_.final_divisor.value_or(kFinalDivisor);
  const double rise = keys_.rise_fraction.value_or(kRiseFraction) * length - 1;
  const std::array<Turn, 3> back_first = {{{rise, base_}, {2 * rise, first}, {length - 1, last}}};
  const std::array<Turn, 2> straight_down = {{{rise, base_}, {length - 1, last}}};
  const std::span<const Turn> turns =
      keys_.three_phase.value_or(false) ? std::span<const Turn>(back_first) : std::span<const Turn>(straight_down);
  const double now = static_cast<double>(std::min(t, length_ - 1));
  Turn from{0, first};
  for (const Turn& to : turns) {
    if (now <= to.at || &to == &turns.back())
      return to.at > from.at ? annealed(keys_.anneal.value_or(Anneal::kCosine), from.rate, to.rate,
                                        (now - from.at) / (to.at - from.at))
                             : to.rate;
    from = to;
  }
  return last;  // unreachable: the last turn returns
}

}  // namespace gradloom
