// What a row costs the gathering thread: its number (the permutation), its copy, and both as the feed hands them out.
// Times are for a row ("items" are rows). Arguments: rows of the set, features; one target column.

#include "engine/data/feed.hpp"

#include <benchmark/benchmark.h>

#include <numeric>
#include <vector>

#include "engine/data/gather.hpp"
#include "engine/data/sampler.hpp"

namespace {

using namespace gradloom;

constexpr std::size_t kGroup = 4096;

Dataset<float> data_of(const benchmark::State& state) {
  Dataset<float> data;
  data.x = Matrix<float>(state.range(0), state.range(1), 1.0F);
  data.y = Matrix<float>(state.range(0), 1, 1.0F);
  return data;
}

void permutation(benchmark::State& state) {
  const KeyedPermutation order(state.range(0), 1, 0);
  const std::size_t count = std::min<std::size_t>(kGroup, state.range(0));
  std::vector<std::uint64_t> rows(count);
  std::uint64_t first = 0;
  for (auto _ : state) {
    order.fill(first, rows);
    benchmark::DoNotOptimize(rows.data());
    first = first + 2 * count <= order.size() ? first + count : 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(permutation)->ArgName("rows")->Arg(1000)->Arg(1'000'000)->Arg(1'000'000'000)->Arg(1'000'000'000'000);

void gather(benchmark::State& state) {
  const Dataset<float> data = data_of(state);
  const KeyedPermutation order(data.rows(), 1, 0);
  std::vector<std::uint64_t> rows(data.rows() / kGroup * kGroup);
  order.fill(0, rows);
  Matrix<float> x(kGroup, data.x.cols()), y(kGroup, 1);
  std::size_t first = 0;
  for (auto _ : state) {
    gather_rows<float>(data.x.view(), data.y.view(), std::span(rows).subspan(first, kGroup), x.view(), y.view());
    benchmark::DoNotOptimize(x.data());
    first = (first + kGroup) % rows.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kGroup));
}
BENCHMARK(gather)
    ->ArgNames({"rows", "features"})
    ->Args({10'000, 3})
    ->Args({100'000, 3})
    ->Args({1'000'000, 3})
    ->Args({20'000'000, 3})
    ->Args({1'000'000, 28})
    ->Args({60'000, 784});

// The calling thread gathers, as the gathering thread does otherwise: its processor time for all of it.
void feed(benchmark::State& state) {
  const Dataset<float> data = data_of(state);
  FeedOptions options;
  options.batch_size = state.range(2);
  options.groups_ahead = state.range(3);
  options.epochs = 1'000'000'000;
  MinibatchFeed<float> minibatches(data, options);
  std::int64_t rows = 0;
  for (auto _ : state) {
    const auto minibatch = minibatches.next();
    benchmark::DoNotOptimize(minibatch->x.data);
    rows += static_cast<std::int64_t>(minibatch->rows());
  }
  state.SetItemsProcessed(rows);
}
BENCHMARK(feed)
    ->ArgNames({"rows", "features", "batch", "ahead"})
    ->MeasureProcessCPUTime()
    ->Args({1'000'000, 3, 1024, 0})
    ->Args({1'000'000, 3, 32, 0})
    ->Args({1'000'000, 3, 1024, 2})
    ->Args({1'000'000, 3, 32, 2})
    ->Args({1000, 3, 32, 2})
    ->Args({60'000, 784, 128, 2});

}  // namespace

BENCHMARK_MAIN();
