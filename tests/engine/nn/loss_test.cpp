#include "engine/nn/loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace gradloom;

namespace {

constexpr Loss kLosses[] = {Loss::kMse, Loss::kMae, Loss::kHuber, Loss::kBinaryCrossEntropy,
                            Loss::kCategoricalCrossEntropy};

/// Loss of one row by its definition, without care for overflow.
long double naive_row(Loss loss, const std::vector<long double>& o, const std::vector<long double>& y) {
  long double sum = 0, exponentials = 0;
  for (const long double z : o) exponentials += std::exp(z);
  if (loss == Loss::kCategoricalCrossEntropy)
    return -std::log(std::exp(o[static_cast<std::size_t>(y[0])]) / exponentials);
  for (std::size_t c = 0; c < o.size(); ++c) {
    const long double d = std::abs(o[c] - y[c]), p = 1 / (1 + std::exp(-o[c]));
    if (loss == Loss::kMse) sum += d * d;
    if (loss == Loss::kMae) sum += d;
    if (loss == Loss::kHuber) sum += d <= 1 ? d * d / 2 : d - 0.5L;
    if (loss == Loss::kBinaryCrossEntropy) sum -= y[c] * std::log(p) + (1 - y[c]) * std::log(1 - p);
  }
  return sum;
}

/// Targets that suit the loss: class indices, labels 0 and 1, or any numbers.
template <class T>
Matrix<T> targets_for(Loss loss, std::size_t rows, std::size_t outputs) {
  const CounterRandom random(5, RandomUse::kGenerator, 9);
  Matrix<T> y(rows, target_columns(loss, outputs));
  for (std::size_t i = 0; i < y.rows() * y.cols(); ++i) {
    const double u = random.uniform(i);
    if (loss == Loss::kCategoricalCrossEntropy)
      y.data()[i] = static_cast<T>(std::floor(u * static_cast<double>(outputs)));
    else
      y.data()[i] = static_cast<T>(loss == Loss::kBinaryCrossEntropy ? std::round(u) : 4 * u - 2);
  }
  return y;
}

template <class T>
Matrix<T> outputs_for(std::size_t rows, std::size_t outputs) {
  const CounterRandom random(5, RandomUse::kGenerator, 10);
  Matrix<T> o(rows, outputs);
  for (std::size_t i = 0; i < rows * outputs; ++i) o.data()[i] = static_cast<T>(2 * random.normal(i));
  return o;
}

template <class T>
std::vector<long double> widened(std::span<const T> row) {
  return {row.begin(), row.end()};
}

// Weights from 0 on, some of them 0.
std::vector<double> weights_for(std::size_t rows) {
  const CounterRandom random(5, RandomUse::kGenerator, 11);
  std::vector<double> weights(rows);
  for (std::size_t r = 0; r < rows; ++r) weights[r] = r % 5 == 3 ? 0 : 3 * random.uniform(r);
  return weights;
}

}  // namespace

TEMPLATE_TEST_CASE("losses agree with their definitions", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 57;
  const std::size_t outputs = GENERATE(1, 2, 10, 33);
  for (const Loss loss : kLosses) {
    INFO(to_string(loss) << " of " << outputs);
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    long double expected = 0, magnitude = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const long double row = naive_row(loss, widened(o.row(r)), widened(y.row(r)));
      expected += row;
      magnitude += std::abs(row) + outputs;
    }
    // Each term carries a few roundings in T; they are added in float64.
    const auto bound = static_cast<double>(8 * std::numeric_limits<T>::epsilon() * magnitude);
    on_every_instruction_set([&] {
      CHECK(std::abs(loss_sum<T>(loss, o.view(), y.view()) - static_cast<double>(expected)) <= bound);
      Matrix<T> delta(kRows, outputs);
      CHECK(std::abs(loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view()) - static_cast<double>(expected)) <=
            bound);
    });
  }
}

