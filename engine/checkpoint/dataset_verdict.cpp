#include "engine/checkpoint/dataset_verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradloom {
namespace {

constexpr std::uint64_t kLargeBand = 64 << 20;    // bytes of chunks that one row lies in
constexpr std::uint64_t kSmallChunk = 4096;       // bytes
constexpr std::uint64_t kManyChunks = 4096;       // so many small ones take longer than their bytes
constexpr double kLargeRms = 3, kSmallRms = 0.1;  // root mean square of values that training is at ease with
constexpr double kUnequalRanges = 10;             // ratio
constexpr double kUnbalanced = 10;                // rows of the largest class for each of the smallest
constexpr std::size_t kMostUnnamedClasses = 100;
constexpr std::size_t kMostListed = 5;  // columns, in a text

std::string bytes_text(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  if (bytes < 1 << 20) return fmt::format("{:.3g} KiB", value / 0x1p10);
  if (bytes < 1 << 30) return fmt::format("{:.3g} MiB", value / 0x1p20);
  return fmt::format("{:.3g} GiB", value / 0x1p30);
}

std::string column_name(const DescribedSet& set, std::size_t column) {
  if (column < set.names.size()) return fmt::format("{} \"{}\"", column, set.names[column]);
  return fmt::format("{}", column);
}

// "column 3", "3 of 784 columns (0, 4, 17)"
std::string listed(const DescribedSet& set, const std::vector<std::size_t>& columns) {
  const std::size_t all = set.table.columns.columns();
  if (all == 1) return "its column";
  if (columns.size() == 1) return "column " + column_name(set, columns.front());
  std::string text;
  for (std::size_t i = 0; i < std::min(columns.size(), kMostListed); ++i)
    text += (i == 0 ? "" : ", ") + column_name(set, columns[i]);
  if (columns.size() > kMostListed) text += ", ...";
  return fmt::format("{} of {} columns ({})", columns.size(), all, text);
}

template <class Predicate>
std::vector<std::size_t> columns_where(const Statistics& s, const Predicate& is) {
  std::vector<std::size_t> columns;
  for (std::size_t c = 0; c < s.columns(); ++c)
    if (is(c)) columns.push_back(c);
  return columns;
}

bool is_binary(const DescribedSet& set, std::size_t c) {
  const Statistics& s = set.table.columns;
  return set.table.whole[c] != 0 && s.min[c] == 0 && s.max[c] == 1;
}
bool has_spread(const Statistics& s, std::size_t c) { return std::isfinite(s.deviation[c]) && s.deviation[c] > 0; }
double rms(const Statistics& s, std::size_t c) { return std::hypot(s.mean[c], s.deviation[c]); }

std::string repack(const std::string& file) {
  return fmt::format("`gradloom repack {} --output FILE` writes chunks of whole rows", file);
}

void judge_layout(const std::string& file, const DescribedSet& set, Verdict& verdict) {
  const h5::DatasetInfo& info = set.info;
  if (info.chunk.empty()) return;
  const std::uint64_t band = bytes_of_band(info);
  std::uint64_t chunk = info.type_bytes;
  for (const std::uint64_t n : info.chunk) chunk *= n;
  const std::string chunks = fmt::format("chunks of ({}), {} each", fmt::join(info.chunk, ", "), bytes_text(chunk));
  std::string what;
  if (band > kLargeBand && info.chunk.size() == 2 && info.chunk[1] < info.shape[1])
    what = fmt::format("{}: any row lies in {} of them, {}, so it cannot be streamed by rows; {}", chunks, band / chunk,
                       bytes_text(band), repack(file));
  else if (band > kLargeBand)
    what = fmt::format("{}: streaming must hold whole ones in memory; {}", chunks, repack(file));
  else if (chunk < kSmallChunk && band > 0 && info.shape[0] / info.chunk[0] * (band / chunk) > kManyChunks)
    what = fmt::format("{}: to find and take so many takes longer than to read their bytes; {}", chunks, repack(file));
  if (!what.empty()) verdict.findings.push_back({set.path, "layout", what, {}});
}

// How many of the rows: ", 3 of 100 rows", or of the column with the most.
std::string most_in(const DescribedSet& set, const std::vector<std::size_t>& columns,
                    const std::vector<double>& counts) {
  const auto most = static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
  const std::string where = columns.size() == 1 ? "" : fmt::format(" most in column {}:", column_name(set, most));
  return fmt::format(",{} {:.0f} of {} rows", where, counts[most], set.info.shape[0]);
}

void judge_faults(const DescribedSet& set, Verdict& verdict) {
  const Statistics& s = set.table.columns;
  const auto find = [&](const char* kind, const auto& is, const auto& text) {
    const std::vector<std::size_t> columns = columns_where(s, is);
    if (!columns.empty()) verdict.findings.push_back({set.path, kind, text(columns), columns});
  };
  if (set.info.shape[0] == 0) verdict.findings.push_back({set.path, "rows", "no rows", {}});
  find(
      "missing", [&](std::size_t c) { return s.missing[c] > 0; },
      [&](const auto& columns) {
        return fmt::format(
            "missing values (NaN) in {}{}; `train` refuses them: remove such rows, or import the source "
            "with --missing mean or drop",
            listed(set, columns), most_in(set, columns, s.missing));
      });
  find(
      "infinite", [&](std::size_t c) { return s.infinite[c] > 0; },
      [&](const auto& columns) {
        return fmt::format("Inf in {}{}; `train` refuses it: remove such rows", listed(set, columns),
                           most_in(set, columns, s.infinite));
      });
  find(
      "too-large", [&](std::size_t c) { return s.count[c] > 0 && std::isnan(s.deviation[c]); },
      [&](const auto& columns) {
        return fmt::format("numbers of 1e289 and more in {}; they have no usable mean: scale them",
                           listed(set, columns));
      });
  find(
      "constant", [&](std::size_t c) { return s.count[c] > 0 && s.deviation[c] == 0; },
      [&](const auto& columns) {
        return fmt::format(
            "one value alone in {}; {}", listed(set, columns),
            set.path == "/y" ? "there is nothing to learn in it" : "it says nothing of any target and can be left out");
      });
}

// By range, the columns at one and nine tenths of all that vary: a few odd ones do not count among many.
std::pair<std::size_t, std::size_t> narrow_and_wide(const Statistics& s, std::vector<std::size_t> columns) {
  const auto range = [&](std::size_t c) { return s.max[c] / 2 - s.min[c] / 2; };
  std::sort(columns.begin(), columns.end(),
            [&](std::size_t a, std::size_t b) { return range(a) != range(b) ? range(a) < range(b) : a < b; });
  return {columns[columns.size() / 10], columns[columns.size() - 1 - columns.size() / 10]};
}

// Why the columns should be standardized; empty where they need not be.
std::string scale_reason(const DescribedSet& set) {
  const Statistics& s = set.table.columns;
  const auto columns = columns_where(s, [&](std::size_t c) { return has_spread(s, c); });
  if (columns.empty()) return "";
  const auto [narrow, wide] = narrow_and_wide(s, columns);
  const double ratio = (s.max[wide] / 2 - s.min[wide] / 2) / (s.max[narrow] / 2 - s.min[narrow] / 2);
  if (ratio >= kUnequalRanges)
    return fmt::format(
        "columns of very different scale: column {} goes from {:.4g} to {:.4g}, column {} from {:.4g} to {:.4g}",
        column_name(set, narrow), s.min[narrow], s.max[narrow], column_name(set, wide), s.min[wide], s.max[wide]);
  const std::size_t largest = *std::max_element(columns.begin(), columns.end(),
                                                [&](std::size_t a, std::size_t b) { return rms(s, a) < rms(s, b); });
  const double size = rms(s, largest);
  const std::string where = s.columns() == 1 ? "" : fmt::format(" of column {}", column_name(set, largest));
  if (size > kLargeRms)
    return fmt::format("large values: mean {:.4g} and deviation {:.4g}{}", s.mean[largest], s.deviation[largest],
                       where);
  if (size < kSmallRms)
    return fmt::format("small values: mean {:.4g} and deviation {:.4g}{} at most", s.mean[largest],
                       s.deviation[largest], where);
  return "";
}

bool judge_scale(const DescribedSet& set, const char* side, Verdict& verdict) {
  const Statistics& s = set.table.columns;
  const auto varying = columns_where(s, [&](std::size_t c) { return has_spread(s, c); });
  if (varying.empty()) return false;
  const std::string reason = scale_reason(set);
  verdict.findings.push_back({set.path,
                              "scale",
                              reason.empty()
                                  ? "values of a size that training is at ease with: they need no standardization"
                                  : fmt::format("{}; standardize the {}", reason, side),
                              {}});
  return !reason.empty();
}

void judge_binary(const DescribedSet& set, Verdict& verdict) {
  const auto columns = columns_where(set.table.columns, [&](std::size_t c) { return is_binary(set, c); });
  if (!columns.empty())
    verdict.findings.push_back({set.path, "binary", "0 and 1 alone in " + listed(set, columns), columns});
}

using Counts = std::map<std::int64_t, std::uint64_t>;

// Whole numbers from 0 on, each of them there unless they have names.
bool are_classes(const DescribedSet& set) {
  if (!set.table.counts || set.table.counts->begin()->first < 0) return false;
  const Counts& counts = *set.table.counts;
  if (!set.classes.empty()) return static_cast<std::uint64_t>(counts.rbegin()->first) < set.classes.size();
  return counts.size() > 1 && counts.size() <= kMostUnnamedClasses &&
         static_cast<std::uint64_t>(counts.rbegin()->first) == counts.size() - 1;
}

std::string class_text(const DescribedSet& set, const Counts::value_type& item) {
  const auto index = static_cast<std::size_t>(item.first);
  const std::string name = index < set.classes.size() ? fmt::format(" ({})", set.classes[index]) : "";
  return fmt::format("{}{} with {:.3g} %", index, name,
                     100 * static_cast<double>(item.second) / static_cast<double>(set.info.shape[0]));
}

void judge_classes(const DescribedSet& set, Verdict& verdict) {
  const Counts& counts = *set.table.counts;
  const std::size_t classes = std::max<std::size_t>(set.classes.size(), counts.size());
  const std::string loss = classes <= 2
                               ? "binary-cross-entropy with 1 linear output, or categorical-cross-entropy with 2"
                               : fmt::format("categorical-cross-entropy with {} linear outputs", classes);
  verdict.findings.push_back(
      {set.path, "classes", fmt::format("looks like {} classes: train.loss = {}", classes, loss), {}});
  if (counts.size() < classes)
    verdict.findings.push_back(
        {set.path, "classes", fmt::format("{} of the {} classes have no row", classes - counts.size(), classes), {}});
  const auto by_rows = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [smallest, largest] = std::minmax_element(counts.begin(), counts.end(), by_rows);
  const bool unbalanced = static_cast<double>(largest->second) >= kUnbalanced * static_cast<double>(smallest->second);
  const std::string range = fmt::format("class {} of the rows is the smallest, {} the largest",
                                        class_text(set, *smallest), class_text(set, *largest));
  verdict.findings.push_back(
      {set.path,
       "balance",
       unbalanced
           ? fmt::format("out of balance: {}; a model that always answers {} seems right that often, so judge by "
                         "more than accuracy, or draw rows of the classes more evenly",
                         range, largest->first)
           : "balanced enough: " + range,
       {}});
}

}  // namespace

Verdict verdict_of(const std::string& file, const DescribedSet* x, const DescribedSet* y) {
  Verdict verdict;
  bool features = false, targets = false;
  for (const DescribedSet* set : {x, y}) {
    if (set == nullptr) continue;
    judge_layout(file, *set, verdict);
    judge_faults(*set, verdict);
    if (set == x) {
      features = judge_scale(*set, "features", verdict);
      judge_binary(*set, verdict);
    } else if (are_classes(*set)) {
      judge_classes(*set, verdict);
    } else {
      targets = judge_scale(*set, "targets", verdict);
    }
  }
  verdict.standardize = features && targets ? Standardize::kBoth
                        : features          ? Standardize::kFeatures
                        : targets           ? Standardize::kTargets
                                            : Standardize::kNone;
  return verdict;
}

}  // namespace gradloom
