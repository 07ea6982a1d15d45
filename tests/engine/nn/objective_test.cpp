#include "engine/nn/objective.hpp"

#include "gradloom/errors.hpp"
#include "support/catch.hpp"

using namespace gradloom;

TEST_CASE("a row counts its own weight times its class's", "[nn]") {
  Matrix<float> y(4, 1);
  for (std::size_t r = 0; r < 4; ++r) y(r, 0) = static_cast<float>(r % 3);
  const double rows[] = {2, 0.5, 0, 8};
  std::vector<double> weights(4);
  const Objective plain = Loss::kMse;
  CHECK(plain.weigh<float>(y.view(), nullptr, weights.data()) == 4);
  CHECK(weights == std::vector<double>{1, 1, 1, 1});
  CHECK(plain.weigh<float>(y.view(), rows, weights.data()) == 10.5);
  CHECK(weights == std::vector<double>{2, 0.5, 0, 8});
  const Objective classes{Loss::kCategoricalCrossEntropy, {1, 10, 100}};
  CHECK(classes.weigh<float>(y.view(), nullptr, weights.data()) == 112);
  CHECK(weights == std::vector<double>{1, 10, 100, 1});
  CHECK(classes.weigh<float>(y.view(), rows, weights.data()) == 15);
  CHECK(weights == std::vector<double>{2, 5, 0, 8});
}

TEST_CASE("a label that is no class has no weight", "[nn]") {
  const Objective classes{Loss::kCategoricalCrossEntropy, {1, 2}};
  double weight = 0;
  for (const float label : {-1.0F, 2.0F}) {
    const Matrix<float> y(1, 1, label);
    CHECK_THROWS_AS(classes.weigh<float>(y.view(), nullptr, &weight), DataError);
  }
}

TEST_CASE("only rows of one class have class weights", "[nn]") {
  CHECK(class_count(Loss::kCategoricalCrossEntropy, 5) == 5);
  CHECK(class_count(Loss::kBinaryCrossEntropy, 1) == 2);
  CHECK(class_count(Loss::kBinaryCrossEntropy, 3) == 0);
  CHECK(class_count(Loss::kMse, 1) == 0);
}
