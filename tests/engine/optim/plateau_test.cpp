#include "engine/optim/plateau.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "engine/optim/schedule.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

Config config_of_test() {
  Config config;
  config.optimizer.learning_rate = 1;
  config.schedule.type = ScheduleType::kPlateau;
  config.schedule.factor = 0.5;
  config.schedule.patience = 1;
  return config;
}

/// The learning rate behind each score.
std::vector<double> rates_after(const Config& config, const std::vector<double>& scores, bool rises = false) {
  const Schedule schedule(config, {1, 100});
  PlateauState state = plateau_start(rises);
  std::vector<double> rates;
  for (const double score : scores) {
    enter_score(state, score, rises, config);
    rates.push_back(schedule.rate(1, state.scale));
  }
  return rates;
}

}  // namespace

TEST_CASE("the learning rate falls behind patience and one more epochs without improvement", "[optim]") {
  Config config = config_of_test();
  CHECK(rates_after(config, {3, 2, 2, 2, 2, 2}) == std::vector<double>{1, 1, 1, 0.5, 0.5, 0.25});
  CHECK(rates_after(config, {3, 4, 2, 3, 1, 1}) == std::vector<double>{1, 1, 1, 1, 1, 1});
  CHECK(rates_after(config, {3, 4, 5, 6, 7}, true) == std::vector<double>{1, 1, 1, 1, 1});
  CHECK(rates_after(config, {3, 2, 1}, true) == std::vector<double>{1, 1, 0.5});
  config.schedule.cooldown = 2;
  CHECK(rates_after(config, {3, 3, 3, 3, 3, 3, 3}) == std::vector<double>{1, 1, 0.5, 0.5, 0.5, 0.5, 0.25});
}

TEST_CASE("what counts as better is a share or a difference", "[optim]") {
  Config config = config_of_test();
  config.schedule.patience = 0;
  config.schedule.threshold = 0.25;
  CHECK(rates_after(config, {8, 6, 5.99, 4}) == std::vector<double>{1, 0.5, 0.5, 0.5});
  CHECK(rates_after(config, {8, 10, 10.01}, true) == std::vector<double>{1, 0.5, 0.5});
  config.schedule.threshold_mode = ThresholdMode::kAbsolute;
  CHECK(rates_after(config, {8, 7.75, 7.5}) == std::vector<double>{1, 0.5, 0.5});
  CHECK(rates_after(config, {8, 8.25, 8.5}, true) == std::vector<double>{1, 0.5, 0.5});
}

TEST_CASE("a learning rate falls no further than to the least one, or by next to nothing", "[optim]") {
  Config config = config_of_test();
  config.schedule.patience = 0;
  config.schedule.min_learning_rate = 0.3;
  CHECK(rates_after(config, {1, 1, 1, 1, 1}) == std::vector<double>{1, 0.5, 0.3, 0.3, 0.3});
  config.schedule.min_learning_rate = std::nullopt;
  config.optimizer.learning_rate = 4e-8;
  CHECK(rates_after(config, {1, 1, 1, 1}) == std::vector<double>{4e-8, 2e-8, 2e-8, 2e-8});
}

TEST_CASE("NaN is never better, and the first number is", "[optim]") {
  const double nan = std::nan("");
  const Config config = config_of_test();
  CHECK(rates_after(config, {nan, nan, 5, nan, 4}) == std::vector<double>{1, 0.5, 0.5, 0.5, 0.5});
  CHECK(rates_after(config, {nan, -5, nan, -4}, true) == std::vector<double>{1, 1, 1, 1});
  PlateauState state = plateau_start(true);
  CHECK(state.best == -std::numeric_limits<double>::infinity());
  enter_score(state, -5, true, config);
  CHECK(state == PlateauState{-5, 0, 0, 1});
}
