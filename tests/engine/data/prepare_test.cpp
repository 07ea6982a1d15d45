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
Dataset<T> numbered_set(std::size_t rows, bool with_targets = true) {
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
  Dataset<double> data = numbered_set<double>(labels.size());
  std::copy(labels.begin(), labels.end(), data.y.data());
  return data;
}

TEST_CASE("split_rows gives every row to one part, in source order", "[prepare]") {
  const bool with_targets = GENERATE(true, false);
  Dataset<float> all = numbered_set(1000, with_targets);
  all.feature_names = {"a", "b"};
  const RowSplit split(7, 0.3, Fold{2, 4});
  const SplitRows<float> parts = split_rows(std::move(all), split);
  CHECK(parts.training.rows() + parts.validation->rows() + parts.test->rows() == 1000);
  CHECK(parts.training.name == "train.h5");
  CHECK(parts.validation->name == "train.h5 (held out)");
  CHECK(parts.test->name == "train.h5 (fold 2/4)");
  const auto check_part = [&](const Dataset<float>& part, RowUse use) {
    CHECK(part.feature_names == std::vector<std::string>{"a", "b"});
    CHECK(part.outputs() == (with_targets ? 1U : 0U));
    CHECK(std::is_sorted(part.source_rows.begin(), part.source_rows.end()));
    for (std::size_t r = 0; r < part.rows(); ++r) {
      const auto source_row = static_cast<float>(part.source_row(r));
      REQUIRE(split.use_of(part.source_row(r)) == use);
      REQUIRE(part.x(r, 0) == source_row);
      REQUIRE(part.x(r, 1) == source_row + 0.5F);
      if (with_targets) REQUIRE(part.y(r, 0) == -source_row);
      REQUIRE(part.weights[r] == static_cast<double>(source_row) / 2);
    }
  };
  check_part(parts.training, RowUse::kTraining);
  check_part(*parts.validation, RowUse::kValidation);
  check_part(*parts.test, RowUse::kTest);
}

TEST_CASE("split_rows makes no part that was not asked for", "[prepare]") {
  const SplitRows<float> whole = split_rows(numbered_set(10), RowSplit());
  CHECK(whole.training.rows() == 10);
  CHECK_FALSE(whole.validation);
  CHECK_FALSE(whole.test);
  CHECK_FALSE(split_rows(numbered_set(100), RowSplit(1, 0.5)).test);
  CHECK_FALSE(split_rows(numbered_set(100), RowSplit(1, 0, Fold{1, 2})).validation);
}

TEST_CASE("split_rows keeps the source rows of a part of a part", "[prepare]") {
  const Dataset<float> half = split_rows(numbered_set(200), RowSplit(1, 0.5)).training;
  const SplitRows<float> parts = split_rows(half, RowSplit(2, 0.5));
  const Dataset<float>& held = *parts.validation;
  for (std::size_t r = 0; r < held.rows(); ++r) CHECK(held.x(r, 0) == static_cast<float>(held.source_row(r)));
  CHECK(parts.training.rows() + held.rows() == half.rows());
}

TEST_CASE("split_rows refuses to leave a part empty", "[prepare]") {
  const auto split = [](std::size_t rows, const RowSplit& by) {
    return message_of<DataError>([&] { split_rows(numbered_set(rows), by); });
  };
  CHECK_THAT(split(10, {1, 1e-9}), has_text("data.valid-fraction = 1e-09 of 10 rows leaves none to validate on"));
  CHECK_THAT(split(10, {1, 1}), has_text("leaves none to train on"));
  CHECK_THAT(split(1, {1, 0.5}), has_text("leaves none"));
  CHECK_THAT(split(10, {1, 0, Fold{200, 255}}), has_text("data.fold = 200/255 of 10 rows leaves none to test on"));
  const auto all_tested = std::make_shared<FoldTable>(10, std::uint8_t{1});
  CHECK_THAT(split(10, {1, 0, Fold{2, 3, true}, all_tested}),
             has_text("train.h5: data.fold = 2/3 stratified of 10 rows leaves none to train on; use fewer folds"));
}

