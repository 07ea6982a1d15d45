#include "gradloom/model.hpp"

#include <cmath>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"

namespace gradloom {
namespace {

// The sample checkpoint's network by its definition: standardize, leaky ReLU, linear, restore.
double naive_prediction(const Model<double>& model, const Standardization& s, double x0, double x1) {
  const double x[2] = {(x0 - s.x_mean[0]) / s.x_scale[0], (x1 - s.x_mean[1]) / s.x_scale[1]};
  double out = model.bias(1)(0, 0);
  for (std::size_t u = 0; u < 3; ++u) {
    const double z = model.bias(0)(0, u) + model.weight(0)(u, 0) * x[0] + model.weight(0)(u, 1) * x[1];
    out += model.weight(1)(0, u) * (z > 0 ? z : 0.01 * z);
  }
  return out * s.y_scale[0] + s.y_mean[0];
}

}  // namespace

TEST_CASE("a model loads from a checkpoint and predicts raw rows in the target's units", "[model][threads]") {
  const testing::TemporaryFolder folder;
  const auto c = sample_checkpoint<double>();
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(c)));
  const auto model = Model<double>::load(folder / "c.h5");
  CHECK(model.inputs() == 2);
  CHECK(model.outputs() == 1);
  CHECK(model.loss() == Loss::kMse);
  CHECK(model.layers() == c.layout.specs());
  CHECK(model.weight(0).rows == 3);
  CHECK(model.bias(0).cols == 3);
  // A view with a stride: the third column is none of its business.
  const double wide[] = {1, 2, 9e99, -5, 0.5, 9e99, 30, -7, 9e99};
  const Matrix<double> y = model.predict(MatrixView<const double>(wide, 3, 2, 3));
  REQUIRE(y.rows() == 3);
  for (std::size_t r = 0; r < 3; ++r)
    CHECK(y(r, 0) == Approx(naive_prediction(model, c.standardization, wide[3 * r], wide[3 * r + 1])).epsilon(1e-13));
  CHECK(model.predict(MatrixView<const double>(wide, 0, 2)).rows() == 0);
}

TEST_CASE("a model refuses another width and another precision", "[model][threads]") {
  const testing::TemporaryFolder folder;
  write_bytes(folder / "c.h5", encode_checkpoint(view_of(sample_checkpoint<float>())));
  const auto model = Model<float>::load(folder / "c.h5");
  const Matrix<float> x(1, 3, 0.F);
  CHECK_THROWS_AS(model.predict(x.view()), DataError);
  CHECK_THROWS_AS(Model<double>::load(folder / "c.h5"), CheckpointError);
  CHECK_THROWS_AS(Model<float>::load(folder / "absent.h5"), CheckpointError);
}

}  // namespace gradloom
