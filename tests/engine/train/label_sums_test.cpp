#include "engine/train/label_sums.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/core/random.hpp"
#include "engine/nn/loss.hpp"
#include "support/catch.hpp"

namespace gradloom {
namespace {

struct LabelCase {
  Loss loss;
  Matrix<double> logits, probabilities, y;
  std::vector<double> weights;
};

// Random logits, rounded so that many are equal; classes that are far from balanced; every fifth row weighs nothing.
LabelCase make_label_case(Loss loss, std::size_t rows, std::size_t outputs) {
  const CounterRandom random(3, RandomUse::kGenerator);
  LabelCase c{loss, Matrix<double>(rows, outputs), {}, Matrix<double>(rows, target_columns(loss, outputs)), {}};
  for (std::size_t i = 0; i < rows * outputs; ++i) c.logits.data()[i] = std::round(2 * random.normal(i)) / 2;
  for (std::size_t i = 0; i < rows * c.y.cols(); ++i) {
    const double draw = std::abs(random.normal(1'000'000 + i));
    c.y.data()[i] = loss == Loss::kCategoricalCrossEntropy
                        ? std::min(std::floor(draw * 2), static_cast<double>(outputs - 1))
                        : static_cast<double>(draw > 1);
  }
  for (std::size_t r = 0; r < rows; ++r) c.weights.push_back(static_cast<double>(r % 5) / 2);
  c.probabilities = c.logits;
  to_prediction<double>(loss, c.probabilities.view());
  return c;
}

std::vector<JudgedLabel> judged(const LabelCase& c) {
  std::vector<JudgedLabel> labels(c.y.rows() * c.y.cols());
  judge_labels<double>(c.loss, c.logits.view(), c.probabilities.view(), c.y.view(), labels);
  return labels;
}

LabelSums sums_of(const LabelCase& c, const std::vector<Metric>& metrics, std::size_t at_once) {
  const std::vector<JudgedLabel> labels = judged(c);
  LabelSums sums(c.loss, c.logits.cols(), metrics, true);
  for (std::size_t first = 0; first < c.y.rows(); first += at_once) {
    const std::size_t rows = std::min(at_once, c.y.rows() - first);
    sums.add(std::span(labels).subspan(first * c.y.cols(), rows * c.y.cols()), c.weights.data() + first);
  }
  return sums;
}

// Precision, recall and F1 of a class of a column, by going through all rows for it.
struct Naive {
  double precision = 0, recall = 0, f1 = 0;
};
Naive naive(const LabelCase& c, std::size_t column, std::size_t of) {
  double actual = 0, predicted = 0, right = 0;
  const std::vector<JudgedLabel> labels = judged(c);
  for (std::size_t r = 0; r < c.y.rows(); ++r) {
    const JudgedLabel& label = labels[r * c.y.cols() + column];
    if (label.actual == of) actual += c.weights[r];
    if (label.predicted == of) predicted += c.weights[r];
    if (label.actual == of && label.predicted == of) right += c.weights[r];
  }
  Naive scores;
  scores.precision = predicted > 0 ? right / predicted : 0;
  scores.recall = actual > 0 ? right / actual : 0;
  scores.f1 = right > 0 ? 2 * scores.precision * scores.recall / (scores.precision + scores.recall) : 0;
  return scores;
}

const std::vector<Metric> kMetrics = {{MetricKind::kTop, 3},
                                      {MetricKind::kTop, 2},
                                      {MetricKind::kPrecision},
                                      {MetricKind::kRecall},
                                      {MetricKind::kF1},
                                      {MetricKind::kMacroF1},
                                      {MetricKind::kLogLoss},
                                      {MetricKind::kCalibrationError, 15},
                                      {MetricKind::kCalibrationError, 4}};

}  // namespace

TEST_CASE("labels are judged by the definitions", "[label sums]") {
  const Matrix<double> logits(1, 4, 0.0), probabilities(1, 4, 0.25);
  for (std::uint32_t actual = 0; actual < 4; ++actual) {
    JudgedLabel label;
    judge_labels<double>(Loss::kCategoricalCrossEntropy, logits.view(), probabilities.view(),
                         Matrix<double>(1, 1, actual).view(), {&label, 1});
    CHECK(label.actual == actual);
    CHECK(label.predicted == 0);      // the first of equal ones
    CHECK(label.rank == 3 - actual);  // the later ones rank first
    CHECK(label.log_loss == std::log(4.0));
  }
  JudgedLabel sure;
  judge_labels<double>(Loss::kBinaryCrossEntropy, Matrix<double>(1, 1, 900.0).view(), Matrix<double>(1, 1, 1.0).view(),
                       Matrix<double>(1, 1, 0.0).view(), {&sure, 1});
  CHECK(sure.predicted == 1);
  CHECK(sure.log_loss == Approx(52 * std::log(2.0)).epsilon(1e-15));  // not infinite
}

TEST_CASE("metrics of classes are means over those that occur, and do not depend on the cut", "[label sums]") {
  const LabelCase c = make_label_case(Loss::kCategoricalCrossEntropy, 1000, 9);
  const LabelSums sums = sums_of(c, kMetrics, 1000), cut = sums_of(c, kMetrics, 37);
  double precision = 0, f1 = 0, classes = 0;
  for (std::size_t k = 0; k < 9; ++k) {
    const Naive of = naive(c, 0, k);
    const ClassMetrics found = sums.classes()[k];
    CHECK(found.precision == Approx(of.precision).margin(1e-15));
    CHECK(found.recall == Approx(of.recall).margin(1e-15));
    CHECK(found.f1 == Approx(of.f1).margin(1e-15));
    precision += of.precision;
    f1 += of.f1;
    ++classes;
  }
  CHECK(sums.value({MetricKind::kPrecision}) == Approx(precision / classes).epsilon(1e-14));
  CHECK(sums.value({MetricKind::kMacroF1}) == Approx(f1 / classes).epsilon(1e-14));
  for (const Metric& metric : kMetrics) CHECK(sums.value(metric) == cut.value(metric));
  CHECK(sums.value({MetricKind::kTop, 2}) < sums.value({MetricKind::kTop, 3}));
  double all = 0;
  for (const Confusion& cell : sums.confusions()) all += cell.weight;
  CHECK(all == 1000);  // weights of 0, 0.5, 1, 1.5, 2
}

TEST_CASE("a class that neither occurs nor is predicted is in no mean", "[label sums]") {
  LabelCase c = make_label_case(Loss::kCategoricalCrossEntropy, 500, 3);
  const double of_three = sums_of(c, kMetrics, 500).value({MetricKind::kRecall});
  Matrix<double> wider(500, 4, -1e9);
  for (std::size_t r = 0; r < 500; ++r) std::ranges::copy(c.logits.row(r), wider.row(r).begin());
  c.probabilities = c.logits = wider;
  to_prediction<double>(c.loss, c.probabilities.view());
  const LabelSums sums = sums_of(c, kMetrics, 500);
  CHECK(sums.value({MetricKind::kRecall}) == of_three);
  CHECK(sums.classes().size() == 4);
  c.y(0, 0) = 3;  // a row that weighs nothing is as good as absent
  CHECK(sums_of(c, kMetrics, 500).value({MetricKind::kRecall}) == of_three);
}

TEST_CASE("of one binary output the plain means are class 1's, of several those of class 1 of each", "[label sums]") {
  const LabelCase one = make_label_case(Loss::kBinaryCrossEntropy, 800, 1),
                  several = make_label_case(Loss::kBinaryCrossEntropy, 800, 3);
  const LabelSums sums = sums_of(one, kMetrics, 100), of_several = sums_of(several, kMetrics, 100);
  CHECK(sums.value({MetricKind::kF1}) == Approx(naive(one, 0, 1).f1).epsilon(1e-15));
  CHECK(sums.value({MetricKind::kMacroF1}) == Approx((naive(one, 0, 0).f1 + naive(one, 0, 1).f1) / 2).epsilon(1e-15));
  CHECK(sums.classes().size() == 2);
  double f1 = 0;
  for (std::size_t o = 0; o < 3; ++o) f1 += naive(several, o, 1).f1 / 3;
  CHECK(of_several.value({MetricKind::kF1}) == Approx(f1).epsilon(1e-14));
  CHECK(of_several.value({MetricKind::kMacroF1}) == of_several.value({MetricKind::kF1}));
  CHECK(of_several.classes().size() == 3);
  CHECK(of_several.confusions().empty());
}

TEST_CASE("calibration bins hold their upper ends", "[label sums]") {
  // One label in each call: |confidence - right| is what it adds, so two labels tell whether they share a bin.
  const auto error_of = [](double a, double b) {
    LabelSums sums(Loss::kBinaryCrossEntropy, 1, {{MetricKind::kCalibrationError, 4}}, false);
    const JudgedLabel first{1, 1, 0, a, 0}, second{0, 0, 0, b, 0};
    sums.add(std::array{first, second}, nullptr);
    return sums.value({MetricKind::kCalibrationError, 4});
  };
  CHECK(error_of(0.5, 0.375) == Approx((1 - 0.875) / 2).epsilon(1e-15));      // (0.25, 0.5] holds both
  CHECK(error_of(0.5, 0.5625) == Approx((0.5 + 0.5625) / 2).epsilon(1e-15));  // (0.5, 0.75] the second
  CHECK(error_of(0, 0.25) == Approx((1 - 0.25) / 2).epsilon(1e-15));          // 0 is in the first
  CHECK(error_of(1, 1) == Approx((2 - 1) / 2.0).epsilon(1e-15));
}

}  // namespace gradloom