TEMPLATE_TEST_CASE("with or without delta, the sum has the same bits", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 23;
  const std::size_t outputs = GENERATE(1, 3, 10, 127, 300);  // rows shorter and longer than the loss takes at once
  for (const Loss loss : kLosses) {
    INFO(to_string(loss) << " of " << outputs);
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    on_every_instruction_set([&] {
      Matrix<T> delta(kRows, outputs);
      CHECK(loss_sum<T>(loss, o.view(), y.view()) == loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view()));
    });
  }
}

TEMPLATE_TEST_CASE("gaps between rows do not change a bit, and stay as they are", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 23, kGap = 3;
  constexpr T kMark = 77, kScale = T{0.25};
  const std::size_t outputs = GENERATE(1, 3, 10, 50);
  for (const Loss loss : kLosses) {
    INFO(to_string(loss) << " of " << outputs);
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    Matrix<T> wide(kRows, outputs + kGap, kMark);
    for (std::size_t r = 0; r < kRows; ++r) std::copy_n(o.row(r).data(), outputs, wide.row(r).data());
    const MatrixView<T> gapped(wide.data(), kRows, outputs, outputs + kGap);
    on_every_instruction_set([&] {
      Matrix<T> delta(kRows, outputs), wide_delta(kRows, outputs + kGap, kMark);
      const MatrixView<T> gapped_delta(wide_delta.data(), kRows, outputs, outputs + kGap);
      const double sum = loss_and_delta<T>(loss, o.view(), y.view(), kScale, delta.view());
      CHECK(loss_and_delta<T>(loss, gapped, y.view(), kScale, gapped_delta) == sum);
      CHECK(loss_sum<T>(loss, gapped, y.view()) == sum);
      bool same = true, kept = true;
      for (std::size_t r = 0; r < kRows; ++r) {
        same = same && std::equal(delta.row(r).begin(), delta.row(r).end(), wide_delta.row(r).begin());
        for (std::size_t c = outputs; c < outputs + kGap; ++c) kept = kept && wide_delta(r, c) == kMark;
      }
      CHECK(same);
      CHECK(kept);
    });
  }
}

TEMPLATE_TEST_CASE("losses without logarithms have the same bits on every instruction set", "[nn]", float, double) {
  using T = TestType;
  const Matrix<T> o = outputs_for<T>(57, 3), y = targets_for<T>(Loss::kMse, 57, 3);
  for (const Loss loss : {Loss::kMse, Loss::kMae, Loss::kHuber}) {
    INFO(to_string(loss));
    const double sum = loss_sum<T>(loss, o.view(), y.view());
    on_every_instruction_set([&] { CHECK(loss_sum<T>(loss, o.view(), y.view()) == sum); });
  }
}

TEMPLATE_TEST_CASE("weighted losses agree with their definitions", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 157;
  constexpr double kDivisor = 7;
  const std::size_t outputs = GENERATE(1, 2, 10, 33);
  const std::vector<double> weights = weights_for(kRows);
  for (const Loss loss : kLosses) {
    INFO(to_string(loss) << " of " << outputs);
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    long double expected = 0, magnitude = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const long double row = weights[r] * naive_row(loss, widened(o.row(r)), widened(y.row(r)));
      expected += row;
      magnitude += std::abs(row) + weights[r] * static_cast<double>(outputs);
    }
    const auto bound = static_cast<double>(8 * std::numeric_limits<T>::epsilon() * magnitude);
    on_every_instruction_set([&] {
      CHECK(std::abs(weighted_loss_sum<T>(loss, o.view(), y.view(), weights.data()) - static_cast<double>(expected)) <=
            bound);
      Matrix<T> slopes(kRows, outputs), delta(kRows, outputs);
      loss_and_delta<T>(loss, o.view(), y.view(), 1, slopes.view());
      CHECK(weighted_loss_and_delta<T>(loss, o.view(), y.view(), weights.data(), kDivisor, delta.view()) ==
            weighted_loss_sum<T>(loss, o.view(), y.view(), weights.data()));
      double worst = 0;  // of |delta|, in units of its last place
      for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t c = 0; c < outputs; ++c) {
          const double slope = weights[r] / kDivisor * static_cast<double>(slopes(r, c));
          const double off = std::abs(static_cast<double>(delta(r, c)) - slope);
          // A softmax less 1 at the label cancels: its error is one of the factor's.
          worst = std::max(worst, off / std::max(std::abs(slope), weights[r] / kDivisor + 1e-300));
        }
      CHECK(worst <= 4 * std::numeric_limits<T>::epsilon());
    });
  }
}

