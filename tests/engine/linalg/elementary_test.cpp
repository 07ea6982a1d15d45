// The error of the elementary functions, in units of the last place, on every instruction set that this machine has.
// This file is compiled once for each of them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/engine/linalg/elementary_test.cpp"
// clang-format off
#include "engine/linalg/targets.hpp"  // before Highway counts its targets
#include <hwy/foreach_target.h>
// clang-format on

#include "engine/linalg/elementary-inl.hpp"
#include "engine/linalg/vector_loops-inl.hpp"

#ifndef GRADLOOM_ELEMENTARY_TEST_FUNCTIONS  // this file is read once for each target
#define GRADLOOM_ELEMENTARY_TEST_FUNCTIONS
namespace gradloom {

enum class Function {
  kExp,
  kExpOfSmall,
  kExpm1,
  kLog1p,
  kLog1pOfPositive,
  kTanh,
  kSigmoid,
  kSigmoids,
  kSigmoidsOfMinus
};

}  // namespace gradloom
#endif

HWY_BEFORE_NAMESPACE();
namespace gradloom {
namespace HWY_NAMESPACE {
namespace {

template <class D, class V>
HWY_INLINE V value_of(D d, Function f, V x) {
  switch (f) {
    case Function::kExp:
      return exp_of(d, x);
    case Function::kExpOfSmall:
      return exp_of_small(d, x);
    case Function::kExpm1:
      return expm1_of(d, x);
    case Function::kLog1p:
      return log1p_of(d, x);
    case Function::kLog1pOfPositive:
      return log1p_of_positive(d, x);
    case Function::kTanh:
      return tanh_of(d, x);
    case Function::kSigmoid:
      return sigmoid_of(d, x);
    case Function::kSigmoids:
      return Sigmoids<D>(d, x).of_z;
    case Function::kSigmoidsOfMinus:
      return Sigmoids<D>(d, x).of_minus_z;
  }
  return x;
}

template <class T>
void evaluate_any(Function f, const T* x, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  for_each_vector(
      d, n, [&](std::size_t i, auto lanes) HWY_ATTR { lanes.store(value_of(d, f, lanes.load(d, x + i)), d, y + i); });
}

const char* target_name() { return hwy::TargetName(HWY_TARGET); }
bool fuses() { return HWY_NATIVE_FMA != 0; }
void evaluate_f32(Function f, const float* x, float* y, std::size_t n) { evaluate_any(f, x, y, n); }
void evaluate_f64(Function f, const double* x, double* y, std::size_t n) { evaluate_any(f, x, y, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gradloom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

namespace gradloom {

HWY_EXPORT(target_name);
HWY_EXPORT(fuses);
HWY_EXPORT(evaluate_f32);
HWY_EXPORT(evaluate_f64);

namespace {

constexpr Function kFunctions[] = {Function::kExp,     Function::kExpOfSmall,      Function::kExpm1,
                                   Function::kLog1p,   Function::kLog1pOfPositive, Function::kTanh,
                                   Function::kSigmoid, Function::kSigmoids,        Function::kSigmoidsOfMinus};
const char* const kNames[] = {"exp",     "exp_of_small",      "expm1",
                              "log1p",   "log1p_of_positive", "tanh",
                              "sigmoid", "Sigmoids.of_z",     "Sigmoids.of_minus_z"};

struct Target {
  std::string name;
  bool fuses;
  void (*evaluate_f32)(Function, const float*, float*, std::size_t);
  void (*evaluate_f64)(Function, const double*, double*, std::size_t);

  void evaluate(Function f, const float* x, float* y, std::size_t n) const { evaluate_f32(f, x, y, n); }
  void evaluate(Function f, const double* x, double* y, std::size_t n) const { evaluate_f64(f, x, y, n); }
};

/// All that were compiled and this machine supports.
std::vector<Target> all_targets() {
  std::vector<Target> found;
  on_every_instruction_set([&] {
    found.push_back({HWY_DYNAMIC_DISPATCH(target_name)(), HWY_DYNAMIC_DISPATCH(fuses)(),
                     &HWY_DYNAMIC_DISPATCH(evaluate_f32), &HWY_DYNAMIC_DISPATCH(evaluate_f64)});
  });
  return found;
}

/// A type with a dozen bits more or better: its library functions stand for the true ones.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class W>
W reference(Function f, W x) {
  switch (f) {
    case Function::kExp:
    case Function::kExpOfSmall:
      return std::exp(x);
    case Function::kExpm1:
      return std::expm1(x);
    case Function::kLog1p:
    case Function::kLog1pOfPositive:
      return std::log1p(x);
    case Function::kTanh:
      return std::tanh(x);
    case Function::kSigmoid:
    case Function::kSigmoids:
      return 1 / (1 + std::exp(-x));
    case Function::kSigmoidsOfMinus:
      return 1 / (1 + std::exp(x));
  }
  return x;
}

template <class T>
bool is_in_domain(Function f, T x) {
  if (f == Function::kExpOfSmall) return !(x > (sizeof(T) == 4 ? 20 : 40));
  if (f == Function::kLog1pOfPositive) return !std::signbit(x);
  return true;
}

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// Distance in units of the last place of T at the reference; infinite where NaN, Inf or a zero's sign is wrong.
template <class T>
double ulps(T got, Wide<T> expected) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  const T rounded = static_cast<T>(expected);
  if (std::isnan(rounded)) return std::isnan(got) ? 0 : kWrong;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : kWrong;
  if (std::signbit(rounded) != std::signbit(got)) return kWrong;
  // The exponent field alone is the power of two at or below the magnitude.
  constexpr int kMantissaBits = std::numeric_limits<T>::digits - 1;
  const T magnitude = std::max(std::abs(rounded), std::numeric_limits<T>::min());
  const T power = std::bit_cast<T>(std::bit_cast<BitsOf<T>>(magnitude) >> kMantissaBits << kMantissaBits);
  const Wide<T> unit = static_cast<Wide<T>>(power) * std::numeric_limits<T>::epsilon();
  return static_cast<double>(std::abs(static_cast<Wide<T>>(got) - expected) / unit);
}

/// The largest error, and the argument that it was found at.
template <class T>
struct Worst {
  double error = 0;
  T argument = 0;

  void see(double other_error, T other_argument) {
    if (!(other_error > error)) return;
    error = other_error;
    argument = other_argument;
  }
};

/// What was found of one function: the worst case of each target, and whether those that fuse multiply-adds gave the
/// same bits among themselves, and so those that do not.
template <class T>
struct Findings {
  explicit Findings(std::size_t targets) : worst(targets) {}
  std::vector<Worst<T>> worst;
  bool same_bits = true;

  void add(const Findings& other) {
    for (std::size_t t = 0; t < worst.size(); ++t) worst[t].see(other.worst[t].error, other.worst[t].argument);
    same_bits = same_bits && other.same_bits;
  }
};

template <class T>
bool equal_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](T x, T y) {
    return std::bit_cast<BitsOf<T>>(x) == std::bit_cast<BitsOf<T>>(y) || (std::isnan(x) && std::isnan(y));
  });
}

template <class T>
void try_out(Function f, const std::vector<Target>& targets, const std::vector<T>& x, Findings<T>& findings) {
  std::vector<Wide<T>> expected;
  for (const T argument : x) expected.push_back(reference<Wide<T>>(f, argument));
  std::vector<T> y(x.size()), first_of[2];
  for (std::size_t t = 0; t < targets.size(); ++t) {
    targets[t].evaluate(f, x.data(), y.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) findings.worst[t].see(ulps<T>(y[i], expected[i]), x[i]);
    std::vector<T>& first = first_of[targets[t].fuses];
    if (first.empty()) first = y;
    findings.same_bits = findings.same_bits && equal_bits(first, y);
  }
}

template <class T>
void check(Function f, const std::vector<Target>& targets, const Findings<T>& findings) {
  INFO(kNames[static_cast<int>(f)]);
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto& [error, argument] = findings.worst[t];
    INFO(targets[t].name << ": " << error << " ulp at " << argument);
    CHECK(error <= 2);
  }
  CHECK(findings.same_bits);
}

/// Calls body(part, parts) on as many threads as the machine has.
template <class Body>
void on_all_cores(const Body& body) {
  const std::size_t parts = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (std::size_t part = 0; part < parts; ++part) threads.emplace_back([&body, part, parts] { body(part, parts); });
  for (std::thread& thread : threads) thread.join();
}

constexpr std::size_t kChunk = 4096;
constexpr std::uint64_t kPatterns = std::uint64_t{1} << 32;  // of the bits of a float

/// Every stride-th pattern of bits of a float.
void check_float_patterns(std::uint64_t stride) {
  const std::vector<Target> targets = all_targets();
  for (const Function f : kFunctions) {
    std::vector<Findings<float>> found(std::max(1U, std::thread::hardware_concurrency()),
                                       Findings<float>(targets.size()));
    on_all_cores([&](std::size_t part, std::size_t parts) {
      std::vector<float> x;
      const std::uint64_t step = stride * kChunk * parts;
      for (std::uint64_t from = stride * kChunk * part; from < kPatterns; from += step) {
        x.clear();
        for (std::uint64_t i = from; i < std::min(from + stride * kChunk, kPatterns); i += stride) {
          const auto argument = std::bit_cast<float>(static_cast<std::uint32_t>(i));
          if (is_in_domain(f, argument)) x.push_back(argument);
        }
        try_out(f, targets, x, found[part]);
      }
    });
    for (const Findings<float>& other : found) found[0].add(other);
    check(f, targets, found[0]);
  }
}

/// Where the functions change their nature, and a hundred neighbours on both sides of each.
template <class T>
std::vector<T> edges() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> centres = {0, Limits::min(), 1, T(0.5), T(0.25), T(0.41421356237309505), T(0.34657359027997264)};
  for (const int border : {Limits::max_exponent, Limits::min_exponent, Limits::min_exponent - Limits::digits})
    centres.push_back(static_cast<T>(border * 0.69314718055994531));  // e^z overflows, is subnormal, is 0
  for (const int z : {2, 9, 18, 20, 22, 38, 40, 64, 89, 104, 120, 710, 752}) centres.push_back(static_cast<T>(z));
  for (const T z : {Limits::epsilon(), Limits::max(), Limits::infinity(), Limits::quiet_NaN()}) centres.push_back(z);
  std::vector<T> found;
  for (const T centre : centres) {
    T up = centre, down = centre;
    for (int i = 0; i <= 100; ++i) {
      for (const T z : {up, -up, down, -down}) found.push_back(z);
      up = std::nextafter(up, Limits::infinity());
      down = std::nextafter(down, -Limits::infinity());
    }
  }
  return found;
}

template <class T>
std::vector<T> in_domain(Function f, std::vector<T> x) {
  std::erase_if(x, [f](T argument) { return !is_in_domain(f, argument); });
  return x;
}

/// Both signs, all exponents, and where the functions bend.
std::vector<double> random_arguments(std::mt19937_64& random, std::size_t n) {
  std::vector<double> x;
  const double widths[] = {0.5, 2, 40, 760};
  for (std::size_t i = 0; i < n; ++i) {
    const auto bits = random();
    const double uniform = 2 * std::ldexp(static_cast<double>(bits >> 11), -53) - 1;
    x.push_back(i % 5 == 4 ? std::bit_cast<double>(bits) : uniform * widths[i % 5]);
  }
  return x;
}

void check_random_doubles(std::size_t chunks) {
  const std::vector<Target> targets = all_targets();
  for (const Function f : kFunctions) {
    std::vector<Findings<double>> found(std::max(1U, std::thread::hardware_concurrency()),
                                        Findings<double>(targets.size()));
    on_all_cores([&](std::size_t part, std::size_t parts) {
      for (std::size_t chunk = part; chunk < chunks; chunk += parts) {
        std::mt19937_64 random(chunk);
        try_out(f, targets, in_domain(f, random_arguments(random, kChunk)), found[part]);
      }
    });
    for (const Findings<double>& other : found) found[0].add(other);
    check(f, targets, found[0]);
  }
}

}  // namespace

TEST_CASE("elementary functions of float are within 2 units of the last place", "[linalg][slow]") {
  check_float_patterns(4099);  // a prime: all low bits occur with all high ones
}

TEST_CASE("elementary functions of every float are within 2 units of the last place", "[.][soak]") {
  check_float_patterns(1);
}

TEST_CASE("elementary functions of double are within 2 units of the last place", "[linalg]") {
  check_random_doubles(25);
}

TEST_CASE("elementary functions of many doubles are within 2 units of the last place", "[.][soak]") {
  check_random_doubles(25000);
}

TEMPLATE_TEST_CASE("elementary functions are right at the edges of their ranges", "[linalg]", float, double) {
  using T = TestType;
  const std::vector<Target> targets = all_targets();
  CHECK(targets.size() >= 1);
  for (const Function f : kFunctions) {
    Findings<T> findings(targets.size());
    try_out(f, targets, in_domain(f, edges<T>()), findings);
    check(f, targets, findings);
  }
}

}  // namespace gradloom

#endif
