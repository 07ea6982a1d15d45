#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

#include "engine/checkpoint/store.hpp"
#include "gradloom/compare.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using Steps = std::vector<std::uint64_t>;

void add(RunComparison& result, const std::string& name, const std::vector<std::string>& differences) {
  result.compared.push_back(name);
  for (const std::string& difference : differences) result.differences.push_back(name + ": " + difference);
}

void compare_checkpoints(RunComparison& result, const std::string& a, const std::string& b) {
  std::vector<std::string> differences;
  try {
    differences = checkpoint_differences(a, b);
  } catch (const CheckpointError& damaged) {
    differences = {damaged.what()};
  }
  add(result, fs::path(a).filename().string(), differences);
}

std::string last_text(const Steps& steps) { return steps.empty() ? "none" : fmt::format("step {}", steps.back()); }

void compare_steps(RunComparison& result, const CheckpointStore& a, const CheckpointStore& b) {
  const Steps in_a = a.steps(), in_b = b.steps();
  if (in_a.empty() || in_b.empty() || in_a.back() != in_b.back())
    result.differences.push_back(fmt::format("last checkpoint: {} against {}", last_text(in_a), last_text(in_b)));
  Steps in_both;
  std::set_intersection(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(), std::back_inserter(in_both));
  for (const std::uint64_t step : in_both) compare_checkpoints(result, a.path_of(step), b.path_of(step));
}

void compare_best(RunComparison& result, const CheckpointStore& a, const CheckpointStore& b) {
  const bool in_a = fs::exists(a.best_path()), in_b = fs::exists(b.best_path());
  if (in_a && in_b) compare_checkpoints(result, a.best_path(), b.best_path());
  if (in_a != in_b) result.differences.push_back(fmt::format("best.h5: only in {}", in_a ? a.folder() : b.folder()));
}

}  // namespace

RunComparison compare_runs(const std::string& first, const std::string& second) {
  const CheckpointStore a(first + "/checkpoints"), b(second + "/checkpoints");
  RunComparison result;
  compare_steps(result, a, b);
  compare_best(result, a, b);
  const std::string log = "metrics.jsonl";
  add(result, log, metrics_differences(first + "/" + log, second + "/" + log));
  return result;
}

}  // namespace gradloom
