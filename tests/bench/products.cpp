// The three matrix products of a layer, by everybody who offers one: Gradloom's panels and narrow kernels, OpenBLAS,
// and libxsmm where it was found when this was built. One thread, float32, operands hot; GFLOP/s is the counter to
// read. Each takes its operands as training has them: OpenBLAS and the panels row by row, the narrow kernels and
// libxsmm feature by feature.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "engine/core/random.hpp"
#include "engine/linalg/gemm.hpp"
#include "engine/linalg/narrow.hpp"
#include "engine/linalg/panels.hpp"
#include "gradloom/version.hpp"
#ifdef GRADLOOM_LIBXSMM
#include <libxsmm.h>
#endif

namespace {

using namespace gradloom;

Matrix<float> random_matrix(std::size_t rows, std::size_t cols, std::uint32_t stream) {
  Matrix<float> m(rows, cols);
  const CounterRandom random(1, RandomUse::kGenerator, stream);
  for (std::size_t i = 0; i < rows * cols; ++i) m.data()[i] = static_cast<float>(random.normal(i));
  return m;
}

// Rows, inputs and units of a layer, with one matrix for each operand and result, row by row and feature by feature.
struct Layer {
  explicit Layer(const benchmark::State& state)
      : rows(static_cast<std::size_t>(state.range(0))),
        inputs(static_cast<std::size_t>(state.range(1))),
        units(static_cast<std::size_t>(state.range(2))) {}

  void report(benchmark::State& state) const {
    const double flops = 2.0 * static_cast<double>(rows * inputs * units) * static_cast<double>(state.iterations());
    state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsRate);
  }

  std::size_t rows, inputs, units;
  Matrix<float> a = random_matrix(rows, inputs, 1), w = random_matrix(units, inputs, 2);
  Matrix<float> dz = random_matrix(rows, units, 3), z{rows, units}, da{rows, inputs}, dw{units, inputs};
  Matrix<float> a_by_feature = random_matrix(inputs + 1, rows, 1), dz_by_feature = random_matrix(units, rows, 3);
  Matrix<float> z_by_feature{units, rows}, da_by_feature{inputs, rows};
  Matrix<float> bias{1, units, 0.0F};
};

template <class Product>
void run(benchmark::State& state, const Product& product) {
  Layer layer(state);
  for (auto _ : state) {
    product(layer);
    benchmark::ClobberMemory();
  }
  layer.report(state);
}

void forward_blas(benchmark::State& state) {
  run(state, [](Layer& l) { gemm<float>(1, l.a.view(), Transpose::kNo, l.w.view(), Transpose::kYes, 0, l.z.view()); });
}
void backward_blas(benchmark::State& state) {
  run(state, [](Layer& l) { gemm<float>(1, l.dz.view(), Transpose::kNo, l.w.view(), Transpose::kNo, 0, l.da.view()); });
}
void gradient_blas(benchmark::State& state) {
  run(state,
      [](Layer& l) { gemm<float>(1, l.dz.view(), Transpose::kYes, l.a.view(), Transpose::kNo, 0, l.dw.view()); });
}

void forward_panels(benchmark::State& state) {
  run(state, [](Layer& l) { multiply_transposed<float>(l.a.view(), l.w.view(), l.bias.data(), l.z.view()); });
}
void backward_panels(benchmark::State& state) {
  run(state, [](Layer& l) { multiply<float>(l.dz.view(), Transpose::kNo, l.w.view(), l.da.view()); });
}
void gradient_panels(benchmark::State& state) {
  run(state, [](Layer& l) { multiply<float>(l.dz.view(), Transpose::kYes, l.a.view(), l.dw.view()); });
}

void forward_narrow(benchmark::State& state) {
  run(state, [](Layer& l) {
    narrow_forward<float>(l.w.view(), l.bias.data(), l.a_by_feature.view().row_range(0, l.inputs),
                          l.z_by_feature.view());
  });
}
void backward_narrow(benchmark::State& state) {
  run(state, [](Layer& l) { narrow_backward<float>(l.w.view(), l.dz_by_feature.view(), l.da_by_feature.view()); });
}
void gradient_narrow(benchmark::State& state) {
  run(state, [](Layer& l) {
    narrow_gradient<float>(l.dz_by_feature.view(), l.a_by_feature.view(), l.dw.view(), l.bias.data());
  });
}

