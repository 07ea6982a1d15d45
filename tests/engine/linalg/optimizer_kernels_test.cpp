#include "engine/linalg/optimizer_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::same_bits;

namespace {

/// Parameters, their gradient and three states; some parameters are 0, and squares are not negative.
template <class T>
struct Numbers {
  explicit Numbers(std::size_t n) : w(n), g(n), mean(n), square(n), velocity(n) {
    const CounterRandom random(5, RandomUse::kGenerator);
    for (std::size_t i = 0; i < n; ++i) {
      w[i] = i % 7 == 3 ? T{0} : static_cast<T>(random.normal(5 * i));
      g[i] = static_cast<T>(random.normal(5 * i + 1));
      mean[i] = static_cast<T>(random.normal(5 * i + 2));
      square[i] = static_cast<T>(std::pow(random.normal(5 * i + 3), 2));
      velocity[i] = static_cast<T>(random.normal(5 * i + 4));
    }
  }
  friend bool same(const Numbers& a, const Numbers& b) {
    return same_bits(a.w, b.w) && same_bits(a.mean, b.mean) && same_bits(a.square, b.square) &&
           same_bits(a.velocity, b.velocity);
  }
  std::vector<T> w, g, mean, square, velocity;
};

/// The naive twin of GradientTerms.
template <class T>
T term(const GradientTerms<T>& terms, T g, T w) {
  g = std::isnan(g) ? g : std::clamp(g, -terms.most, terms.most);
  g = terms.scale * g;
  g = g + terms.weight_decay * w;
  return g + terms.l1 * static_cast<T>((w > 0) - (w < 0));
}

// The naive twins of the rules: the headers' formulas, element by element.

template <class T>
void naive_sgd(const SgdStep<T>& s, const GradientTerms<T>& terms, Numbers<T>& n) {
  for (std::size_t i = 0; i < n.w.size(); ++i) {
    const T g = term(terms, n.g[i], n.w[i]);
    T d = g;
    if (s.momentum != 0) {
      n.velocity[i] = s.momentum * n.velocity[i] + s.gradient_share * g;
      d = s.nesterov ? g + s.momentum * n.velocity[i] : n.velocity[i];
    }
    n.w[i] = n.w[i] - s.learning_rate * d;
  }
}

template <class T>
void naive_adam(const AdamStep<T>& s, const GradientTerms<T>& terms, Numbers<T>& n) {
  for (std::size_t i = 0; i < n.w.size(); ++i) {
    const T g = term(terms, n.g[i], n.w[i]);
    n.mean[i] = s.beta1 * n.mean[i] + s.share1 * g;
    n.square[i] = s.beta2 * n.square[i] + s.share2 * g * g;
    n.w[i] = s.kept * n.w[i] - s.step_size * (n.mean[i] / (std::sqrt(n.square[i]) * s.correction + s.epsilon));
  }
}

template <class T>
void naive_rmsprop(const RmspropStep<T>& s, const GradientTerms<T>& terms, bool centered, Numbers<T>& n) {
  for (std::size_t i = 0; i < n.w.size(); ++i) {
    const T g = term(terms, n.g[i], n.w[i]);
    n.square[i] = s.alpha * n.square[i] + s.share * g * g;
    T variance = n.square[i];
    if (centered) {
      n.mean[i] = s.alpha * n.mean[i] + s.share * g;
      variance = std::max(T{0}, variance - n.mean[i] * n.mean[i]);
    }
    T d = g / (std::sqrt(variance) + s.epsilon);
    if (s.momentum != 0) d = n.velocity[i] = s.momentum * n.velocity[i] + d;
    n.w[i] = n.w[i] - s.learning_rate * d;
  }
}

template <class T>
void naive_adagrad(const AdagradStep<T>& s, const GradientTerms<T>& terms, Numbers<T>& n) {
  for (std::size_t i = 0; i < n.w.size(); ++i) {
    const T g = term(terms, n.g[i], n.w[i]);
    n.square[i] = n.square[i] + g * g;
    n.w[i] = n.w[i] - s.learning_rate * (g / (std::sqrt(n.square[i]) + s.epsilon));
  }
}

/// A rule, vectorised and not.
template <class T>
struct Rule {
  const char* name;
  std::function<bool(const GradientTerms<T>&, Numbers<T>&)> update;
  std::function<void(const GradientTerms<T>&, Numbers<T>&)> naive;
};

template <class T>
Rule<T> sgd(const SgdStep<T>& step) {
  return {"sgd",
          [step](const auto& terms, auto& n) {
            T* const velocity = step.momentum != 0 ? n.velocity.data() : nullptr;
            return sgd_update<T>(step, terms, n.w.data(), n.g.data(), velocity, n.w.size());
          },
          [step](const auto& terms, auto& n) { naive_sgd(step, terms, n); }};
}

template <class T>
Rule<T> adam(const AdamStep<T>& step) {
  return {"adam",
          [step](const auto& terms, auto& n) {
            return adam_update<T>(step, terms, n.w.data(), n.g.data(), n.mean.data(), n.square.data(), n.w.size());
          },
          [step](const auto& terms, auto& n) { naive_adam(step, terms, n); }};
}

template <class T>
Rule<T> rmsprop(const RmspropStep<T>& step, bool centered) {
  return {"rmsprop",
          [step, centered](const auto& terms, auto& n) {
            return rmsprop_update<T>(step, terms, n.w.data(), n.g.data(), n.square.data(),
                                     centered ? n.mean.data() : nullptr,
                                     step.momentum != 0 ? n.velocity.data() : nullptr, n.w.size());
          },
          [step, centered](const auto& terms, auto& n) { naive_rmsprop(step, terms, centered, n); }};
}

template <class T>
std::vector<Rule<T>> rules() {
  const auto a = static_cast<T>(0.9), b = static_cast<T>(0.01), epsilon = static_cast<T>(1e-8);
  const AdagradStep<T> adagrad{b, epsilon};
  return {sgd<T>({b, 0}),
          sgd<T>({b, a}),
          sgd<T>({b, a, static_cast<T>(0.7), false}),
          sgd<T>({b, a, 1, true}),
          adam<T>({b, static_cast<T>(1.5), a, 1 - a, a, 1 - a, epsilon}),
          adam<T>({b, static_cast<T>(1.5), a, 1 - a, a, 1 - a, epsilon, a}),
          rmsprop<T>({b, a, 1 - a, epsilon, 0}, false),
          rmsprop<T>({b, a, 1 - a, epsilon, a}, false),
          rmsprop<T>({b, a, 1 - a, epsilon, 0}, true),
          rmsprop<T>({b, a, 1 - a, epsilon, a}, true),
          {"adagrad",
           [adagrad](const auto& terms, auto& n) {
             return adagrad_update<T>(adagrad, terms, n.w.data(), n.g.data(), n.square.data(), n.w.size());
           },
           [adagrad](const auto& terms, auto& n) { naive_adagrad(adagrad, terms, n); }}};
}

template <class T>
std::vector<GradientTerms<T>> all_terms() {
  const auto some = static_cast<T>(0.1);
  const T no_bound = std::numeric_limits<T>::infinity();
  return {{},
          {some, 0, 1, no_bound},
          {0, some, 1, no_bound},
          {0, 0, some, no_bound},
          {0, 0, 1, some},
          {some, some, some, some}};
}

}  // namespace

