#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "gradloom/config.hpp"

namespace gradloom {

/// Where the time of a step goes. Seconds of a step; work that several threads share counts as thread-seconds over
/// threads, so that the parts add up to the step.
struct StepSplit {
  double data_wait = 0;  ///< until the minibatch is there
  double forward = 0;    ///< forward pass and loss
  double backward = 0;   ///< deltas and weight gradients
  double reduction = 0;  ///< adding the shards' gradients
  double update = 0;     ///< the optimizer
  double other = 0;      ///< handing out work, waiting for other threads, the guard against divergence
};

/// What a run holds in memory, and may hold.
struct BenchMemory {
  std::uint64_t data = 0;           ///< bytes of training, validation and test rows
  std::uint64_t state = 0;          ///< bytes of parameters, their average (train.ema) and optimizer state
  std::uint64_t gradient = 0;       ///< bytes of the whole gradient that optimizer.clip-grad-norm keeps; 0 without
  std::uint64_t activations = 0;    ///< bytes of one minibatch's activations in all layers
  std::uint64_t promised = 0;       ///< data + 3 state + gradient + activations + 64 MiB
  std::uint64_t peak_resident = 0;  ///< the process's largest resident size so far
};

/// What bench() found. Steps and products were timed in turns, on full minibatches.
struct BenchReport {
  std::string network;  ///< "784-512-256-10 relu relu linear"
  std::uint64_t parameters = 0;
  Precision precision = Precision::kFloat32;
  std::size_t batch_size = 0;    ///< rows of a full minibatch: train.batch-size, or all rows where there are fewer
  std::size_t shards = 0;        ///< of a full minibatch
  std::size_t shard_rows = 0;    ///< of every shard but the last
  std::size_t threads = 0;       ///< of the run
  std::size_t step_threads = 0;  ///< that a step's work is handed to: 1 where it is too little to be spread
  std::uint64_t steps = 0;       ///< timed

  double median_step_seconds = 0;  ///< data wait included
  double p10_step_seconds = 0, p90_step_seconds = 0;
  double samples_per_second = 0;  ///< rows of all timed steps over their time
  StepSplit split;  ///< adds up to median_step_seconds; the shares are those of all time, not of the median
  double median_products_seconds = 0;  ///< of the step's matrix products alone: same threads, graph and cut
  double step_gflops = 0;              ///< 1e9 floating-point operations of the products, by the median step
  double products_gflops = 0;          ///< the same by the median of the products alone
  double gemm_fraction = 0;            ///< products alone over step
  BenchMemory memory;
};

/// Times training steps on the config's data, in memory, through the feed and step that train() uses. Writes nothing.
/// 0 steps: as many as take about a second. After a warm-up, as many runs of the matrix products and of steps with
/// clocks inside are made. Throws as train() does before its first step; DivergenceError where a step gives NaN or Inf.
BenchReport bench(const Config& config, std::uint64_t steps = 0);

}  // namespace gradloom
