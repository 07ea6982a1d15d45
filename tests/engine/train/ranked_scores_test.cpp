#include "engine/train/ranked_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/core/random.hpp"
#include "engine/nn/loss.hpp"
#include "support/catch.hpp"

namespace gradloom {
namespace {

constexpr std::uint64_t kPlenty = 1 << 30, kTooLittle = 1;  // bytes; with the second a file holds runs of 1024 rows

template <class T>
struct ScoreCase {
  Loss loss = Loss::kBinaryCrossEntropy;
  Matrix<T> probabilities, y;
  std::vector<double> weights;  // empty: none
};

// Probabilities of few different values, so that most are equal to others.
template <class T>
ScoreCase<T> make_score_case(Loss loss, std::size_t rows, std::size_t outputs, bool weighted) {
  const CounterRandom random(5, RandomUse::kGenerator);
  ScoreCase<T> c{loss, Matrix<T>(rows, outputs), Matrix<T>(rows, target_columns(loss, outputs)), {}};
  for (std::size_t i = 0; i < rows * outputs; ++i)
    c.probabilities.data()[i] = static_cast<T>(std::round(20 / (1 + std::exp(-random.normal(i)))) / 20);
  for (std::size_t i = 0; i < rows * c.y.cols(); ++i)
    c.y.data()[i] =
        static_cast<T>(std::min(std::floor(std::abs(random.normal(1'000'000 + i)) * 1.5),
                                loss == Loss::kCategoricalCrossEntropy ? static_cast<double>(outputs) - 1 : 1));
  for (std::size_t r = 0; r < rows && weighted; ++r) c.weights.push_back(std::abs(random.normal(9'000'000 + r / 3)));
  for (std::size_t r = 0; r < rows && weighted; r += 7) c.weights[r] = 0;
  return c;
}

template <class T>
std::vector<double> areas(const ScoreCase<T>& c, std::uint64_t bytes, std::size_t threads, std::size_t at_once) {
  Arena arena(threads);
  const std::size_t rows = c.y.rows();
  RankedScores<T> scores(c.loss, c.probabilities.cols(), rows, !c.weights.empty(), bytes, arena);
  for (std::size_t first = 0; first < rows; first += at_once) {
    const std::size_t count = std::min(at_once, rows - first);
    scores.add(c.probabilities.view().row_range(first, count), c.y.view().row_range(first, count),
               c.weights.empty() ? nullptr : c.weights.data() + first);
  }
  return scores.areas();
}

// Every pair of a row of the class and one of another, in long double.
template <class T>
double naive_area(const ScoreCase<T>& c, std::size_t output) {
  const auto weight = [&](std::size_t r) { return c.weights.empty() ? 1.0L : static_cast<long double>(c.weights[r]); };
  const auto is_own = [&](std::size_t r) {
    return c.loss == Loss::kCategoricalCrossEntropy ? c.y(r, 0) == static_cast<T>(output) : c.y(r, output) == 1;
  };
  long double won = 0, all = 0;
  for (std::size_t a = 0; a < c.y.rows(); ++a)
    for (std::size_t b = 0; b < c.y.rows() && is_own(a); ++b) {
      if (is_own(b)) continue;
      const T own = c.probabilities(a, output), other = c.probabilities(b, output);
      all += weight(a) * weight(b);
      won += weight(a) * weight(b) * (own > other ? 1.0L : own == other ? 0.5L : 0.0L);
    }
  return static_cast<double>(won / all);
}

}  // namespace

TEMPLATE_TEST_CASE("areas under ROC curves are the share of pairs in order", "[ranked scores][threads]", float,
                   double) {
  const bool weighted = GENERATE(false, true);
  const Loss loss = GENERATE(Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy);
  const auto c = make_score_case<TestType>(loss, 700, 3, weighted);
  const std::vector<double> found = areas(c, kPlenty, 2, 256);
  for (std::size_t o = 0; o < 3; ++o) CHECK(found[o] == Approx(naive_area(c, o)).epsilon(1e-13));
}

TEMPLATE_TEST_CASE("areas have the same bits from a file, for any threads and pieces", "[ranked scores][threads]",
                   float, double) {
  const auto c = make_score_case<TestType>(Loss::kCategoricalCrossEntropy, 10'000, 4, true);
  const std::vector<double> whole = areas(c, kPlenty, 1, 10'000);
  CHECK(areas(c, kPlenty, 4, 999) == whole);
  CHECK(areas(c, kTooLittle, 1, 10'000) == whole);
  CHECK(areas(c, kTooLittle, 4, 333) == whole);
  CHECK(areas(c, 100'000, 2, 512) == whole);
}

TEST_CASE("an area of rows of one label alone, or of NaN, is NaN", "[ranked scores][threads]") {
  for (const std::uint64_t bytes : {kPlenty, kTooLittle}) {
    auto c = make_score_case<double>(Loss::kCategoricalCrossEntropy, 3000, 4, false);
    for (std::size_t r = 0; r < 3000; ++r) c.y(r, 0) = static_cast<double>(r % 2);
    CHECK(std::isfinite(areas(c, bytes, 2, 512)[0]));
    CHECK(std::isnan(areas(c, bytes, 2, 512)[2]));
    c.probabilities(2999, 1) = std::numeric_limits<double>::quiet_NaN();
    CHECK(std::isfinite(areas(c, bytes, 2, 512)[0]));
    CHECK(std::isnan(areas(c, bytes, 2, 512)[1]));
  }
}

}  // namespace gradloom
