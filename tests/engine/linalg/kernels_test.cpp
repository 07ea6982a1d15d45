#include "engine/linalg/kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/instruction_sets.hpp"
#include "support/same_bits.hpp"

using namespace gradloom;
using gradloom::testing::same_bits;

namespace {

constexpr Activation kActivations[] = {
    Activation::kLinear, Activation::kSigmoid,   Activation::kTanh,    Activation::kRelu,     Activation::kLeakyRelu,
    Activation::kElu,    Activation::kGelu,      Activation::kSilu,    Activation::kSoftplus, Activation::kSelu,
    Activation::kMish,   Activation::kHardswish, Activation::kSoftsign};

using Wide = long double;

constexpr Wide kSeluScale = 1.0507009873554804934193349852946L, kSeluAlpha = 1.6732632423543772848170429916717L;

/// PyTorch's definitions; long double makes their cancellations harmless at float and double precision.
Wide value_reference(Activation f, Wide z) {
  switch (f) {
    case Activation::kLinear:
      return z;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-z));
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kRelu:
      return z > 0 ? z : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? z : z * 0.01L;
    case Activation::kElu:
      return z > 0 ? z : std::expm1(z);
    case Activation::kGelu:
      return z * std::erfc(-z / std::sqrt(2.0L)) / 2;
    case Activation::kSilu:
      return z / (1 + std::exp(-z));
    case Activation::kSoftplus:
      return z > 20 ? z : std::log1p(std::exp(z));
    case Activation::kSelu:
      return kSeluScale * (z > 0 ? z : kSeluAlpha * std::expm1(z));
    case Activation::kMish:
      return z * std::tanh(std::log1p(std::exp(z)));
    case Activation::kHardswish:
      return z * std::clamp<Wide>(z + 3, 0, 6) / 6;
    case Activation::kSoftsign:
      return z / (1 + std::abs(z));
    case Activation::kPrelu:  // prelu_test.cpp
      break;
  }
  return 0;
}

Wide slope_reference(Activation f, Wide z) {
  const Wide s = 1 / (1 + std::exp(-z));
  switch (f) {
    case Activation::kLinear:
      return 1;
    case Activation::kSigmoid:
      return s / (1 + std::exp(z));
    case Activation::kTanh:
      return 1 / (std::cosh(z) * std::cosh(z));
    case Activation::kRelu:
      return z > 0 ? 1 : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? 1 : 0.01L;
    case Activation::kElu:
      return z > 0 ? 1 : std::exp(z);
    case Activation::kGelu:
      return std::erfc(-z / std::sqrt(2.0L)) / 2 + z * std::exp(-z * z / 2) * 0.39894228040143267794L;
    case Activation::kSilu:
      return s * (1 + z / (1 + std::exp(z)));
    case Activation::kSoftplus:
      return z > 20 ? 1 : s;
    case Activation::kSelu:
      return kSeluScale * (z > 0 ? 1 : kSeluAlpha * std::exp(z));
    case Activation::kMish: {
      const Wide t = std::tanh(std::log1p(std::exp(z)));
      return t + z * s / std::pow(std::cosh(std::log1p(std::exp(z))), 2.0L);
    }
    case Activation::kHardswish:
      return z < -3 ? 0 : z > 3 ? 1 : z / 3 + 0.5L;
    case Activation::kSoftsign:
      return 1 / ((1 + std::abs(z)) * (1 + std::abs(z)));
    case Activation::kPrelu:
      break;
  }
  return 0;
}

/// Distance in units of the last place of T at the reference.
template <class T>
Wide ulps(T got, Wide reference) {
  const T rounded = static_cast<T>(reference);
  const T magnitude = std::max(std::abs(rounded), std::numeric_limits<T>::min());
  const T unit = std::nextafter(magnitude, std::numeric_limits<T>::infinity()) - magnitude;
  return std::abs(static_cast<Wide>(got) - reference) / static_cast<Wide>(unit);
}

/// What kernels.hpp says of the values.
Wide stated_ulps(Activation f) {
  switch (f) {
    case Activation::kGelu:
      return 6;
    case Activation::kSelu:
    case Activation::kMish:
      return 4;
    case Activation::kSilu:
      return 3;
    default:
      return 2;
  }
}

