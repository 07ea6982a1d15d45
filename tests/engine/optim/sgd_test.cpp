#include "engine/optim/sgd.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

Config::Optimizer options(double momentum, bool nesterov, double weight_decay) {
  Config::Optimizer o;
  o.momentum = momentum;
  o.nesterov = nesterov;
  o.weight_decay = weight_decay;
  return o;
}

/// The rule of the header, one parameter at a time.
template <class T>
void restated_update(const Config::Optimizer& o, T rate, T& w, T g, T& v) {
  const T momentum = static_cast<T>(o.momentum);
  g = g + static_cast<T>(o.weight_decay) * w;
  T d = g;
  if (momentum != 0) {
    v = momentum * v + g;
    d = o.nesterov ? g + momentum * v : v;
  }
  w = w - rate * d;
}

/// w after some steps on one parameter with the gradient 1, learning rate 0.1, from w = 1.
double after_steps(const Config::Optimizer& o, int steps) {
  const Sgd<double> sgd(o);
  double w = 1, v = 0;
  const double g = 1;
  double* const state[] = {&v};
  for (int s = 0; s < steps; ++s)
    REQUIRE(sgd.update({0.1, 1}, &w, &g, std::span(state).first(sgd.state_names().size()), 1));
  return w;
}

}  // namespace

TEMPLATE_TEST_CASE("SGD equals its scalar restatement bit for bit", "[optim]", float, double) {
  using T = TestType;
  const auto o = GENERATE(options(0, false, 0), options(0.9, false, 0), options(0.9, true, 0), options(0, false, 0.1),
                          options(0.5, true, 0.01));
  constexpr std::size_t n = 53;
  const Sgd<T> sgd(o);
  CHECK(sgd.state_names() == (o.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"}));
  const CounterRandom random(2, RandomUse::kGenerator);
  std::vector<T> w(n), g(n), v(n, T{0});
  for (std::size_t i = 0; i < n; ++i) w[i] = static_cast<T>(random.normal(i));
  std::vector<T> w2 = w, v2 = v;
  T* const state[] = {v.data()};
  for (std::uint64_t step = 1; step <= 5; ++step) {
    for (std::size_t i = 0; i < n; ++i) g[i] = static_cast<T>(random.normal(1000 * step + i));
    REQUIRE(sgd.update({0.05, step}, w.data(), g.data(), std::span(state).first(sgd.state_names().size()), n));
    for (std::size_t i = 0; i < n; ++i) restated_update(o, static_cast<T>(0.05), w2[i], g[i], v2[i]);
    CHECK(w == w2);
    CHECK(v == v2);
  }
}

TEST_CASE("hand-worked SGD steps", "[optim]") {
  CHECK(after_steps(options(0, false, 0), 2) == Approx(0.8).epsilon(1e-15));
  // v: 1, 1.5; w: 1 - 0.1, - 0.15
  CHECK(after_steps(options(0.5, false, 0), 2) == Approx(0.75).epsilon(1e-15));
  // d: 1 + 0.5 * 1, 1 + 0.5 * 1.5; w: 1 - 0.15 - 0.175
  CHECK(after_steps(options(0.5, true, 0), 2) == Approx(0.675).epsilon(1e-15));
  // g: 1 + 0.5 * 1, 1 + 0.5 * 0.85; w: 1 - 0.15 - 0.1425
  CHECK(after_steps(options(0, false, 0.5), 2) == Approx(0.7075).epsilon(1e-15));
}

TEST_CASE("an update that is not finite is reported", "[optim]") {
  const Sgd<float> sgd(options(0, false, 0));
  std::vector<float> w(20, 1.0F), g(20, 1.0F);
  CHECK(sgd.update({0.1, 1}, w.data(), g.data(), {}, 20));
  g[17] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(sgd.update({0.1, 2}, w.data(), g.data(), {}, 20));
}