#ifdef GRADLOOM_LIBXSMM
// Column-major: our (features, rows) is its (rows x features). Z (rows x units) = A (rows x inputs) Wᵀ..., so W (units,
// inputs) is its inputs x units, B as it stands.
void with_libxsmm(benchmark::State& state, std::size_t m, std::size_t n, std::size_t k, int flags, const float* a,
                  std::size_t lda, const float* b, std::size_t ldb, float* c) {
  const auto sizes = [](std::size_t v) { return static_cast<libxsmm_blasint>(v); };
  const libxsmm_blasint la = sizes(lda), lb = sizes(ldb), lc = sizes(m);
  const float one = 1, zero = 0;
  const int prefetch = LIBXSMM_PREFETCH_NONE;
  const libxsmm_smmfunction kernel =
      libxsmm_smmdispatch(sizes(m), sizes(n), sizes(k), &la, &lb, &lc, &one, &zero, &flags, &prefetch);
  if (kernel == nullptr) return state.SkipWithError("libxsmm has no kernel for this");
  const Layer layer(state);
  for (auto _ : state) {
    kernel(a, b, c);
    benchmark::ClobberMemory();
  }
  layer.report(state);
}

void forward_libxsmm(benchmark::State& state) {
  Layer l(state);
  with_libxsmm(state, l.rows, l.units, l.inputs, LIBXSMM_GEMM_FLAG_NONE, l.a_by_feature.data(), l.rows, l.w.data(),
               l.inputs, l.z_by_feature.data());
}
void backward_libxsmm(benchmark::State& state) {
  Layer l(state);
  with_libxsmm(state, l.rows, l.inputs, l.units, LIBXSMM_GEMM_FLAG_TRANS_B, l.dz_by_feature.data(), l.rows, l.w.data(),
               l.inputs, l.da_by_feature.data());
}
// dWᵀ (inputs x units) = A row by row (its inputs x rows) times dZ feature by feature (its rows x units).
void gradient_libxsmm(benchmark::State& state) {
  Layer l(state);
  with_libxsmm(state, l.inputs, l.units, l.rows, LIBXSMM_GEMM_FLAG_NONE, l.a.data(), l.inputs, l.dz_by_feature.data(),
               l.rows, l.dw.data());
}
#endif

// Rows, inputs, units: the layers of 3-30-10-3-1 in its shards, then wider and wider ones.
void shapes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t rows : {32, 256})
    for (const auto& [inputs, units] : {std::pair{3, 30}, {30, 10}, {10, 3}}) b->Args({rows, inputs, units});
  b->Args({64, 32, 32})->Args({64, 64, 64})->Args({256, 128, 128});
  b->Args({13, 300, 300})->Args({48, 300, 300})->Args({100, 300, 300});
  b->Args({16, 784, 512})->Args({64, 784, 512})->Args({128, 784, 512});
  b->Args({64, 2048, 2048})->Args({256, 2048, 2048});
}
void narrow_shapes(benchmark::internal::Benchmark* b) {
  for (const std::int64_t rows : {32, 256})
    for (const auto& [inputs, units] : {std::pair{3, 30}, {30, 10}, {10, 3}}) b->Args({rows, inputs, units});
  b->Args({64, 32, 32})->Args({64, 64, 64})->Args({256, 128, 128});
}

BENCHMARK(forward_blas)->Apply(shapes);
BENCHMARK(forward_panels)->Apply(shapes);
BENCHMARK(forward_narrow)->Apply(narrow_shapes);
BENCHMARK(backward_blas)->Apply(shapes);
BENCHMARK(backward_panels)->Apply(shapes);
BENCHMARK(backward_narrow)->Apply(narrow_shapes);
BENCHMARK(gradient_blas)->Apply(shapes);
BENCHMARK(gradient_panels)->Apply(shapes);
BENCHMARK(gradient_narrow)->Apply(narrow_shapes);
#ifdef GRADLOOM_LIBXSMM
BENCHMARK(forward_libxsmm)->Apply(narrow_shapes);
BENCHMARK(backward_libxsmm)->Apply(narrow_shapes);
BENCHMARK(gradient_libxsmm)->Apply(narrow_shapes);
#endif

}  // namespace

int main(int argc, char** argv) {
  require_safe_platform();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