TEST_CASE("Targets are as wide as the loss wants them", "[prepare]") {
  CHECK_NOTHROW(check_targets(numbered_set(3), Loss::kMse, 1));
  CHECK_THAT(message_of<DataError>([] { check_targets(numbered_set(3), Loss::kMse, 2); }),
             has_text("train.h5: targets have 1 columns; an output layer of 2 units with mse needs 2"));
  CHECK_THROWS_AS(check_targets(numbered_set(3, false), Loss::kMae, 1), DataError);
  CHECK_THROWS_AS(check_targets(labelled({0, 1}), Loss::kBinaryCrossEntropy, 2), DataError);
  Dataset<double> one_hot = numbered_set<double>(3);
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
  const Dataset<double> data = numbered_set<double>(5);  // 0..4: mean 2, variance 2
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
  const Dataset<float> data = numbered_set(5);
  CHECK_FALSE(fit_standardization(data, Standardize::kNone).features());
  CHECK_FALSE(fit_standardization(data, Standardize::kTargets).features());
  CHECK_FALSE(fit_standardization(data, Standardize::kFeatures).targets());
  Matrix<float> y = data.y;
  standardize_targets(fit_standardization(data, Standardize::kFeatures), y.view());
  CHECK(y(3, 0) == -3);
}

TEST_CASE("Restoring undoes standardizing", "[prepare]") {
  const Dataset<double> data = numbered_set<double>(1000);
  const Standardization s = fit_standardization(data, Standardize::kTargets);
  Matrix<double> y = data.y;
  standardize_targets(s, y.view());
  restore_targets(s, y.view());
  // A rounding of the quotient (half an ulp, relative) and two of product and sum, on values up to 1000.
  const double tolerance = 4 * std::numeric_limits<double>::epsilon() * 1000;
  for (std::size_t r = 0; r < data.rows(); ++r) CHECK(std::abs(y(r, 0) - data.y(r, 0)) <= tolerance);
}

TEST_CASE("A constant column has its value as mean and scale 1", "[prepare]") {
  Dataset<float> data = numbered_set(1001);
  for (std::size_t r = 0; r < data.rows(); ++r) data.x(r, 1) = 0.1F;  // whose sum rounds
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_mean[1] == static_cast<double>(0.1F));
  CHECK(s.x_scale[1] == 1);
  standardize_features(s, data.x.view());
  CHECK(data.x(500, 1) == 0);
}

TEST_CASE("Large offsets keep their digits", "[prepare]") {
  Dataset<double> data = numbered_set<double>(4);
  for (std::size_t r = 0; r < 4; ++r) data.x(r, 0) = 1e9 + static_cast<double>(r);
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_mean[0] == 1e9 + 1.5);
  CHECK(s.x_scale[0] == std::sqrt(1.25));  // the textbook formula E[x²] - E[x]² would give 0 here
}

TEST_CASE("Deviations whose squares are no numbers are right", "[prepare]") {
  Dataset<double> data = numbered_set<double>(5);
  for (std::size_t r = 0; r < 5; ++r) {
    data.x(r, 0) *= 0x1p-600;
    data.x(r, 1) *= 0x1p+700;
  }
  const Standardization s = fit_standardization(data, Standardize::kFeatures);
  CHECK(s.x_scale == std::vector<double>{std::sqrt(2.0) * 0x1p-600, std::sqrt(2.0) * 0x1p+700});
}

TEST_CASE("Values too large to be standardized, other widths and empty sets are refused", "[prepare]") {
  Dataset<double> data = numbered_set<double>(3);
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
  CHECK_THROWS_AS(fit_standardization(numbered_set(0), Standardize::kBoth), DataError);
}

}  // namespace
}  // namespace gradloom
