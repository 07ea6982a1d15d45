#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/checkpoint/dataset_verdict.hpp"
#include "engine/checkpoint/description.hpp"
#include "engine/data/source.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBlockBytes = 8 << 20;
constexpr std::size_t kMostClasses = 1000;   // distinct whole numbers that are still counted one by one
constexpr std::size_t kDeepestGroup = 8;     // groups may hold each other in a circle
constexpr std::size_t kMostDatasets = 1000;  // that are listed

bool is_table(const h5::DatasetInfo& info) {
  return info.numeric() && !info.shape.empty() && info.shape.size() <= 2 &&
         (info.shape.size() == 1 || info.shape[1] > 0);
}

// Calls use(row index, row) for every row of a numeric set, read in blocks.
template <class Use>
void for_each_row(const h5::File& file, const std::string& path, const Use& use) {
  const h5::DatasetInfo info = file.info(path);
  const std::uint64_t rows = info.shape[0];
  const std::size_t cols = info.shape.size() == 1 ? 1 : info.shape[1];
  const std::uint64_t in_block =
      std::min<std::uint64_t>(rows, std::max<std::size_t>(kBlockBytes / (cols * sizeof(double)), 1));
  Matrix<double> block(in_block, cols);
  for (std::uint64_t first = 0; first < rows; first += in_block) {
    const std::size_t count = std::min(in_block, rows - first);
    file.read_rows<double>(path, first, block.view().row_range(0, count));
    for (std::size_t r = 0; r < count; ++r) use(first + r, std::span<const double>(block.row(r)));
  }
}

std::vector<std::string> names_of(const h5::File& file, const std::string& path, const char* attribute) {
  return file.strings_attribute(path, attribute).value_or(std::vector<std::string>{});
}

// high + low, which is a whole number of 64 bits where `low` is not nought.
Json exact_number(double high, double low) {
  if (low == 0) return high;
  if (high < 0) return static_cast<std::int64_t>(high) + static_cast<std::int64_t>(low);
  constexpr double kHalf = 0x1p63;  // 2^64 itself may be meant, and a negative `low`: sums wrap around
  const std::uint64_t top = high < kHalf ? static_cast<std::uint64_t>(high)
                                         : static_cast<std::uint64_t>(high - kHalf) + (std::uint64_t{1} << 63);
  return top + static_cast<std::uint64_t>(static_cast<std::int64_t>(low));
}

