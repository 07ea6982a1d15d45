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

FileComparison compare_checkpoints(const std::string& a, const std::string& b) {
  const std::string name = fs::path(a).filename().string();
  try {
    return {name, checkpoint_differences(a, b)};
  } catch (const CheckpointError& damaged) {
    return {name, {damaged.what()}};
  }
}

std::string last_text(const Steps& steps) { return steps.empty() ? "none" : fmt::format("step {}", steps.back()); }

void compare_steps(std::vector<FileComparison>& files, const CheckpointStore& a, const CheckpointStore& b) {
  const Steps in_a = a.steps(), in_b = b.steps();
  if (in_a.empty() || in_b.empty() || in_a.back() != in_b.back())
    files.push_back({"last checkpoint", {fmt::format("{} against {}", last_text(in_a), last_text(in_b))}});
  Steps in_both;
  std::set_intersection(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(), std::back_inserter(in_both));
  for (const std::uint64_t step : in_both) files.push_back(compare_checkpoints(a.path_of(step), b.path_of(step)));
}

void compare_best(std::vector<FileComparison>& files, const CheckpointStore& a, const CheckpointStore& b) {
  const bool in_a = fs::exists(a.best_path()), in_b = fs::exists(b.best_path());
  if (in_a && in_b) files.push_back(compare_checkpoints(a.best_path(), b.best_path()));
  if (in_a != in_b) files.push_back({"best.h5", {fmt::format("only in {}", in_a ? a.folder() : b.folder())}});
}

}  // namespace

std::vector<FileComparison> compare_runs(const std::string& first, const std::string& second) {
  const CheckpointStore a(first + "/checkpoints"), b(second + "/checkpoints");
  const std::string log = "metrics.jsonl";
  std::vector<FileComparison> files = {{log, metrics_differences(first + "/" + log, second + "/" + log)}};
  compare_steps(files, a, b);
  compare_best(files, a, b);
  return files;
}

}  // namespace gradloom
