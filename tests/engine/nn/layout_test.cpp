#include "engine/nn/layout.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace gradloom;

TEST_CASE("tensors start on cache lines, in order, without overlap", "[nn]") {
  const std::vector<LayerSpec> specs = {{30, Activation::kSigmoid}, {10, Activation::kTanh}, {1, Activation::kLinear}};
  const ParameterLayout layout(3, specs);
  REQUIRE(layout.depth() == 3);
  CHECK(layout.inputs() == 3);
  CHECK(layout.outputs() == 1);
  CHECK(layout.parameter_count() == 30 * 3 + 30 + 10 * 30 + 10 + 10 + 1);
  CHECK(layout.specs() == specs);
  std::size_t end = 0;
  for (std::size_t l = 0; l < 3; ++l) {
    const LayerLayout& layer = layout.layer(l);
    CHECK(layer.units == specs[l].units);
    CHECK(layer.inputs == (l == 0 ? 3 : specs[l - 1].units));
    CHECK((layer.weight_offset % 16 == 0 && layer.bias_offset % 16 == 0));
    CHECK((layer.weight_offset >= end && layer.weight_offset < end + 16));
    end = layer.weight_offset + layer.units * layer.inputs;
    CHECK((layer.bias_offset >= end && layer.bias_offset < end + 16));
    end = layer.bias_offset + layer.units;
  }
  CHECK((layout.size() % 16 == 0 && layout.size() >= end && layout.size() < end + 16));
}

TEST_CASE("views of a block have the layers' shapes", "[nn]") {
  const ParameterLayout layout(5, std::vector<LayerSpec>{{7, Activation::kRelu}});
  std::vector<float> block(layout.size());
  const MatrixView<float> weight = layout.weight(block.data(), 0);
  CHECK((weight.rows == 7 && weight.cols == 5 && weight.stride == 5));
  CHECK(weight.data == block.data() + layout.layer(0).weight_offset);
  CHECK(layout.bias(block.data(), 0).size() == 7);
  CHECK(layout.bias(block.data(), 0).data() == block.data() + layout.layer(0).bias_offset);
}

TEST_CASE("slopes of a prelu are a tensor of the layer, behind its others", "[nn]") {
  const std::vector<LayerSpec> specs = {
      {20, Activation::kPrelu, 0.1, Normalization::kBatchNorm, NormPlace::kBehindActivation, Slopes::kUnits},
      {5, Activation::kPrelu},
      {1, Activation::kLinear}};
  const ParameterLayout layout(3, specs);
  CHECK(layout.specs() == specs);
  CHECK(layout.parameter_count() == 3 * 20 + 20 + 2 * 20 + 20 + 20 * 5 + 5 + 1 + 5 + 1);
  const LayerTensor& of_units = layout.layer(0).tensors.back();
  CHECK(std::string(of_units.name) == "slope");
  CHECK(of_units.shape() == std::vector<std::uint64_t>{20});
  CHECK((of_units.learned && of_units.offset == layout.layer(0).slope_offset));
  CHECK(of_units.offset >= layout.layer(0).running_var_offset + 20);
  CHECK(layout.layer(1).tensors.back().shape() == std::vector<std::uint64_t>{1});
  CHECK(layout.layer(1).slope_offset == layout.layer(1).bias_offset + 16);
  CHECK(layout.layer(2).weight_offset == layout.layer(1).slope_offset + 16);
  CHECK(layout.layer(2).slope_count() == 0);
  std::vector<float> block(layout.size());
  CHECK(layout.slope(block.data(), 0).size() == 20);
  CHECK(layout.slope(block.data(), 1).data() == block.data() + layout.layer(1).slope_offset);
  CHECK(layout.slope(block.data(), 2).empty());
}

TEST_CASE("layers are named by three digits", "[nn]") {
  CHECK(layer_name(0) == "layer_000");
  CHECK(layer_name(42) == "layer_042");
  CHECK(layer_name(1234) == "layer_1234");
}
