#include "engine/data/import_parts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <utility>

#include "engine/core/random.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

std::vector<std::string_view> part_names(std::size_t parts) {
  if (parts == 2) return {"train", "test"};
  return {"train", "valid", "test"};
}

// FILE.h5 -> FILE.train.h5
std::vector<std::string> output_paths(const ImportOptions& options) {
  if (options.split.empty()) return {options.output};
  std::string stem = options.output, extension = ".h5";
  for (const std::string known : {".h5", ".hdf5"}) {
    if (!stem.ends_with(known)) continue;
    stem.resize(stem.size() - known.size());
    extension = known;
    break;
  }
  std::vector<std::string> paths;
  for (const std::string_view name : part_names(options.split.size()))
    paths.push_back(fmt::format("{}.{}{}", stem, name, extension));
  return paths;
}

// Ends of the parts in the keyed order.
std::vector<std::uint64_t> part_ends(const std::vector<double>& fractions, std::uint64_t rows) {
  std::vector<std::uint64_t> ends;
  double sum = 0;
  for (const double fraction : fractions) {
    sum += fraction;
    ends.push_back(std::min(static_cast<std::uint64_t>(std::llround(sum * static_cast<double>(rows))), rows));
  }
  ends.back() = rows;  // the sum may be off by a rounding
  return ends;
}

std::vector<std::uint8_t> assign(std::uint64_t seed, std::uint64_t rows, const std::vector<std::uint64_t>& ends) {
  const CounterRandom random(seed, RandomUse::kImportSplit);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> order(rows);  // (key, row): equal keys fall to the row
  for (std::uint64_t row = 0; row < rows; ++row) order[row] = {random.bits(row), row};
  std::sort(order.begin(), order.end());
  std::vector<std::uint8_t> part_of(rows);
  std::uint8_t part = 0;
  for (std::uint64_t i = 0; i < rows; ++i) {
    while (i >= ends[part]) ++part;
    part_of[order[i].second] = part;
  }
  return part_of;
}

}  // namespace

void require_sound_outputs(const ImportOptions& options) {
  const std::vector<double>& split = options.split;
  const bool fractions = std::all_of(split.begin(), split.end(), [](double f) { return f >= 0 && f <= 1; });
  const double sum = std::accumulate(split.begin(), split.end(), 0.0);
  if (!split.empty() && (split.size() < 2 || split.size() > 3 || !fractions || std::abs(sum - 1) > 1e-6))
    throw ConfigError(
        fmt::format("--split {}: must be two fractions (train, test) or three (train, valid, test) that add up to 1",
                    fmt::join(split, ",")));
  for (const std::string& output : output_paths(options)) {
    for (const std::string& source : options.sources) {
      std::error_code absent;
      if (std::filesystem::equivalent(output, source, absent))
        throw ConfigError(fmt::format("--output {}: would replace the source; choose another name", output));
    }
  }
}

PartPlan plan_parts(const ImportOptions& options, std::uint64_t rows) {
  PartPlan plan;
  plan.paths = output_paths(options);
  if (options.split.empty()) {
    plan.rows = {rows};
    return plan;
  }
  const std::vector<std::uint64_t> ends = part_ends(options.split, rows);
  const auto names = part_names(options.split.size());
  for (std::size_t part = 0; part < ends.size(); ++part) {
    plan.rows.push_back(ends[part] - (part == 0 ? 0 : ends[part - 1]));
    if (plan.rows.back() == 0 && options.split[part] > 0)
      throw DataError(fmt::format("--split {}: of {} rows none are left for {}; give it a larger share",
                                  fmt::join(options.split, ","), rows, names[part]));
  }
  plan.part_of = assign(options.seed, rows, ends);
  return plan;
}

}  // namespace gradloom
