#include "engine/optim/schedule.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "support/catch.hpp"

using namespace gradloom;

namespace {

constexpr RunLength kRun{10, 100};  // 10 epochs of 10 steps

Config config_of(ScheduleType type) {
  Config config;
  config.optimizer.learning_rate = 0.4;
  config.schedule.type = type;
  return config;
}

/// Rates of the steps, counted from 1.
std::vector<double> rates_of(const Config& config, const std::vector<std::uint64_t>& steps,
                             const RunLength& run = kRun) {
  const Schedule schedule(config, run);
  std::vector<double> rates;
  for (const std::uint64_t step : steps) rates.push_back(schedule.rate(step));
  return rates;
}

void check_rates(const Config& config, const std::vector<std::uint64_t>& steps, const std::vector<double>& expected,
                 const RunLength& run = kRun) {
  const std::vector<double> rates = rates_of(config, steps, run);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(steps[i]);
    CHECK(rates[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("a run is as long as epochs or max-steps say", "[optim]") {
  Config config;
  config.train.epochs = 3;
  config.train.batch_size = 32;
  CHECK(run_length(config, 97).steps_per_epoch == 4);
  CHECK(run_length(config, 97).steps == 12);
  CHECK(run_length(config, 96).steps == 9);
  config.train.max_steps = 7;
  CHECK(run_length(config, 97).steps == 7);
  config.train.epochs = std::numeric_limits<std::uint64_t>::max();
  CHECK(run_length(config, 97).steps == 7);
  config.train.max_steps = std::nullopt;
  CHECK(run_length(config, 97).steps == std::numeric_limits<std::uint64_t>::max());
  config.train.epochs = 0;
  CHECK(run_length(config, 97).steps == 0);
}

TEST_CASE("a constant learning rate warms up linearly, then stays, to the bit", "[optim]") {
  Config config = config_of(ScheduleType::kConstant);
  CHECK(rates_of(config, {1, 1000}) == std::vector<double>{0.4, 0.4});
  config.schedule.warmup_steps = 4;
  CHECK(rates_of(config, {1, 3, 4, 1000}) == std::vector<double>{0.4 * 1 / 4, 0.4 * 3 / 4, 0.4, 0.4});
}

TEST_CASE("learning rates fall at counts of steps", "[optim]") {
  Config config = config_of(ScheduleType::kStep);
  check_rates(config, {1, 34, 35, 68, 69, 100}, {0.4, 0.4, 0.04, 0.04, 0.004, 0.004});  // auto: 34 steps
  config.schedule.step_size = 3;
  config.schedule.gamma = 0.5;
  check_rates(config, {3, 4, 6, 7}, {0.4, 0.2, 0.2, 0.1});
  config.schedule.warmup_steps = 2;
  check_rates(config, {1, 2, 5, 6}, {0.2, 0.4, 0.4, 0.2});

  config = config_of(ScheduleType::kMultistep);
  check_rates(config, {50, 51, 75, 76}, {0.4, 0.04, 0.04, 0.004});
  config.schedule.milestones = {1, 5};
  check_rates(config, {1, 2, 5, 6}, {0.4, 0.04, 0.04, 0.004});

  config = config_of(ScheduleType::kExponential);
  check_rates(config, {1, 101}, {0.4, 0.004});
  config.schedule.gamma = 0.5;
  check_rates(config, {1, 2, 4}, {0.4, 0.2, 0.05});
}

TEST_CASE("a schedule by epochs begins with the epoch of the first step behind the warm-up", "[optim]") {
  Config config = config_of(ScheduleType::kExponential);
  config.schedule.unit = ScheduleUnit::kEpoch;
  config.schedule.gamma = 0.5;
  check_rates(config, {1, 10, 11, 20, 21}, {0.4, 0.4, 0.2, 0.2, 0.1});
  config.schedule.warmup_steps = 5;
  check_rates(config, {1, 5, 6, 10, 11}, {0.08, 0.4, 0.4, 0.4, 0.2});
  config.schedule.warmup_steps = 10;  // the next step starts an epoch
  check_rates(config, {9, 10, 11, 20, 21}, {0.36, 0.4, 0.4, 0.4, 0.2});
  config.schedule.gamma = std::nullopt;  // 9 epochs are left
  check_rates(config, {11, 21, 101}, {0.4, 0.4 * std::pow(0.01, 1.0 / 9), 0.004});
}

TEST_CASE("a polynomial and a cosine end with the run or their length", "[optim]") {
  Config config = config_of(ScheduleType::kPolynomial);
  check_rates(config, {1, 51, 100, 101, 500}, {0.4, 0.2, 0.004, 0, 0});
  config.schedule.length = 10;
  config.schedule.power = 2;
  config.schedule.min_learning_rate = 0.2;
  check_rates(config, {1, 6, 11, 12}, {0.4, 0.25, 0.2, 0.2});

  config = config_of(ScheduleType::kCosine);
  config.schedule.warmup_steps = 20;
  check_rates(config, {20, 21, 61, 101}, {0.4, 0.4, 0.2, 0});
  config.schedule.length = 4;
  config.schedule.min_learning_rate = 0.2;
  check_rates(config, {21, 23, 25, 27, 29}, {0.4, 0.3, 0.2, 0.3, 0.4});  // as PyTorch's, it comes back
}

TEST_CASE("a cosine with a period starts again and again", "[optim]") {
  Config config = config_of(ScheduleType::kCosine);
  config.schedule.period = 2;
  check_rates(config, {1, 2, 3, 4, 5}, {0.4, 0.2, 0.4, 0.2, 0.4});
  config.schedule.period_factor = 3;  // 2, 6, 18
  check_rates(config, {1, 2, 3, 6, 9, 18, 27}, {0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4});
  // Periods beyond 2^64 end: the fortieth is 2 * 3^39, the forty-first would not fit.
  CHECK(Schedule(config, kRun).rate(std::numeric_limits<std::uint64_t>::max()) > 0);
  config.schedule.period_factor = std::numeric_limits<std::uint64_t>::max();
  check_rates(config, {1, 2, 3, 1000}, {0.4, 0.2, 0.4, 0.4});
}

TEST_CASE("one cycle rises to the learning rate and falls below where it began", "[optim]") {
  Config config = config_of(ScheduleType::kOneCycle);
  const double first = 0.4 / 25, last = first / 1e4;
  check_rates(config, {1, 30, 100, 200}, {first, 0.4, last, last});
  config.schedule.anneal = Anneal::kLinear;
  config.schedule.three_phase = true;
  config.schedule.initial_divisor = 2;
  config.schedule.final_divisor = 4;
  check_rates(config, {1, 30, 59, 100}, {0.2, 0.4, 0.2, 0.05});
  config.schedule.warmup_steps = 2;
  check_rates(config, {1, 2, 3}, {0.1, 0.2, 0.2});  // up to its own first value
  config.schedule = {};
  config.schedule.type = ScheduleType::kOneCycle;
  config.schedule.length = 1;  // nothing to rise in
  for (const double rise : {0.0, 0.3, 1.0}) {
    config.schedule.rise_fraction = rise;
    CHECK(std::isfinite(Schedule(config, kRun).rate(1)));
  }
}

TEST_CASE("schedules that end with the run name the key that parts them", "[optim]") {
  const auto key_of = [](const Config& config) {
    const char* key = Schedule(config, kRun).run_length_key();
    return std::string(key != nullptr ? key : "");
  };
  CHECK(key_of(config_of(ScheduleType::kConstant)).empty());
  CHECK(key_of(config_of(ScheduleType::kPlateau)).empty());
  CHECK(key_of(config_of(ScheduleType::kStep)) == "schedule.step-size");
  CHECK(key_of(config_of(ScheduleType::kMultistep)) == "schedule.milestones");
  CHECK(key_of(config_of(ScheduleType::kExponential)) == "schedule.gamma");
  for (const ScheduleType type : {ScheduleType::kCosine, ScheduleType::kPolynomial, ScheduleType::kOneCycle})
    CHECK(key_of(config_of(type)) == "schedule.length");

  Config config = config_of(ScheduleType::kCosine);
  config.schedule.period = 5;
  CHECK(key_of(config).empty());
  config.schedule = {};
  config.schedule.length = 5;
  config.schedule.step_size = 5;
  config.schedule.milestones = {5};
  config.schedule.gamma = 0.5;
  for (const std::string& type : enum_names<ScheduleType>()) {
    config.schedule.type = *from_string<ScheduleType>(type);
    CHECK(key_of(config).empty());
    const Schedule longer(config, {10, 1000});
    CHECK(Schedule(config, kRun).rate(77) == longer.rate(77));
  }
}

TEST_CASE("rates stay finite in runs of any length", "[optim]") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  for (const RunLength& run : {RunLength{1, 0}, RunLength{1, 1}, RunLength{3, kMost}, RunLength{kMost, kMost}})
    for (const std::string& type : enum_names<ScheduleType>())
      for (const auto unit : {ScheduleUnit::kStep, ScheduleUnit::kEpoch})
        for (const std::uint64_t warmup : {std::uint64_t{0}, std::uint64_t{5}, kMost}) {
          Config config = config_of(*from_string<ScheduleType>(type));
          config.schedule.unit = unit;
          config.schedule.warmup_steps = warmup;
          CAPTURE(type, run.steps, warmup);
          const Schedule schedule(config, run);
          for (const std::uint64_t step : {std::uint64_t{1}, std::uint64_t{6}, kMost / 2, kMost}) {
            const double rate = schedule.rate(step);
            CHECK((rate >= 0 && rate <= 0.4 * (1 + 1e-12)));
          }
        }
}