TEMPLATE_TEST_CASE("weights of one change no bit, with gaps between rows and in place", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 73, kGap = 3;
  const std::size_t outputs = GENERATE(1, 3, 10, 50);
  const std::vector<double> ones(kRows, 1);
  const double divisor = 3.0 * kRows;
  for (const Loss loss : kLosses) {
    INFO(to_string(loss) << " of " << outputs);
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    on_every_instruction_set([&] {
      Matrix<T> expected(kRows, outputs), wide(kRows, outputs + kGap);
      const double sum = loss_and_delta<T>(loss, o.view(), y.view(), static_cast<T>(1 / divisor), expected.view());
      for (std::size_t r = 0; r < kRows; ++r) std::copy_n(o.row(r).data(), outputs, wide.row(r).data());
      const MatrixView<T> gapped(wide.data(), kRows, outputs, outputs + kGap);
      CHECK(weighted_loss_sum<T>(loss, gapped, y.view(), ones.data()) == sum);
      CHECK(weighted_loss_and_delta<T>(loss, gapped, y.view(), ones.data(), divisor, gapped) == sum);
      bool same = true;
      for (std::size_t r = 0; r < kRows; ++r)
        same = same && std::equal(expected.row(r).begin(), expected.row(r).end(), wide.row(r).begin());
      CHECK(same);
    });
  }
}

TEST_CASE("weighted deltas are the derivatives of the weighted mean", "[nn]") {
  constexpr std::size_t kRows = 9, kOutputs = 5;
  constexpr double kStep = 1e-6;
  const std::vector<double> weights = weights_for(kRows);
  for (const Loss loss : kLosses) {
    INFO(to_string(loss));
    Matrix<double> o = outputs_for<double>(kRows, kOutputs), delta(kRows, kOutputs);
    const Matrix<double> y = targets_for<double>(loss, kRows, kOutputs);
    const double divisor = 4;
    weighted_loss_and_delta<double>(loss, o.view(), y.view(), weights.data(), divisor, delta.view());
    for (std::size_t i = 0; i < kRows * kOutputs; ++i) {
      const auto mean_at = [&](double output) {
        const double kept = std::exchange(o.data()[i], output);
        const double sum = weighted_loss_sum<double>(loss, o.view(), y.view(), weights.data());
        o.data()[i] = kept;
        return sum / divisor;
      };
      const double above = mean_at(o.data()[i] + kStep), below = mean_at(o.data()[i] - kStep);
      // Truncation is of order step², rounding of order sum * 1e-16 / step = 1e-8.
      CHECK(delta.data()[i] == Approx((above - below) / (2 * kStep)).margin(1e-8));
    }
  }
}

namespace {

constexpr Loss kLabelled[] = {Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy};

std::vector<double> class_weights_for(std::size_t classes) {
  std::vector<double> weights(classes);
  for (std::size_t c = 0; c < classes; ++c) weights[c] = 0.25 + static_cast<double>(c % 4);
  return weights;
}

/// Of one row, by the definition of LabelSmoothing.
long double naive_smoothed_row(Loss loss, const std::vector<long double>& o, std::vector<long double> y,
                               const LabelSmoothing& smoothing) {
  const long double share = smoothing.share;
  if (loss == Loss::kBinaryCrossEntropy) {
    for (long double& label : y) label = label * (1 - share) + share / 2;
    return naive_row(loss, o, y);
  }
  const auto weight = [&](std::size_t c) { return smoothing.class_weights.empty() ? 1 : smoothing.class_weights[c]; };
  long double of_all = 0;
  for (std::size_t c = 0; c < o.size(); ++c)
    of_all += weight(c) * naive_row(loss, o, {static_cast<long double>(c)}) / weight(static_cast<std::size_t>(y[0]));
  return (1 - share) * naive_row(loss, o, y) + share / static_cast<long double>(o.size()) * of_all;
}

}  // namespace