/// Both signs: dense where networks live, and powers of two down to tiny and up to `largest`.
template <class T>
std::vector<T> arguments(T largest) {
  std::vector<T> z = {0};
  for (int i = 1; i <= 40000; ++i) z.push_back(static_cast<T>(i) * largest / 40000);
  for (int i = 1; i <= 8000; ++i) z.push_back(static_cast<T>(i) * static_cast<T>(0.0005));
  for (int e = -30; e < 0; ++e)
    for (T m = 1; m < 2; m += static_cast<T>(0.0625)) z.push_back(std::ldexp(m, e));
  const std::size_t n = z.size();
  for (std::size_t i = 0; i < n; ++i) z.push_back(-z[i]);
  return z;
}

template <class T>
std::vector<T> activate(Activation f, const std::vector<T>& z) {
  std::vector<T> sum = z;
  std::vector<T> a(z.size());
  const std::vector<T> bias(z.size(), T{0});
  add_bias_and_activate<T>(f, {sum.data(), 1, z.size()}, bias.data(), {a.data(), 1, z.size()});
  return a;
}

template <class T>
std::vector<T> slopes(Activation f, const std::vector<T>& z, const std::vector<T>& a) {
  std::vector<T> delta(z.size(), T{1});
  const std::size_t n = z.size();
  multiply_by_derivative<T>(f, {z.data(), 1, n}, {a.data(), 1, n}, {delta.data(), 1, n});
  return delta;
}

}  // namespace

TEMPLATE_TEST_CASE("activations are within their stated units of the last place", "[linalg]", float, double) {
  using T = TestType;
  for (const Activation f : kActivations) {
    const std::vector<T> z = arguments<T>(110);  // sigmoid, silu and gelu become subnormal, and 0
    std::vector<Wide> expected;
    for (const T argument : z) expected.push_back(value_reference(f, argument));
    on_every_instruction_set([&] {
      const std::vector<T> a = activate(f, z);
      Wide worst = 0;
      for (std::size_t i = 0; i < z.size(); ++i) worst = std::max(worst, ulps(a[i], expected[i]));
      INFO(to_string(f) << " is off by " << static_cast<double>(worst) << " ulp");
      CHECK(worst <= stated_ulps(f));
    });
  }
}

TEMPLATE_TEST_CASE("derivatives are exact to a few roundings of numbers around 1", "[linalg]", float, double) {
  using T = TestType;
  for (const Activation f : kActivations) {
    const std::vector<T> z = arguments<T>(f == Activation::kGelu ? 12 : 80);
    std::vector<Wide> expected;
    for (const T argument : z) expected.push_back(slope_reference(f, argument));
    on_every_instruction_set([&] {
      const std::vector<T> a = activate(f, z);
      const std::vector<T> d = slopes(f, z, a);
      Wide worst = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {
        // softplus: outputs above 20 count as the straight part, where the curve's own slope is 1 - e^-20 or more.
        const Wide straight = f == Activation::kSoftplus && a[i] > 20 ? std::exp(-20.0L) : 0;
        worst = std::max(worst, std::abs(static_cast<Wide>(d[i]) - expected[i]) - straight);
      }
      worst /= std::numeric_limits<T>::epsilon();
      INFO(to_string(f) << "' is off by " << static_cast<double>(worst) << " epsilon");
      CHECK(worst <= 2);
    });
  }
}

