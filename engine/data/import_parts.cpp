#include "engine/data/import_parts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string_view>

#include "engine/data/pending_files.hpp"
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

// The keys at these places (ascending) of the order of all rows. One pass counts the rows for each of the first bits of
// their keys, a second one collects those that could stand at the places.
std::vector<RowKey> keys_at(const CounterRandom& random, std::uint64_t rows, const std::vector<std::uint64_t>& places) {
  constexpr unsigned kShift = 48;
  std::vector<std::uint64_t> counts(std::size_t{1} << (64 - kShift));
  for (std::uint64_t row = 0; row < rows; ++row) ++counts[random.bits(row) >> kShift];
  struct Bucket {
    std::uint64_t bits, rows_before;
  };
  std::vector<Bucket> buckets;
  std::uint64_t before = 0;
  for (std::size_t bits = 0; bits < counts.size(); ++bits) {
    while (buckets.size() < places.size() && places[buckets.size()] < before + counts[bits])
      buckets.push_back({bits, before});
    before += counts[bits];
  }
  std::vector<std::vector<RowKey>> candidates(buckets.size());
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t key = random.bits(row);
    for (std::size_t i = 0; i < buckets.size(); ++i)
      if (key >> kShift == buckets[i].bits) candidates[i].emplace_back(key, row);
  }
  std::vector<RowKey> keys;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    std::sort(candidates[i].begin(), candidates[i].end());
    keys.push_back(candidates[i][static_cast<std::size_t>(places[i] - buckets[i].rows_before)]);
  }
  return keys;
}

}  // namespace

void require_sound_outputs(const ImportOptions& options) {
  (void)folder_of_output(options.output);
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

std::size_t PartPlan::part(std::uint64_t row) const {
  if (ends.empty()) return 0;
  const RowKey key{random.bits(row), row};
  return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), key) - ends.begin());
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
  plan.random = CounterRandom(options.seed, RandomUse::kImportSplit);
  std::vector<std::uint64_t> places(ends.begin(), ends.end() - 1);
  places.erase(std::lower_bound(places.begin(), places.end(), rows), places.end());  // where the last parts are empty
  plan.ends = keys_at(plan.random, rows, places);
  return plan;
}

}  // namespace gradloom