TEMPLATE_TEST_CASE("losses of smoothed labels agree with their definitions", "[nn]", float, double) {
  using T = TestType;
  constexpr std::size_t kRows = 157, kGap = 3;
  constexpr double kDivisor = 7;
  const std::size_t outputs = GENERATE(2, 10, 33);
  const std::vector<double> weights = weights_for(kRows), classes = class_weights_for(outputs);
  const bool weigh_classes = GENERATE(false, true);
  for (const Loss loss : kLabelled) {
    if (weigh_classes && loss == Loss::kBinaryCrossEntropy) continue;  // in the rows' weights, all of them
    const double share = 0.3;
    INFO(to_string(loss) << " of " << outputs << (weigh_classes ? ", weighted classes" : ""));
    const LabelSmoothing smoothing{share, weigh_classes ? std::span<const double>(classes) : std::span<const double>{}};
    const Matrix<T> o = outputs_for<T>(kRows, outputs), y = targets_for<T>(loss, kRows, outputs);
    Matrix<T> wide(kRows, outputs + kGap);
    for (std::size_t r = 0; r < kRows; ++r) std::copy_n(o.row(r).data(), outputs, wide.row(r).data());
    const MatrixView<T> gapped(wide.data(), kRows, outputs, outputs + kGap);
    long double expected = 0, weighted = 0, magnitude = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const long double row = naive_smoothed_row(loss, widened(o.row(r)), widened(y.row(r)), smoothing);
      expected += row;
      weighted += weights[r] * row;
      magnitude += (1 + weights[r]) * (std::abs(row) + outputs);
    }
    const auto bound = static_cast<double>(8 * std::numeric_limits<T>::epsilon() * magnitude);
    on_every_instruction_set([&] {
      Matrix<T> delta(kRows, outputs);
      const double sum = loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view(), smoothing);
      CHECK(std::abs(sum - static_cast<double>(expected)) <= bound);
      CHECK(loss_sum<T>(loss, o.view(), y.view(), smoothing) == sum);
      CHECK(loss_sum<T>(loss, gapped, y.view(), smoothing) == sum);
      const double weighted_sum =
          weighted_loss_and_delta<T>(loss, o.view(), y.view(), weights.data(), kDivisor, delta.view(), smoothing);
      CHECK(std::abs(weighted_sum - static_cast<double>(weighted)) <= bound);
      CHECK(weighted_loss_sum<T>(loss, gapped, y.view(), weights.data(), smoothing) == weighted_sum);
    });
  }
}

TEST_CASE("deltas of smoothed labels are the derivatives of the weighted mean, in place too", "[nn]") {
  constexpr std::size_t kRows = 9, kOutputs = 5;
  constexpr double kStep = 1e-6, kDivisor = 4;
  const double share = GENERATE(0.1, 0.9);
  const std::vector<double> weights = weights_for(kRows), classes = class_weights_for(kOutputs);
  for (const auto& smoothing : {LabelSmoothing{share, {}}, LabelSmoothing{share, classes}})
    for (const Loss loss : kLabelled) {
      INFO(to_string(loss));
      Matrix<double> o = outputs_for<double>(kRows, kOutputs), delta(kRows, kOutputs);
      const Matrix<double> y = targets_for<double>(loss, kRows, kOutputs);
      weighted_loss_and_delta<double>(loss, o.view(), y.view(), weights.data(), kDivisor, delta.view(), smoothing);
      for (std::size_t i = 0; i < kRows * kOutputs; ++i) {
        const auto mean_at = [&](double output) {
          const double kept = std::exchange(o.data()[i], output);
          const double sum = weighted_loss_sum<double>(loss, o.view(), y.view(), weights.data(), smoothing);
          o.data()[i] = kept;
          return sum / kDivisor;
        };
        const double above = mean_at(o.data()[i] + kStep), below = mean_at(o.data()[i] - kStep);
        // Truncation is of order step², rounding of order sum * 1e-16 / step = 1e-8.
        CHECK(delta.data()[i] == Approx((above - below) / (2 * kStep)).margin(1e-8));
      }
      weighted_loss_and_delta<double>(loss, o.view(), y.view(), weights.data(), kDivisor, o.view(), smoothing);
      CHECK(std::equal(o.data(), o.data() + kRows * kOutputs, delta.data()));
    }
}

