// The kernels of engine/linalg at the shapes of real layers, one thread, in elements a second; each next to a plain
// loop over the standard library where one says what it does. The working set of narrow shapes stays in the first
// cache, as it does within a step. Arguments are Google Benchmark's: --benchmark_filter=tanh --benchmark_repetitions=5.

#include "engine/linalg/kernels.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/random.hpp"
#include "engine/linalg/dropout.hpp"
#include "engine/linalg/gemm.hpp"
#include "engine/linalg/optimizer_kernels.hpp"
#include "engine/nn/loss.hpp"

namespace {

using namespace gradloom;
using benchmark::State;

struct Shape {
  std::size_t rows, cols;
};
constexpr Shape kShapes[] = {{32, 1},    {32, 3},    {32, 10},   {32, 30},   {1024, 3},
                             {1024, 10}, {1024, 30}, {100, 300}, {128, 512}, {256, 2048}};

std::string text(Shape s) { return std::to_string(s.rows) + "x" + std::to_string(s.cols); }

template <class T>
Matrix<T> random_matrix(Shape s, double scale = 1) {
  const CounterRandom random(7, RandomUse::kGenerator, 3);
  Matrix<T> m(s.rows, s.cols);
  for (std::size_t i = 0; i < s.rows * s.cols; ++i) m.data()[i] = static_cast<T>(scale * random.normal(i));
  return m;
}

void count_elements(State& state, Shape s) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(s.rows * s.cols));
}

/// The naive twin of add_bias_and_activate and multiply_by_derivative.
template <class T>
T naive_value(Activation f, T z) {
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
      return z > 0 ? z : z * static_cast<T>(0.01);
    case Activation::kElu:
      return z > 0 ? z : std::expm1(z);
    case Activation::kGelu:
      return z * std::erfc(-z * static_cast<T>(0.70710678118654752)) / 2;
    case Activation::kSilu:
      return z / (1 + std::exp(-z));
    case Activation::kSoftplus:
      return z > 20 ? z : std::log1p(std::exp(z));
    case Activation::kSelu:
      return static_cast<T>(1.0507009873554805) * (z > 0 ? z : static_cast<T>(1.6732632423543773) * std::expm1(z));
    case Activation::kMish:
      return z * std::tanh(std::log1p(std::exp(z)));
    case Activation::kHardswish:
      return z * std::clamp<T>(z + 3, 0, 6) / 6;
    case Activation::kSoftsign:
      return z / (1 + std::abs(z));
    case Activation::kPrelu:  // has kernels of its own
      break;
  }
  return 0;
}