TEMPLATE_TEST_CASE("every rule equals its naive twin bit for bit, on every instruction set", "[linalg]", float,
                   double) {
  for (const Rule<TestType>& rule : rules<TestType>())
    for (const GradientTerms<TestType>& terms : all_terms<TestType>())
      for (const std::size_t n : {0, 1, 5, 16, 53}) {
        CAPTURE(rule.name, terms.weight_decay, terms.l1, terms.scale, terms.most, n);
        Numbers<TestType> expected(n);
        for (int step = 0; step < 3; ++step) rule.naive(terms, expected);
        on_every_instruction_set([&] {
          Numbers<TestType> numbers(n);
          for (int step = 0; step < 3; ++step) REQUIRE(rule.update(terms, numbers));
          CHECK(same(numbers, expected));
        });
      }
}

TEMPLATE_TEST_CASE("no rule overlooks one NaN or Inf of the gradient, clipped or not", "[linalg]", float, double) {
  using T = TestType;
  constexpr std::size_t kCount = 19;
  for (const Rule<T>& rule : rules<T>())
    for (const GradientTerms<T>& terms : all_terms<T>())
      on_every_instruction_set([&] {
        for (std::size_t bad = 0; bad < kCount; ++bad)
          for (const T evil : {std::numeric_limits<T>::quiet_NaN(), -std::numeric_limits<T>::infinity()}) {
            CAPTURE(rule.name, terms.most, bad, evil);
            Numbers<T> numbers(kCount);
            numbers.g[bad] = evil;
            CHECK_FALSE(rule.update(terms, numbers));
          }
      });
}

TEMPLATE_TEST_CASE("a square that overflows is reported, though its parameter does not move", "[linalg]", float,
                   double) {
  using T = TestType;
  for (const Rule<T>& rule : rules<T>()) {
    if (std::string_view(rule.name) == "sgd") continue;
    Numbers<T> numbers(3);
    numbers.g[1] = std::sqrt(std::numeric_limits<T>::max()) * 8;
    CAPTURE(rule.name);
    CHECK_FALSE(rule.update({}, numbers));
  }
}

TEMPLATE_TEST_CASE("a centered second moment that rounding makes negative counts as 0", "[linalg]", float, double) {
  using T = TestType;
  // s - m^2 = 1 - (1 + epsilon)^2 < 0 where neither moves.
  const T above = 1 + std::numeric_limits<T>::epsilon();
  T w = 1, g = 0, s = 1, m = above;
  const RmspropStep<T> step{1, 1, 0, static_cast<T>(0.5), 0};
  on_every_instruction_set([&] {
    CHECK(rmsprop_update<T>(step, {}, &w, &g, &s, &m, nullptr, 1));
    CHECK(w == 1);
  });
}

TEMPLATE_TEST_CASE("sums of squares have the same bits on every instruction set", "[linalg]", float, double) {
  using T = TestType;
  for (const std::size_t n : {0, 1, 15, 16, 17, 1000}) {
    const Numbers<T> numbers(n);
    for (const T most : {std::numeric_limits<T>::infinity(), static_cast<T>(0.5)}) {
      double partial[16] = {};
      for (std::size_t i = 0; i < n; ++i)
        partial[i % 16] += std::pow(static_cast<double>(std::clamp(numbers.g[i], -most, most)), 2);
      for (std::size_t half = 8; half > 0; half /= 2)
        for (std::size_t k = 0; k < half; ++k) partial[k] += partial[k + half];
      on_every_instruction_set([&] { CHECK(sum_squares<T>(numbers.g.data(), most, n) == partial[0]); });
    }
  }
  std::vector<T> bad(20, T{1});
  bad[18] = std::numeric_limits<T>::quiet_NaN();
  on_every_instruction_set([&] { CHECK(std::isnan(sum_squares<T>(bad.data(), T{2}, bad.size()))); });
}
