// Adam, AdamW, RMSprop and Adagrad, from their options: steps worked out by hand. Their kernels have twins of their
// own, and tests/cli/optimizers_test.py runs all of them beside PyTorch.

#include <cmath>
#include <string>
#include <vector>

#include "engine/optim/optimizer.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

Config::Optimizer of_type(OptimizerType type) {
  Config::Optimizer options;
  options.type = type;
  return options;
}

/// w after some steps on one parameter, learning rate 0.1, from w = 1, by these gradients.
double after_steps(const Config::Optimizer& options, const std::vector<double>& gradients, bool penalized = true) {
  const auto rule = make_optimizer<double>(options);
  double w = 1;
  std::vector<double> states(rule->state_names().size(), rule->initial_state());
  std::vector<double*> pointers;
  for (double& state : states) pointers.push_back(&state);
  UpdateContext context{0.1, 0};
  context.penalized = penalized;
  for (const double g : gradients) {
    ++context.step;
    REQUIRE(rule->update(context, &w, &g, pointers, 1));
  }
  return w;
}

auto near(double value) { return Approx(value).epsilon(1e-14); }

}  // namespace

TEST_CASE("update rules name their states as PyTorch does", "[optim]") {
  using Names = std::vector<std::string>;
  Config::Optimizer rmsprop = of_type(OptimizerType::kRmsprop);
  CHECK(make_optimizer<float>(rmsprop)->state_names() == Names{"square_avg"});
  rmsprop.momentum = 0.5;
  CHECK(make_optimizer<float>(rmsprop)->state_names() == Names{"square_avg", "momentum"});
  rmsprop.centered = true;
  CHECK(make_optimizer<float>(rmsprop)->state_names() == Names{"square_avg", "grad_avg", "momentum"});
  CHECK(make_optimizer<float>(of_type(OptimizerType::kAdam))->state_names() == Names{"exp_avg", "exp_avg_sq"});
  CHECK(make_optimizer<float>(of_type(OptimizerType::kAdamw))->state_names() == Names{"exp_avg", "exp_avg_sq"});
  CHECK(make_optimizer<float>(of_type(OptimizerType::kAdagrad))->state_names() == Names{"sum"});
}

TEST_CASE("hand-worked Adam and AdamW steps", "[optim]") {
  Config::Optimizer options = of_type(OptimizerType::kAdam);
  options.epsilon = 0.5;
  // Corrected for their start, both means are those of what came: 2 and 4.
  CHECK(after_steps(options, {2}) == near(1 - 0.1 * 2 / (2 + 0.5)));
  // Step 2, with gradient 0: m = 0.9 * 0.2, v = 0.999 * 0.004.
  const double m = 0.18 / (1 - 0.81), v = 0.003996 / (1 - 0.999 * 0.999);
  CHECK(after_steps(options, {2, 0}) == near(1 - 0.1 * 2 / 2.5 - 0.1 * m / (std::sqrt(v) + 0.5)));
  options.weight_decay = 0.5;  // the gradient is 2 + 0.5 * 1
  CHECK(after_steps(options, {2}) == near(1 - 0.1 * 2.5 / 3));
  CHECK(after_steps(options, {2}, false) == near(1 - 0.1 * 2 / 2.5));
  options.type = OptimizerType::kAdamw;
  CHECK(after_steps(options, {2}) == near(1 - 0.1 * 0.5 - 0.1 * 2 / 2.5));
  CHECK(after_steps(options, {2}, false) == near(1 - 0.1 * 2 / 2.5));
}

TEST_CASE("hand-worked RMSprop steps", "[optim]") {
  Config::Optimizer options = of_type(OptimizerType::kRmsprop);
  options.alpha = 0.75;
  options.epsilon = 0.5;
  // s = 0.25 * 16
  CHECK(after_steps(options, {4}) == near(1 - 0.1 * 4 / 2.5));
  options.momentum = 0.5;  // s = 3 + 0.25 * 4; the first direction counts half in the second step
  CHECK(after_steps(options, {4, 2}) == near(1 - 0.1 * 1.6 - 0.1 * (0.8 + 2 / 2.5)));
  options.momentum = 0;
  options.centered = true;  // s - m^2 = 4 - 1
  CHECK(after_steps(options, {4}) == near(1 - 0.1 * 4 / (std::sqrt(3) + 0.5)));
}

TEST_CASE("hand-worked Adagrad steps", "[optim]") {
  Config::Optimizer options = of_type(OptimizerType::kAdagrad);
  options.epsilon = 0.5;
  options.initial_accumulator_value = 7;
  options.lr_decay = 1;
  // Sums 16 and 25; the second step has half the rate.
  CHECK(after_steps(options, {3, 3}) == near(1 - 0.1 * 3 / 4.5 - 0.05 * 3 / 5.5));
}

TEST_CASE("what clips and penalizes comes in its order", "[optim]") {
  Config::Optimizer options;
  options.clip_grad_value = 2;
  options.weight_decay = 0.5;
  options.l1 = 0.25;
  const auto rule = make_optimizer<double>(options);
  for (const double sign : {1.0, -1.0}) {
    double w = sign * 3;
    const double g = sign * 8;
    REQUIRE(rule->update({0.1, 1, 0.75}, &w, &g, {}, 1));
    CHECK(w == near(sign * (3 - 0.1 * (0.75 * 2 + 0.5 * 3 + 0.25))));
  }
  CHECK(clipped_scale(4, 1) == 1 / (4 + 1e-6));
  CHECK(clipped_scale(1, 4) == 1);
  CHECK(clipped_scale(0, 1e-9) == 1e-9 / 1e-6);
}