TEMPLATE_TEST_CASE("smoothed labels let NaN through, and survive huge logits", "[nn]", float, double) {
  using T = TestType;
  for (const Loss loss : kLabelled) {
    INFO(to_string(loss));
    Matrix<T> o(1, 3, T{0}), delta(1, 3);
    const Matrix<T> y(1, target_columns(loss, 3), T{0});
    o(0, 0) = 10000, o(0, 1) = -10000;
    // Targets t: binary 0.1 each; categorical 0.8 + 0.2 / 3, 0.2 / 3, 0.2 / 3.
    const double expected = loss == Loss::kBinaryCrossEntropy ? 9000 + 1000 + std::log(2.0) : 0.2 / 3 * 30000;
    CHECK(loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view(), {0.2, {}}) == Approx(expected).epsilon(1e-5));
    CHECK(delta(0, 1) == Approx(loss == Loss::kBinaryCrossEntropy ? -0.1 : -0.2 / 3));
    o(0, 2) = std::numeric_limits<T>::quiet_NaN();
    CHECK(std::isnan(loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view(), {0.2, {}})));
    CHECK(std::isnan(delta(0, 2)));
  }
}

TEST_CASE("deltas are the scaled derivatives of the loss, in place too", "[nn]") {
  constexpr std::size_t kRows = 9, kOutputs = 5;
  constexpr double kScale = 0.125, kStep = 1e-6;
  for (const Loss loss : kLosses) {
    INFO(to_string(loss));
    Matrix<double> o = outputs_for<double>(kRows, kOutputs);
    const Matrix<double> y = targets_for<double>(loss, kRows, kOutputs);
    Matrix<double> delta(kRows, kOutputs);
    const double sum = loss_and_delta<double>(loss, o.view(), y.view(), kScale, delta.view());
    for (std::size_t i = 0; i < kRows * kOutputs; ++i) {
      const double kept = o.data()[i];
      o.data()[i] = kept + kStep;
      const double above = loss_sum<double>(loss, o.view(), y.view());
      o.data()[i] = kept - kStep;
      const double below = loss_sum<double>(loss, o.view(), y.view());
      o.data()[i] = kept;
      // Truncation is of order step², rounding of order sum * 1e-16 / step = 1e-8.
      CHECK(delta.data()[i] == Approx(kScale * (above - below) / (2 * kStep)).margin(1e-8));
    }
    CHECK(loss_and_delta<double>(loss, o.view(), y.view(), kScale, o.view()) == sum);
    for (std::size_t i = 0; i < kRows * kOutputs; ++i) CHECK(o.data()[i] == delta.data()[i]);
  }
}

TEST_CASE("hand-worked losses", "[nn]") {
  const Matrix<double> zero(1, 2, 0.0), y(1, 2, 0.0);
  Matrix<double> delta(1, 2);
  CHECK(loss_and_delta<double>(Loss::kMae, zero.view(), y.view(), 1, delta.view()) == 0);
  CHECK(delta(0, 0) == 0);  // the sign of 0
  CHECK(loss_sum<double>(Loss::kBinaryCrossEntropy, zero.view(), y.view()) == Approx(2 * std::log(2.0)));
  CHECK(loss_sum<double>(Loss::kCategoricalCrossEntropy, zero.view(), {y.data(), 1, 1}) == Approx(std::log(2.0)));
  Matrix<double> o(1, 2);
  o(0, 0) = 3, o(0, 1) = -0.5;
  CHECK(loss_and_delta<double>(Loss::kHuber, o.view(), y.view(), 1, delta.view()) == 2.5 + 0.125);
  CHECK((delta(0, 0) == 1 && delta(0, 1) == -0.5));
  CHECK(loss_and_delta<double>(Loss::kMse, o.view(), y.view(), 0.5, delta.view()) == 9.25);
  CHECK((delta(0, 0) == 3 && delta(0, 1) == -0.5));
}

