#include "engine/data/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;

// Row r of x is (r, r + 0.5), of y (-r), of weight r / 2.
template <class T = float>
Dataset<T> counted(std::size_t rows, bool with_targets = true) {
  Dataset<T> data;
  data.name = "train.h5";
  data.x = Matrix<T>(rows, 2);
  if (with_targets) data.y = Matrix<T>(rows, 1);
  data.weights.resize(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    data.x(r, 0) = static_cast<T>(r);
    data.x(r, 1) = static_cast<T>(r) + T(0.5);
    if (with_targets) data.y(r, 0) = -static_cast<T>(r);
    data.weights[r] = static_cast<double>(r) / 2;
  }
  return data;
}

Dataset<double> labelled(const std::vector<double>& labels) {
  Dataset<double> data = counted<double>(labels.size());
  std::copy(labels.begin(), labels.end(), data.y.data());
  return data;
}

TEST_CASE("Held-out rows are a function of seed and row, near the fraction", "[prepare]") {
  constexpr std::size_t kRows = 20000;
  std::size_t held = 0, other_seed = 0;
  for (std::uint64_t row = 0; row < kRows; ++row) {
    held += is_held_out(1, 0.2, row);
    other_seed += is_held_out(1, 0.2, row) && is_held_out(2, 0.2, row);
    if (is_held_out(1, 0.1, row)) CHECK(is_held_out(1, 0.2, row));  // a larger fraction adds rows
  }
  // Five standard deviations of a binomial count: sqrt(20000 * 0.2 * 0.8) = 57, sqrt(20000 * 0.04 * 0.96) = 28.
  CHECK(std::abs(static_cast<double>(held) - 4000) < 5 * 57);
  CHECK(std::abs(static_cast<double>(other_seed) - 800) < 5 * 28);
  CHECK_FALSE(is_held_out(1, 0, 3));
}

TEST_CASE("hold_out splits every row to one side, in source order", "[prepare]") {
  const bool with_targets = GENERATE(true, false);
  Dataset<float> all = counted(1000, with_targets);
  all.feature_names = {"a", "b"};
  const auto [kept, held] = hold_out(std::move(all), 0.3, 7);
  CHECK(kept.rows() + held.rows() == 1000);
  CHECK(held.feature_names == std::vector<std::string>{"a", "b"});
  CHECK(held.outputs() == (with_targets ? 1U : 0U));
  for (const auto* part : {&kept, &held}) {
    CHECK(std::is_sorted(part->source_rows.begin(), part->source_rows.end()));
    for (std::size_t r = 0; r < part->rows(); ++r) {
      const auto source_row = static_cast<float>(part->source_row(r));
      REQUIRE(is_held_out(7, 0.3, part->source_row(r)) == (part == &held));
      REQUIRE(part->x(r, 0) == source_row);
      REQUIRE(part->x(r, 1) == source_row + 0.5F);
      if (with_targets) REQUIRE(part->y(r, 0) == -source_row);
      REQUIRE(part->weights[r] == static_cast<double>(source_row) / 2);
    }
  }
}

TEST_CASE("hold_out keeps the source rows of a part of a part", "[prepare]") {
  const Dataset<float> half = hold_out(counted(200), 0.5, 1).first;
  const auto [kept, held] = hold_out(half, 0.5, 2);
  for (std::size_t r = 0; r < held.rows(); ++r) CHECK(held.x(r, 0) == static_cast<float>(held.source_row(r)));
  CHECK(kept.rows() + held.rows() == half.rows());
}

TEST_CASE("hold_out refuses to leave a side empty", "[prepare]") {
  CHECK_THAT(message_of<DataError>([] { hold_out(counted(10), 0, 1); }), has_text("leaves none to validate on"));
  CHECK_THAT(message_of<DataError>([] { hold_out(counted(10), 1, 1); }), has_text("leaves none to train on"));
  CHECK_THROWS_AS(hold_out(counted(1), 0.5, 1), DataError);
}

TEST_CASE("Targets are as wide as the loss wants them", "[prepare]") {
  CHECK_NOTHROW(check_targets(counted(3), Loss::kMse, 1));
  CHECK_THAT(message_of<DataError>([] { check_targets(counted(3), Loss::kMse, 2); }),
             has_text("train.h5: targets have 1 columns; an output layer of 2 units with mse needs 2"));
  CHECK_THROWS_AS(check_targets(counted(3, false), Loss::kMae, 1), DataError);
  CHECK_THROWS_AS(check_targets(labelled({0, 1}), Loss::kBinaryCrossEntropy, 2), DataError);
  Dataset<double> one_hot = counted<double>(3);
  one_hot.y = Matrix<double>(3, 2);
  CHECK_THAT(message_of<DataError>([&] { check_targets(one_hot, Loss::kCategoricalCrossEntropy, 2); }),
             has_text("needs 1, the class index"));
}

