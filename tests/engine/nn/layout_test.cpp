#include "engine/nn/layout.hpp"

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

TEST_CASE("layers are named by three digits", "[nn]") {
  CHECK(layer_name(0) == "layer_000");
  CHECK(layer_name(42) == "layer_042");
  CHECK(layer_name(1234) == "layer_1234");
}