Json number_or_null(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

Json column_json(const DescribedSet& set, std::size_t c) {
  const Statistics& s = set.table.columns;
  Json column = {{"column", c}};
  if (c < set.names.size()) column["name"] = set.names[c];
  column["min"] = s.count[c] > 0 ? exact_number(s.min[c], s.min_low[c]) : Json(nullptr);
  column["max"] = s.count[c] > 0 ? exact_number(s.max[c], s.max_low[c]) : Json(nullptr);
  column["mean"] = number_or_null(s.mean[c]);
  column["deviation"] = number_or_null(s.deviation[c]);
  column["missing"] = static_cast<std::uint64_t>(s.missing[c]);
  if (s.infinite[c] != 0) column["infinite"] = static_cast<std::uint64_t>(s.infinite[c]);
  return column;
}

Json storage_json(const std::string& path, const h5::DatasetInfo& info) {
  Json json = {{"path", path}, {"shape", info.shape}, {"type", info.type_name()}};
  if (!info.chunk.empty()) json["chunk"] = info.chunk;
  if (!info.filters.empty()) json["filters"] = info.filters;
  json["stored_bytes"] = info.stored_bytes;
  return json;
}

void add_statistics(const DescribedSet& set, Json& json) {
  Json& columns = json["columns"] = Json::array();
  for (std::size_t c = 0; c < set.table.columns.columns(); ++c) columns.push_back(column_json(set, c));
  if (set.info.shape.size() == 2 && set.info.shape[1] > columns.size())
    json["columns_left_out"] = set.info.shape[1] - columns.size();
  if (set.table.counts)
    for (const auto& [value, count] : *set.table.counts) json["counts"][fmt::format("{}", value)] = count;
  if (!set.classes.empty()) json["classes"] = set.classes;
}

// Every data set of a file, and what was learnt of /x and /y.
class Description {
 public:
  Description(const h5::File& file, std::size_t threads) : file_(file), threads_(threads) { collect("", 0); }

  [[nodiscard]] Json json() const {
    Json json = {{"file", file_.name()}, {"kind", "data set"}, {"data_sets", sets_}};
    const auto set = [&](const char* path) {
      const auto found = described_.find(path);
      return found == described_.end() ? nullptr : &found->second;
    };
    if (described_.empty()) return json;
    const Verdict verdict = verdict_of(file_.name(), set("/x"), set("/y"));
    Json& findings = json["verdict"] = Json::array();
    for (const Finding& finding : verdict.findings) {
      findings.push_back({{"about", finding.about}, {"kind", finding.kind}, {"text", finding.text}});
      if (!finding.columns.empty()) findings.back()["columns"] = finding.columns;
    }
    json["standardize"] = to_string(verdict.standardize);
    return json;
  }

 private:
  void collect(const std::string& group, std::size_t depth) {
    for (const std::string& name : file_.children(group.empty() ? "/" : group)) {
      const std::string path = group + "/" + name;
      if (sets_.size() >= kMostDatasets) return;
      if (!file_.exists(path) || !file_.is_group(path))
        describe(path);  // of a link, it says that it is not followed
      else if (depth < kDeepestGroup)
        collect(path, depth + 1);
    }
  }

  void describe(const std::string& path) {
    try {
      const h5::DatasetInfo info = file_.info(path);
      Json json = storage_json(path, info);
      if ((path == "/x" || path == "/y") && is_table(info)) add_statistics(described(path, info), json);
      sets_.push_back(std::move(json));
    } catch (const DataError& error) {
      sets_.push_back({{"path", path}, {"unreadable", error.what()}});
    }
  }

  const DescribedSet& described(const std::string& path, const h5::DatasetInfo& info) {
    DescribedSet set{path, info, names_of(file_, path, "names"), {}, {}};
    if (path == "/y") set.classes = names_of(file_, path, "classes");
    const std::size_t most_counts = path == "/y" ? std::max(kMostClasses, set.classes.size()) : 0;
    set.table = table_statistics(file_, path, {threads_, most_counts});
    return described_.emplace(path, std::move(set)).first->second;
  }

  const h5::File& file_;
  std::size_t threads_;
  Json sets_ = Json::array();
  std::map<std::string, DescribedSet> described_;
};

void require_finite(const h5::File& file, const std::string& path) {
  for_each_row(file, path, [&](std::uint64_t r, std::span<const double> row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      if (!std::isfinite(row[c]))
        throw DataError(fmt::format("{}: {} row {}, column {} is {}; `train` takes finite numbers only", file.name(),
                                    path, r, c, std::isnan(row[c]) ? "NaN" : "Inf"));
  });
}

}  // namespace

Json describe_dataset(const std::string& path, std::size_t threads) {
  const h5::File file = h5::File::open(path);
  return Description(file, threads).json();
}

std::string verify_dataset(const std::string& path) {
  const h5::File file = h5::File::open(path);
  const SourceShape shape = source_shape({{path}, "x", "y", true});
  const std::size_t names = names_of(file, "/x", "names").size();
  if (names != 0 && names != shape.features)
    throw DataError(fmt::format("{}: /x has {} columns and {} names", path, shape.features, names));
  require_finite(file, "/x");
  require_finite(file, "/y");
  return fmt::format("{}: a whole data set, {} rows, {} features, {} targets", path, shape.rows, shape.features,
                     shape.outputs);
}

}  // namespace gradloom