TEST_CASE("Labels are whole and in range", "[prepare]") {
  const auto categorical = [](double label) {
    return message_of<DataError>([=] { check_targets(labelled({0, 9, label}), Loss::kCategoricalCrossEntropy, 10); });
  };
  const std::string fine = message_of<DataError>([] {});
  CHECK(categorical(0) == fine);
  CHECK(categorical(9) == fine);
  CHECK_THAT(categorical(10), has_text("train.h5: targets row 2, column 0 is 10; categorical-cross-entropy needs a "
                                       "class index from 0 to 9"));
  for (const double wrong : {-1.0, 2.5, 1e18, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THAT(categorical(wrong), has_text("row 2"));
  CHECK_NOTHROW(check_targets(labelled({0, 1, 1}), Loss::kBinaryCrossEntropy, 1));
  CHECK_THAT(message_of<DataError>([] {
               check_targets(labelled({0, 2}), Loss::kBinaryCrossEntropy, 1);
             }),
             has_text("row 1, column 0 is 2; binary-cross-entropy needs 0 or 1"));
}

TEST_CASE("A label of a held-out part is named by its row in the source", "[prepare]") {
  Dataset<double> data = labelled({0, 5});
  data.source_rows = {3, 77};
  CHECK_THAT(message_of<DataError>([&] { check_targets(data, Loss::kCategoricalCrossEntropy, 2); }),
             has_text("targets row 77"));
}

TEST_CASE("Standardization is mean and population deviation of each column", "[prepare]") {
  const Dataset<double> data = counted<double>(5);  // 0..4: mean 2, variance 2
  const Standardization s = fit_standardization(data, Standardize::kBoth);
  CHECK(s.x_mean == std::vector<double>{2, 2.5});
  CHECK(s.x_scale == std::vector<double>{std::sqrt(2.0), std::sqrt(2.0)});
  CHECK(s.y_mean == std::vector<double>{-2});
  Matrix<double> x = data.x;
  standardize_features(s, x.view());
  CHECK(x(0, 0) == (0 - 2) / std::sqrt(2.0));
  CHECK(x(2, 1) == 0);
}

TEST_CASE("Only the wanted side is standardized", "[prepare]") {
  const Dataset<float> data = counted(5);
  CHECK_FALSE(fit_standardization(data, Standardize::kNone).features());
  CHECK_FALSE(fit_standardization(data, Standardize::kTargets).features());
  CHECK_FALSE(fit_standardization(data, Standardize::kFeatures).targets());
  Matrix<float> y = data.y;
  standardize_targets(fit_standardization(data, Standardize::kFeatures), y.view());
  CHECK(y(3, 0) == -3);
}

TEST_CASE("Restoring undoes standardizing", "[prepare]") {
  const Dataset<double> data = counted<double>(1000);
  const Standardization s = fit_standardization(data, Standardize::kTargets);
  Matrix<double> y = data.y;
  standardize_targets(s, y.view());
  restore_targets(s, y.view());
  // A rounding of the quotient (half an ulp, relative) and two of product and sum, on values up to 1000.
  const double tolerance = 4 * std::numeric_limits<double>::epsilon() * 1000;
  for (std::size_t r = 0; r < data.rows(); ++r) CHECK(std::abs(y(r, 0) - data.y(r, 0)) <= tolerance);
}

TEST_CASE("A constant column has its value as mean and scale 1", "[prepare]") {
  Dataset<float> data = counted(1001);
  for (std::size_t r = 0; r < data.rows(); ++r) data.x(r, 1) = 0.1F;  // whose sum rounds
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_mean[1] == static_cast<double>(0.1F));
  CHECK(s.x_scale[1] == 1);
  standardize_features(s, data.x.view());
  CHECK(data.x(500, 1) == 0);
}

TEST_CASE("Large offsets keep their digits", "[prepare]") {
  Dataset<double> data = counted<double>(4);
  for (std::size_t r = 0; r < 4; ++r) data.x(r, 0) = 1e9 + static_cast<double>(r);
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_mean[0] == 1e9 + 1.5);
  CHECK(s.x_scale[0] == std::sqrt(1.25));  // the textbook formula E[x²] - E[x]² would give 0 here
}

TEST_CASE("Deviations whose squares are no numbers are right", "[prepare]") {
  Dataset<double> data = counted<double>(5);
  for (std::size_t r = 0; r < 5; ++r) {
    data.x(r, 0) *= 0x1p-600;
    data.x(r, 1) *= 0x1p+700;
  }
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_scale == std::vector<double>{std::sqrt(2.0) * 0x1p-600, std::sqrt(2.0) * 0x1p+700});
}

TEST_CASE("Values too large to be standardized, other widths and empty sets are refused", "[prepare]") {
  Dataset<double> data = counted<double>(3);
  Matrix<double> narrow(3, 1, 0.0);
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK_THAT(message_of<DataError>([&] { standardize_features(s, narrow.view()); }),
             has_text("has 1 features and the model was standardized with 2"));
  data.x(0, 1) = 1e300;
  CHECK_THAT(message_of<DataError>([&] { fit_standardization(data, Standardize::kFeatures); }),
             has_text("train.h5: column 1 of the features is too large"));
  data.x(0, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(message_of<DataError>([&] { fit_standardization(data, Standardize::kFeatures); }),
             has_text("train.h5: column 1 of the features holds NaN or Inf"));
  CHECK_THROWS_AS(fit_standardization(counted(0), Standardize::kBoth), DataError);
}

}  // namespace
}  // namespace gradloom
