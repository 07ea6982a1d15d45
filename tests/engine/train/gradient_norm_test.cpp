#include "engine/train/gradient_norm.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

constexpr double kNoBound = std::numeric_limits<double>::infinity();

/// Layers of several pieces, and of less than one.
ParameterLayout layout_of_pieces() {
  return {300, std::vector<LayerSpec>{{200, Activation::kTanh}, {3, Activation::kLinear}}};
}

std::vector<double> random_gradient(const ParameterLayout& layout) {
  const CounterRandom random(4, RandomUse::kGenerator);
  std::vector<double> gradient(layout.size(), 0.0);
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const MatrixView<double> weight = layout.weight(gradient.data(), l);
    for (std::size_t i = 0; i < weight.rows * weight.cols; ++i) weight.data[i] = random.normal(100000 * l + i);
    for (double& bias : layout.bias(gradient.data(), l)) bias = 2;
  }
  return gradient;
}

double norm_in_parts(const ParameterLayout& layout, const std::vector<double>& gradient, std::size_t parts,
                     double most) {
  GradientNorm<double> norm(layout, most);
  for (std::size_t l = 0; l < layout.depth(); ++l)
    for (std::size_t part = parts; part-- > 0;)
      norm.measure(l, gradient.data() + layout.layer(l).weight_offset, part, parts);
  return norm.value();
}

}  // namespace

TEST_CASE("a norm is that of all elements, with the same bits whoever measures what", "[train]") {
  const ParameterLayout layout = layout_of_pieces();
  const std::vector<double> gradient = random_gradient(layout);
  for (const double most : {kNoBound, 0.5}) {
    long double squares = 0;
    for (const double g : gradient) squares += std::pow(static_cast<long double>(std::min(std::abs(g), most)), 2);
    const double one = norm_in_parts(layout, gradient, 1, most);
    CHECK(one == Approx(static_cast<double>(std::sqrt(squares))).epsilon(1e-14));
    for (const std::size_t parts : {2, 3, 40}) CHECK(norm_in_parts(layout, gradient, parts, most) == one);
  }
}

TEST_CASE("a part that is not finite makes the norm so, and is told by its layer", "[train]") {
  const ParameterLayout layout = layout_of_pieces();
  for (const double evil : {std::numeric_limits<double>::quiet_NaN(), kNoBound, 1e200}) {
    std::vector<double> gradient = random_gradient(layout);
    layout.bias(gradient.data(), 1)[2] = evil;
    GradientNorm<double> norm(layout, kNoBound);
    for (std::size_t l = 0; l < layout.depth(); ++l) norm.measure(l, gradient.data() + layout.layer(l).weight_offset);
    CHECK_FALSE(std::isfinite(norm.value()));
    CHECK(norm.is_finite(0));
    CHECK_FALSE(norm.is_finite(1));
  }
}