TEMPLATE_TEST_CASE("cross-entropies survive huge logits", "[nn]", float, double) {
  using T = TestType;
  Matrix<T> o(1, 3, T{0}), y(1, 3, T{0}), delta(1, 3);
  o(0, 0) = 10000, o(0, 1) = -10000, o(0, 2) = 9999;
  CHECK(loss_and_delta<T>(Loss::kBinaryCrossEntropy, o.view(), y.view(), 1, delta.view()) == Approx(19999));
  CHECK((delta(0, 0) == 1 && delta(0, 1) == 0));
  const MatrixView<const T> label(y.data(), 1, 1);
  y(0, 0) = 1;
  const double surprise = loss_and_delta<T>(Loss::kCategoricalCrossEntropy, o.view(), label, 1, delta.view());
  CHECK(surprise == Approx(20000 + std::log1p(std::exp(-1))));
  CHECK(delta(0, 1) == -1);
  CHECK(delta(0, 0) + delta(0, 2) == Approx(1));
}

TEMPLATE_TEST_CASE("NaN in an output is seen in loss and delta", "[nn]", float, double) {
  using T = TestType;
  for (const Loss loss : kLosses) {
    INFO(to_string(loss));
    Matrix<T> o(2, 3, T{1});
    const Matrix<T> y(2, target_columns(loss, 3), T{0});
    o(1, 2) = std::numeric_limits<T>::quiet_NaN();
    Matrix<T> delta(2, 3);
    on_every_instruction_set([&] {
      CHECK(std::isnan(loss_sum<T>(loss, o.view(), y.view())));
      CHECK(std::isnan(loss_and_delta<T>(loss, o.view(), y.view(), 1, delta.view())));
      CHECK(std::isnan(delta(1, 2)));
    });
  }
}

TEMPLATE_TEST_CASE("a class index outside of the outputs is a data error", "[nn]", float, double) {
  using T = TestType;
  const Matrix<T> o(2, 3, T{1});
  Matrix<T> y(2, 1, T{2}), delta(2, 3);
  CHECK_NOTHROW(loss_sum<T>(Loss::kCategoricalCrossEntropy, o.view(), y.view()));
  for (const T label : {T{3}, T{-1}, std::numeric_limits<T>::quiet_NaN()}) {
    y(1, 0) = label;
    CHECK_THROWS_AS(loss_sum<T>(Loss::kCategoricalCrossEntropy, o.view(), y.view()), DataError);
    CHECK_THROWS_AS(loss_and_delta<T>(Loss::kCategoricalCrossEntropy, o.view(), y.view(), 1, delta.view()), DataError);
  }
}

TEMPLATE_TEST_CASE("predictions are probabilities for the cross-entropies, outputs otherwise", "[nn]", float, double) {
  using T = TestType;
  const Matrix<T> logits = outputs_for<T>(4, 5);
  for (const Loss loss : kLosses) {
    INFO(to_string(loss));
    Matrix<T> p = logits;
    to_prediction<T>(loss, p.view());
    for (std::size_t r = 0; r < 4; ++r) {
      long double exponentials = 0;
      for (const T z : logits.row(r)) exponentials += std::exp(static_cast<long double>(z));
      for (std::size_t c = 0; c < 5; ++c) {
        const auto z = static_cast<long double>(logits(r, c));
        const long double expected = loss == Loss::kBinaryCrossEntropy        ? 1 / (1 + std::exp(-z))
                                     : loss == Loss::kCategoricalCrossEntropy ? std::exp(z) / exponentials
                                                                              : z;
        CHECK(std::abs(p(r, c) - expected) <= 4 * std::numeric_limits<T>::epsilon() * std::abs(expected) * 5);
      }
    }
  }
}

TEST_CASE("targets and terms of a row", "[nn]") {
  CHECK(target_columns(Loss::kCategoricalCrossEntropy, 10) == 1);
  CHECK(loss_terms_per_row(Loss::kCategoricalCrossEntropy, 10) == 1);
  CHECK(target_columns(Loss::kBinaryCrossEntropy, 3) == 3);
  CHECK(loss_terms_per_row(Loss::kMse, 3) == 3);
}
