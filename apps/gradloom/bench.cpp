#include "gradloom/bench.hpp"

#include <fmt/format.h>

#include <utility>

#include "apps/gradloom/commands.hpp"

namespace {

using gradloom::BenchReport;

constexpr std::uint64_t kMostSteps = 10'000'000;

std::vector<std::pair<const char*, double>> parts_of(const gradloom::StepSplit& split) {
  return {{"data_wait", split.data_wait}, {"forward", split.forward}, {"backward", split.backward},
          {"reduction", split.reduction}, {"update", split.update},   {"other", split.other}};
}

std::vector<std::pair<const char*, std::uint64_t>> parts_of(const gradloom::BenchMemory& memory) {
  return {{"data", memory.data},         {"state", memory.state},
          {"gradient", memory.gradient}, {"activations", memory.activations},
          {"promised", memory.promised}, {"peak_resident", memory.peak_resident}};
}

std::string as_json(const BenchReport& report) {
  std::string text = fmt::format(
      "{{\"network\": \"{}\", \"parameters\": {}, \"precision\": \"{}\", \"batch_size\": {}, \"shards\": {}, "
      "\"shard_rows\": {}, \"threads\": {}, \"step_threads\": {}, \"steps\": {}",
      report.network, report.parameters, to_string(report.precision), report.batch_size, report.shards,
      report.shard_rows, report.threads, report.step_threads, report.steps);
  text += fmt::format(
      ", \"median_step_seconds\": {}, \"p10_step_seconds\": {}, \"p90_step_seconds\": {}, \"samples_per_second\": {}, "
      "\"median_products_seconds\": {}, \"step_gflops\": {}, \"products_gflops\": {}, \"gemm_fraction\": {}",
      report.median_step_seconds, report.p10_step_seconds, report.p90_step_seconds, report.samples_per_second,
      report.median_products_seconds, report.step_gflops, report.products_gflops, report.gemm_fraction);
  const char* comma = ", \"split\": {";
  for (const auto& [name, seconds] : parts_of(report.split))
    text += fmt::format("{}\"{}\": {}", std::exchange(comma, ", "), name, seconds);
  comma = "}, \"memory_bytes\": {";
  for (const auto& [name, bytes] : parts_of(report.memory))
    text += fmt::format("{}\"{}\": {}", std::exchange(comma, ", "), name, bytes);
  return text + "}}\n";
}

/// "1.23 ms", "4.56 µs".
std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.2f} µs", 1e6 * seconds) : fmt::format("{:.2f} ms", 1e3 * seconds);
}

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string as_lines(const BenchReport& report) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<14} {}\n", name, value);
  };
  line("network", fmt::format("{}: {} parameters, {}", report.network, report.parameters, to_string(report.precision)));
  line("minibatch", fmt::format("{} rows in {} shard{} of {}", report.batch_size, report.shards,
                                report.shards == 1 ? "" : "s", report.shard_rows));
  line("threads",
       fmt::format("{}{}", report.threads,
                   report.step_threads < report.threads ? ", a step is too little work for more than 1" : ""));
  line("step", fmt::format("{} (p10 {}, p90 {}; {} steps)", time_text(report.median_step_seconds),
                           time_text(report.p10_step_seconds), time_text(report.p90_step_seconds), report.steps));
  line("speed", fmt::format("{:.0f} samples/s, {:.1f} GFLOP/s", report.samples_per_second, report.step_gflops));
  line("products alone",
       fmt::format("{}, {:.1f} GFLOP/s", time_text(report.median_products_seconds), report.products_gflops));
  line("gemm_fraction", fmt::format("{:.3f}", report.gemm_fraction));
  for (const auto& [name, seconds] : parts_of(report.split))
    line(name, fmt::format("{} {:5.1f} %", time_text(seconds), 100 * seconds / report.median_step_seconds));
  const auto& [data, state, gradient, activations, promised, peak] = report.memory;
  const std::string kept = gradient > 0 ? fmt::format("{} of gradient, ", mebibytes(gradient)) : "";
  line("memory", fmt::format("{} at most, {} promised: {} of data, 3 x {} of parameters and optimizer state, {}{} of "
                             "activations, 64 MiB",
                             mebibytes(peak), mebibytes(promised), mebibytes(data), mebibytes(state), kept,
                             mebibytes(activations)));
  return text;
}

int run_bench(const Arguments& arguments) {
  const std::uint64_t steps = arguments.integer("steps", 1, kMostSteps).value_or(0);
  const gradloom::Config config = gradloom::load_config(arguments.positionals().front(), arguments.overrides());
  const BenchReport report = gradloom::bench(config, steps);
  print(arguments.has("json") ? as_json(report) : as_lines(report));
  return 0;
}

}  // namespace

Command bench_command() {
  return {
      {"bench",
       {"CONFIG"},
       "Times training steps on the config's data, and their matrix products alone.",
       {{"steps", "N", "steps to time; by default as many as take about a second"},
        {"json", "", "print a JSON object"}},
       true,
       "Reads config and data as train does, warms up, and then takes training steps, the steps' matrix products\n"
       "alone, and steps with clocks inside, in turns. Nothing is written. step is the median time of a step, waiting\n"
       "for its rows included; gemm_fraction the time of the products alone over it. The parts below add up to\n"
       "the step: forward, backward (weight gradients too), reduction (adding the shards' gradients) and update are\n"
       "thread-seconds over threads, other is handing out work and waiting for other threads.\n"},
      run_bench};
}