// In each round z is what the bias was added to before: with a bias of 0 it stays.
template <class T>
void activate(State& state, Activation f, Shape s) {
  Matrix<T> z = random_matrix<T>(s, 2), a(s.rows, s.cols);
  const std::vector<T> bias(s.cols);
  for (auto _ : state) {
    add_bias_and_activate<T>(f, z.view(), bias.data(), a.view());
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

template <class T>
void activate_naive(State& state, Activation f, Shape s) {
  Matrix<T> z = random_matrix<T>(s, 2), a(s.rows, s.cols);
  const std::vector<T> bias(s.cols);
  for (auto _ : state) {
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t c = 0; c < s.cols; ++c) a(r, c) = naive_value(f, z(r, c) += bias[c]);
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

// 0 stays 0: other numbers would become subnormal.
template <class T>
void derive(State& state, Activation f, Shape s) {
  Matrix<T> z = random_matrix<T>(s, 2), a(s.rows, s.cols), delta(s.rows, s.cols, T{0});
  const std::vector<T> bias(s.cols);
  add_bias_and_activate<T>(f, z.view(), bias.data(), a.view());
  for (auto _ : state) {
    multiply_by_derivative<T>(f, z.view(), a.view(), delta.view());
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

void sum(State& state, Shape s) {
  const Matrix<float> m = random_matrix<float>(s);
  std::vector<float> out(s.cols);
  for (auto _ : state) {
    sum_rows<float>(m.view(), out.data());
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

void sum_naive(State& state, Shape s) {
  const Matrix<float> m = random_matrix<float>(s);
  std::vector<float> out(s.cols);
  for (auto _ : state) {
    std::fill(out.begin(), out.end(), 0.0F);
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t c = 0; c < s.cols; ++c) out[c] += m(r, c);
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

void add(State& state, std::size_t n) {
  Matrix<float> total = random_matrix<float>({1, n});
  const Matrix<float> term(1, n, 0.0F);
  for (auto _ : state) {
    add_to<float>(total.data(), term.data(), n);
    benchmark::ClobberMemory();
  }
  count_elements(state, {1, n});
}

void update(State& state, std::size_t n, float momentum) {
  Matrix<float> parameters = random_matrix<float>({1, n});
  const Matrix<float> gradient = random_matrix<float>({1, n}, 1e-9);
  Matrix<float> velocity(1, n, 0.0F);
  const SgdStep<float> step{1e-3F, momentum};
  for (auto _ : state) {
    benchmark::DoNotOptimize(sgd_update<float>(step, {}, parameters.data(), gradient.data(), velocity.data(), n));
    benchmark::ClobberMemory();
  }
  count_elements(state, {1, n});
}

void finite(State& state, std::size_t n) {
  const Matrix<float> values = random_matrix<float>({1, n});
  for (auto _ : state) benchmark::DoNotOptimize(all_finite<float>(values.data(), n));
  count_elements(state, {1, n});
}

void drop(State& state, Shape s) {
  const Matrix<float> a = random_matrix<float>(s);
  Matrix<float> out(s.rows, s.cols);
  const DropoutMasks masks(0.5, 1, 0, 0);
  for (auto _ : state) {
    drop_out<float>(masks, RowNumbers{}, a.view(), out.view());
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

/// Targets: class 0, label 0, or the number 0.
void loss(State& state, Loss l, Shape s) {
  const Matrix<float> output = random_matrix<float>(s, 2);
  const Matrix<float> y(s.rows, target_columns(l, s.cols), 0.0F);
  Matrix<float> delta(s.rows, s.cols);
  for (auto _ : state) {
    benchmark::DoNotOptimize(loss_and_delta<float>(l, output.view(), y.view(), 0.01F, delta.view()));
    benchmark::ClobberMemory();
  }
  count_elements(state, s);
}

void loss_alone(State& state, Loss l, Shape s) {
  const Matrix<float> output = random_matrix<float>(s, 2);
  const Matrix<float> y(s.rows, target_columns(l, s.cols), 0.0F);
  for (auto _ : state) benchmark::DoNotOptimize(loss_sum<float>(l, output.view(), y.view()));
  count_elements(state, s);
}

/// One of a layer's three products: forward x Wᵀ, backward dZ W, or the gradient dZᵀ x. Items are multiply-adds.
enum class Product { kForward, kBackward, kGradient };
void multiply(State& state, Product product, std::size_t rows, std::size_t inputs, std::size_t units) {
  Matrix<float> x = random_matrix<float>({rows, inputs}), w = random_matrix<float>({units, inputs});
  Matrix<float> z = random_matrix<float>({rows, units});
  for (auto _ : state) {
    if (product == Product::kForward)
      gemm<float>(1, x.view(), Transpose::kNo, w.view(), Transpose::kYes, 0, z.view());
    else if (product == Product::kBackward)
      gemm<float>(1, z.view(), Transpose::kNo, w.view(), Transpose::kNo, 0, x.view());
    else
      gemm<float>(1, z.view(), Transpose::kYes, x.view(), Transpose::kNo, 0, w.view());
    benchmark::ClobberMemory();
  }
  count_elements(state, {rows * inputs, units});
}

void register_activations() {
  for (int i = 0; i <= static_cast<int>(Activation::kSoftsign); ++i) {
    const auto f = static_cast<Activation>(i);
    const auto name = [f](const char* kernel, Shape s) {
      return std::string(kernel) + "/" + std::string(to_string(f)) + "/" + text(s);
    };
    for (const Shape s : kShapes) {
      benchmark::RegisterBenchmark(name("activate", s).c_str(), activate<float>, f, s);
      benchmark::RegisterBenchmark(name("derive", s).c_str(), derive<float>, f, s);
    }
    constexpr Shape kMiddle = {100, 300};
    benchmark::RegisterBenchmark(name("activate_naive", kMiddle).c_str(), activate_naive<float>, f, kMiddle);
    benchmark::RegisterBenchmark(name("activate_double", kMiddle).c_str(), activate<double>, f, kMiddle);
  }
}

void register_sums_and_updates() {
  for (const Shape s : kShapes) {
    benchmark::RegisterBenchmark(("sum_rows/" + text(s)).c_str(), sum, s);
    benchmark::RegisterBenchmark(("sum_rows_naive/" + text(s)).c_str(), sum_naive, s);
    benchmark::RegisterBenchmark(("drop_out/" + text(s)).c_str(), drop, s);
  }
  for (const std::size_t n : {131, 1301, 100000, 4000000}) {
    const std::string size = "/" + std::to_string(n);
    benchmark::RegisterBenchmark(("add_to" + size).c_str(), add, n);
    benchmark::RegisterBenchmark(("sgd" + size).c_str(), update, n, 0.0F);
    benchmark::RegisterBenchmark(("sgd_momentum" + size).c_str(), update, n, 0.9F);
    benchmark::RegisterBenchmark(("all_finite" + size).c_str(), finite, n);
  }
}

void register_losses() {
  for (const Loss l : {Loss::kMse, Loss::kMae, Loss::kHuber, Loss::kBinaryCrossEntropy, Loss::kCategoricalCrossEntropy})
    for (const Shape s : {Shape{32, 1}, Shape{1024, 1}, Shape{128, 10}, Shape{1024, 10}, Shape{128, 1000}}) {
      const std::string name = "/" + std::string(to_string(l)) + "/" + text(s);
      benchmark::RegisterBenchmark(("loss_and_delta" + name).c_str(), loss, l, s);
      benchmark::RegisterBenchmark(("loss_sum" + name).c_str(), loss_alone, l, s);
    }
}

void register_products() {
  const std::vector<std::vector<std::size_t>> layers = {
      // rows of a minibatch, then units from the inputs to the outputs
      {32, 3, 30, 10, 3, 1},    {1024, 3, 30, 10, 3, 1},     {100, 28, 300, 300, 1},
      {128, 784, 512, 256, 10}, {1024, 784, 2048, 2048, 10},
  };
  for (const std::vector<std::size_t>& network : layers)
    for (std::size_t l = 2; l < network.size(); ++l) {
      const std::string shape =
          std::to_string(network[0]) + "x" + std::to_string(network[l - 1]) + "x" + std::to_string(network[l]);
      const auto add_one = [&](const char* name, Product product) {
        benchmark::RegisterBenchmark((name + shape).c_str(), multiply, product, network[0], network[l - 1], network[l]);
      };
      add_one("gemm_forward/", Product::kForward);
      add_one("gemm_backward/", Product::kBackward);
      add_one("gemm_gradient/", Product::kGradient);
    }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("instruction set", instruction_set());
  register_activations();
  register_sums_and_updates();
  register_losses();
  register_products();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
