#include "engine/nn/initializer.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace gradloom;

namespace {

constexpr std::size_t kInputs = 200, kUnits = 300;

ParameterLayout one_layer(Activation f) { return {kInputs, std::vector<LayerSpec>{{kUnits, f}}}; }

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments weight_moments(Initializer init, Activation f) {
  const ParameterLayout layout = one_layer(f);
  std::vector<double> block(layout.size());
  initialize(init, layout, 1, block.data());
  const double n = kInputs * kUnits;
  Moments moments;
  for (std::size_t i = 0; i < kInputs * kUnits; ++i) {
    moments.mean += block[i] / n;
    moments.deviation += block[i] * block[i] / n;
    moments.largest = std::max(moments.largest, std::abs(block[i]));
  }
  moments.deviation = std::sqrt(moments.deviation);
  return moments;
}

}  // namespace

TEST_CASE("initial weights have the spread that their authors give", "[nn]") {
  struct Expected {
    Initializer init;
    Activation activation;
    double deviation;
    bool uniform;
  };
  const double xavier = std::sqrt(2.0 / (kInputs + kUnits)), he = std::sqrt(2.0 / kInputs),
               torch = std::sqrt(1.0 / 3 / kInputs);  // uniform in +-1/sqrt(fan-in)
  const Expected table[] = {{Initializer::kXavierUniform, Activation::kRelu, xavier, true},
                            {Initializer::kXavierNormal, Activation::kRelu, xavier, false},
                            {Initializer::kHeUniform, Activation::kTanh, he, true},
                            {Initializer::kHeNormal, Activation::kTanh, he, false},
                            {Initializer::kLecunNormal, Activation::kTanh, std::sqrt(1.0 / kInputs), false},
                            {Initializer::kNormal, Activation::kTanh, 1, false},
                            {Initializer::kAuto, Activation::kLinear, torch, true},
                            {Initializer::kAuto, Activation::kSigmoid, xavier, true},
                            {Initializer::kAuto, Activation::kTanh, xavier, true},
                            {Initializer::kAuto, Activation::kRelu, torch, true},
                            {Initializer::kAuto, Activation::kLeakyRelu, torch, true},
                            {Initializer::kAuto, Activation::kElu, torch, true},
                            {Initializer::kAuto, Activation::kGelu, torch, true},
                            {Initializer::kAuto, Activation::kSilu, torch, true},
                            {Initializer::kAuto, Activation::kSoftplus, torch, true},
                            {Initializer::kAuto, Activation::kMish, torch, true},
                            {Initializer::kAuto, Activation::kHardswish, torch, true},
                            {Initializer::kAuto, Activation::kSoftsign, xavier, true},
                            {Initializer::kAuto, Activation::kPrelu, torch, true},
                            {Initializer::kAuto, Activation::kSelu, std::sqrt(1.0 / kInputs), false}};
  const double n = kInputs * kUnits;
  for (const auto& [init, activation, deviation, uniform] : table) {
    INFO(to_string(init) << " before " << to_string(activation));
    const Moments moments = weight_moments(init, activation);
    // Five standard errors of the mean and (a normal's, the larger one) of the deviation.
    CHECK(std::abs(moments.mean) < 5 * deviation / std::sqrt(n));
    CHECK(std::abs(moments.deviation - deviation) < 5 * deviation / std::sqrt(2 * n));
    const double bound = std::sqrt(3.0) * deviation;  // of a uniform distribution with this deviation
    if (uniform)
      CHECK((moments.largest <= bound && moments.largest > 0.99 * bound));
    else
      CHECK(moments.largest > 3.5 * deviation);
  }
}

TEST_CASE("biases are zero, but for standard-normal parameters and auto outside sigmoid and tanh", "[nn]") {
  const ParameterLayout layout(3, std::vector<LayerSpec>{{5, Activation::kRelu}, {2, Activation::kTanh}});
  for (const auto init : {Initializer::kAuto, Initializer::kNormal, Initializer::kZeros, Initializer::kHeNormal}) {
    INFO(to_string(init));
    std::vector<double> block(layout.size(), 77.0);
    initialize(init, layout, 4, block.data());
    std::size_t zeros = 0;
    for (std::size_t l = 0; l < layout.depth(); ++l)
      for (const double b : layout.bias(block.data(), l))
        CHECK((b != 0) == (init == Initializer::kNormal || (init == Initializer::kAuto && l == 0)));
    for (const double p : block) zeros += p == 0 ? 1 : 0;
    const std::size_t drawn = init == Initializer::kZeros    ? 0
                              : init == Initializer::kNormal ? layout.parameter_count()
                              : init == Initializer::kAuto   ? layout.parameter_count() - 2
                                                             : layout.parameter_count() - 7;
    CHECK(zeros == layout.size() - drawn);  // the gaps between tensors are zero too
  }
}

TEST_CASE("slopes start with 0.25, as PyTorch's, whatever weights start with", "[nn]") {
  LayerSpec of_units{5, Activation::kPrelu};
  of_units.slopes = Slopes::kUnits;
  const ParameterLayout layout(3, std::vector<LayerSpec>{of_units, {2, Activation::kPrelu}});
  for (const std::string& name : enum_names<Initializer>()) {
    INFO(name);
    std::vector<double> block(layout.size(), 77.0);
    initialize(*from_string<Initializer>(name), layout, 4, block.data());
    for (const double slope : layout.slope(block.data(), 0)) CHECK(slope == 0.25);
    CHECK(layout.slope(block.data(), 1)[0] == 0.25);
    CHECK(block[layout.layer(1).slope_offset + 1] == 0);  // gaps
  }
}

TEST_CASE("initial parameters depend on seed, layer and element alone, not on precision", "[nn]") {
  const ParameterLayout layout(6, std::vector<LayerSpec>{{6, Activation::kTanh}, {6, Activation::kTanh}});
  std::vector<double> wide(layout.size()), again(layout.size()), other(layout.size());
  std::vector<float> narrow(layout.size());
  initialize(Initializer::kNormal, layout, 4, wide.data());
  initialize(Initializer::kNormal, layout, 4, again.data());
  initialize(Initializer::kNormal, layout, 5, other.data());
  initialize(Initializer::kNormal, layout, 4, narrow.data());
  CHECK(wide == again);
  CHECK(std::equal(wide.begin(), wide.end(), narrow.begin(),
                   [](double w, float n) { return static_cast<float>(w) == n; }));
  for (std::size_t i = 0; i < 36; ++i) {
    CHECK(wide[i] != other[i]);
    CHECK(wide[i] != layout.weight(wide.data(), 1).data[i]);
  }
  for (const double b : layout.bias(wide.data(), 0)) CHECK(std::count(wide.begin(), wide.begin() + 36, b) == 0);
}