TEMPLATE_TEST_CASE("activations take extreme numbers to their limits, and keep NaN", "[linalg]", float, double) {
  using T = TestType;
  constexpr T kMax = std::numeric_limits<T>::max();
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInf = std::numeric_limits<T>::infinity();
  on_every_instruction_set([&] {
    const auto of = [](Activation f, T z) { return activate<T>(f, {z})[0]; };
    const auto slope = [](Activation f, T z) { return slopes<T>(f, {z}, activate<T>(f, {z}))[0]; };
    for (const Activation f : kActivations) {
      INFO(to_string(f));
      CHECK(std::isnan(of(f, kNan)));
      CHECK(std::isnan(activate<T>(f, std::vector<T>(37, kNan))[36]));
      CHECK(std::isfinite(of(f, -kMax)));
      CHECK(std::isfinite(of(f, f == Activation::kSelu ? kMax / 2 : kMax)));  // selu's slope is over 1
      CHECK(std::isfinite(slope(f, -1000)));
      CHECK(std::isfinite(slope(f, 1000)));
    }
    for (const T z : {T{1000}, kMax, kInf}) {
      CHECK(of(Activation::kSigmoid, z) == 1);
      CHECK(of(Activation::kSigmoid, -z) == 0);
      CHECK(of(Activation::kTanh, z) == 1);
      CHECK(of(Activation::kTanh, -z) == -1);
      CHECK(of(Activation::kElu, z) == z);
      CHECK(of(Activation::kElu, -z) == -1);
      CHECK(of(Activation::kSoftplus, z) == z);
      CHECK(of(Activation::kSoftplus, -z) == 0);
      CHECK(of(Activation::kGelu, z) == z);
      CHECK(of(Activation::kSilu, z) == z);
      CHECK(of(Activation::kMish, z) == z);
      CHECK(of(Activation::kHardswish, z) == z);
      CHECK(of(Activation::kHardswish, -z) == 0);
      CHECK(std::abs(of(Activation::kSoftsign, z) - 1) < 2e-3);
      CHECK(of(Activation::kSoftsign, -z) == -of(Activation::kSoftsign, z));
    }
    CHECK(of(Activation::kSoftsign, kInf) == 1);
    CHECK(of(Activation::kSelu, kInf) == kInf);
    CHECK(of(Activation::kSelu, -kInf) == of(Activation::kSelu, -1000));
    CHECK(of(Activation::kMish, -1000) == 0);
    CHECK(of(Activation::kSilu, -1000) == 0);
    CHECK(of(Activation::kGelu, -1000) == 0);
    CHECK(slope(Activation::kGelu, -kMax) == 0);
    CHECK(slope(Activation::kGelu, kMax) == 1);
  });
}

TEMPLATE_TEST_CASE("an element's bits do not depend on where it stands", "[linalg]", float, double) {
  using T = TestType;
  constexpr T kValue = static_cast<T>(-0.7312), kBias = static_cast<T>(0.213);
  on_every_instruction_set([&] {
    for (const Activation f : kActivations) {
      const T sum = kValue + kBias;
      const T alone = activate<T>(f, {sum})[0];
      const T slope = slopes<T>(f, {sum}, {alone})[0];
      for (std::size_t length = 1; length <= 70; ++length)
        for (std::size_t offset = 0; offset < 3; ++offset) {
          std::vector<T> z(length + offset, kValue), a(z.size()), delta(z.size(), T{1});
          const std::vector<T> bias(z.size(), kBias);
          // One row, and one column: the cut into rows and the path for narrow ones must not show.
          const bool column = length % 2 == 0;
          const std::size_t rows = column ? length : 1;
          const MatrixView<T> zs(z.data() + offset, rows, length / rows), as(a.data() + offset, rows, length / rows);
          add_bias_and_activate<T>(f, zs, bias.data() + offset, as);
          multiply_by_derivative<T>(f, zs, as, {delta.data() + offset, rows, length / rows});
          for (std::size_t i = offset; i < z.size(); ++i)
            if (!same_bits(a[i], alone) || !same_bits(delta[i], slope))
              FAIL_CHECK(to_string(f) << ": element " << i << " of " << length << " from " << offset);
        }
    }
  });
}

TEMPLATE_TEST_CASE("rows with gaps between them, narrow and wide, keep their neighbours intact", "[linalg]", float,
                   double) {
  using T = TestType;
  const std::size_t cols = GENERATE(1, 3, 4, 10, 15, 16, 17, 30, 33);
  constexpr std::size_t kRows = 5;
  const std::size_t gap = GENERATE(0, 3);
  const T mark = 77;
  on_every_instruction_set([&] {
    for (const bool in_place : {true, false}) {
      Matrix<T> z(kRows, cols + gap, mark), a(kRows, cols + gap, mark);
      std::vector<T> bias(cols);
      for (std::size_t c = 0; c < cols; ++c) bias[c] = static_cast<T>(c) / 7;
      for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t c = 0; c < cols; ++c) z(r, c) = static_cast<T>(r) - static_cast<T>(c) / 3;
      const Matrix<T> before = z;
      const MatrixView<T> zs(z.data(), kRows, cols, cols + gap);
      const MatrixView<T> as(in_place ? z.data() : a.data(), kRows, cols, cols + gap);
      add_bias_and_activate<T>(Activation::kTanh, zs, bias.data(), as);
      for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t c = 0; c < cols; ++c) {
          const T sum = before(r, c) + bias[c];
          CHECK(same_bits(as(r, c), activate<T>(Activation::kTanh, {sum})[0]));
          if (!in_place) CHECK(zs(r, c) == sum);
        }
        for (std::size_t c = cols; c < cols + gap; ++c) CHECK((z(r, c) == mark && a(r, c) == mark));
      }
    }
  });
}

TEMPLATE_TEST_CASE("sums add rows in their order", "[linalg]", float, double) {
  using T = TestType;
  const std::size_t cols = GENERATE(1, 3, 10, 16, 31, 64, 65, 150);
  constexpr std::size_t kRows = 23, kGap = 2;
  Matrix<T> m(kRows, cols + kGap, T{1});
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t c = 0; c < cols; ++c) m(r, c) = std::sin(static_cast<T>(r * 31 + c));
  on_every_instruction_set([&] {
    std::vector<T> sums(cols + 1, T{77});
    sum_rows<T>({m.data(), kRows, cols, cols + kGap}, sums.data());
    for (std::size_t c = 0; c < cols; ++c) {
      T naive = 0;
      for (std::size_t r = 0; r < kRows; ++r) naive += m(r, c);
      CHECK(same_bits(sums[c], naive));
    }
    CHECK(sums[cols] == 77);
    sum_rows<T>({m.data(), 0, cols, cols + kGap}, sums.data());
    CHECK(std::all_of(sums.begin(), sums.end() - 1, [](T s) { return s == 0; }));

    std::vector<T> total(cols + 1, T{0.5});
    add_to<T>(total.data(), m.data(), cols);
    for (std::size_t c = 0; c < cols; ++c) CHECK(same_bits(total[c], T{0.5} + m(0, c)));
    CHECK(total[cols] == T{0.5});
  });
}

TEMPLATE_TEST_CASE("a moving average has the same bits everywhere", "[linalg]", float, double) {
  using T = TestType;
  const T kept = static_cast<T>(0.9), taken = static_cast<T>(1 - 0.9);
  on_every_instruction_set([&] {
    for (std::size_t n = 0; n <= 40; ++n) {
      std::vector<T> average(n + 1, T{77}), values(n);
      for (std::size_t i = 0; i < n; ++i)
        average[i] = std::sin(static_cast<T>(i)), values[i] = std::cos(static_cast<T>(i));
      const std::vector<T> before = average;
      move_average<T>(average.data(), values.data(), 0.9, n);
      bool same = true;
      for (std::size_t i = 0; i < n; ++i) {
        const volatile T old = kept * before[i], added = taken * values[i];  // two roundings: not contracted
        same = same && same_bits(average[i], static_cast<T>(old + added));
      }
      CHECK(same);
      CHECK(average[n] == 77);
    }
  });
}

TEMPLATE_TEST_CASE("one NaN or Inf anywhere is seen", "[linalg]", float, double) {
  using T = TestType;
  on_every_instruction_set([&] {
    for (std::size_t n = 1; n <= 40; ++n)
      for (std::size_t bad = 0; bad < n; ++bad)
        for (const T evil : {std::numeric_limits<T>::quiet_NaN(), -std::numeric_limits<T>::infinity()}) {
          std::vector<T> g(n, T{2});
          REQUIRE(all_finite<T>(g.data(), n));
          g[bad] = evil;
          REQUIRE_FALSE(all_finite<T>(g.data(), n));
        }
    CHECK(all_finite<T>(nullptr, 0));
  });
}
