#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "engine/checkpoint/description.hpp"
#include "engine/core/spread.hpp"
#include "engine/data/source.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kBlockBytes = 8 << 20;
constexpr std::size_t kMostClasses = 256;      // distinct whole numbers that are still counted one by one
constexpr std::size_t kDeepestGroup = 8;       // groups may hold each other in a circle
constexpr std::size_t kMostDatasets = 1000;    // that are listed
constexpr std::size_t kMostColumns = 200'000;  // of one set: a small file can promise millions

struct Column {
  Spread spread;  // of finite values
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();
  std::uint64_t not_finite = 0;

  void add(double value) {
    if (!std::isfinite(value)) {
      ++not_finite;
      return;
    }
    spread.add(value);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  [[nodiscard]] Json json() const {
    Json json = {{"min", nullptr}, {"max", nullptr}, {"mean", nullptr}, {"deviation", nullptr}};
    if (spread.count > 0)
      json = {{"min", least},
              {"max", most},
              {"mean", spread.mean},
              {"deviation", std::sqrt(spread.squares / spread.count)}};
    if (not_finite != 0) json["not_finite"] = not_finite;
    return json;
  }
};

// How often each whole number stands in a column; given up where there are others, or too many.
class ClassCounts {
 public:
  void add(double value) {
    if (given_up_) return;
    constexpr double kLargest = 1e15;  // whole numbers below it are exact
    if (std::isfinite(value) && std::abs(value) < kLargest && value == std::floor(value))
      ++counts_[static_cast<std::int64_t>(value)];
    else
      given_up_ = true;
    if (counts_.size() > kMostClasses) given_up_ = true;
  }
  [[nodiscard]] Json json() const {
    if (given_up_) return nullptr;
    Json json = Json::object();
    for (const auto& [value, count] : counts_) json[fmt::format("{}", value)] = count;
    return json;
  }

 private:
  std::map<std::int64_t, std::uint64_t> counts_;
  bool given_up_ = false;
};

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

Json columns_of(const h5::File& file, const std::string& path, const std::vector<std::string>& names) {
  const h5::DatasetInfo info = file.info(path);
  std::vector<Column> columns(info.shape.size() == 1 ? 1 : std::min<std::uint64_t>(info.shape[1], kMostColumns));
  for_each_row(file, path, [&](std::uint64_t, std::span<const double> row) {
    for (std::size_t c = 0; c < columns.size(); ++c) columns[c].add(row[c]);
  });
  Json json = Json::array();
  for (std::size_t c = 0; c < columns.size(); ++c) {
    Json column = {{"column", c}};
    if (c < names.size()) column["name"] = names[c];
    column.update(columns[c].json());
    json.push_back(std::move(column));
  }
  return json;
}

Json class_counts_of(const h5::File& file, const std::string& path) {
  const h5::DatasetInfo info = file.info(path);
  if (info.shape.size() == 2 && info.shape[1] != 1) return nullptr;
  ClassCounts counts;
  for_each_row(file, path, [&](std::uint64_t, std::span<const double> row) { counts.add(row[0]); });
  return counts.json();
}

std::vector<std::string> names_of(const h5::File& file, const std::string& path, const char* attribute) {
  return file.strings_attribute(path, attribute).value_or(std::vector<std::string>{});
}

Json describe_set(const h5::File& file, const std::string& path) {
  try {
    const h5::DatasetInfo info = file.info(path);
    Json json = {{"path", path}, {"shape", info.shape}, {"type", info.type_name()}};
    if (!info.chunk.empty()) json["chunk"] = info.chunk;
    if (!info.filters.empty()) json["filters"] = info.filters;
    json["stored_bytes"] = info.stored_bytes;
    const bool described = (path == "/x" || path == "/y") && is_table(info);
    if (described) json["columns"] = columns_of(file, path, names_of(file, path, "names"));
    if (described && info.shape.size() == 2 && info.shape[1] > kMostColumns)
      json["columns_left_out"] = info.shape[1] - kMostColumns;
    if (path == "/y" && described) {
      if (const Json counts = class_counts_of(file, path); !counts.is_null()) json["counts"] = counts;
      if (const auto classes = names_of(file, path, "classes"); !classes.empty()) json["classes"] = classes;
    }
    return json;
  } catch (const DataError& error) {
    return {{"path", path}, {"unreadable", error.what()}};
  }
}

void collect(const h5::File& file, const std::string& group, std::size_t depth, Json& sets) {
  for (const std::string& name : file.children(group.empty() ? "/" : group)) {
    const std::string path = group + "/" + name;
    if (sets.size() >= kMostDatasets) return;
    if (!file.exists(path) || !file.is_group(path))
      sets.push_back(describe_set(file, path));  // of a link, it says that it is not followed
    else if (depth < kDeepestGroup)
      collect(file, path, depth + 1, sets);
  }
}

std::string column_text(const Json& column) {
  std::string text = fmt::format("  column {}", column["column"].dump());
  if (column.contains("name")) text += fmt::format(" \"{}\"", column["name"].get<std::string>());
  if (column["mean"].is_null())
    text += ": no finite value";
  else
    text += fmt::format(": {:.6g} to {:.6g}, mean {:.6g}, deviation {:.6g}", column["min"].get<double>(),
                        column["max"].get<double>(), column["mean"].get<double>(), column["deviation"].get<double>());
  if (column.contains("not_finite")) text += fmt::format(", {} NaN or Inf", column["not_finite"].dump());
  return text + "\n";
}

std::string counts_text(const Json& set) {
  const Json classes = set.value("classes", Json::array());
  std::string text;
  for (const auto& [value, count] : set["counts"].items()) {
    const std::size_t index = value.starts_with('-') ? classes.size() : std::stoull(value);
    const std::string name = index < classes.size() ? fmt::format(" ({})", classes[index].get<std::string>()) : "";
    text += fmt::format("  {}{}: {} rows\n", value, name, count.dump());
  }
  return text;
}

std::string set_text(const Json& set) {
  if (set.contains("unreadable")) return fmt::format("{}\n", set["unreadable"].get<std::string>());
  std::string text =
      fmt::format("{}: ({}) {}", set["path"].get<std::string>(),
                  fmt::join(set["shape"].get<std::vector<std::uint64_t>>(), ", "), set["type"].get<std::string>());
  if (set.contains("chunk"))
    text += fmt::format(", chunks of ({})", fmt::join(set["chunk"].get<std::vector<std::uint64_t>>(), ", "));
  if (set.contains("filters"))
    text += fmt::format(", {}", fmt::join(set["filters"].get<std::vector<std::string>>(), " and "));
  text += fmt::format(", {} bytes\n", set["stored_bytes"].dump());
  if (set.contains("columns"))
    for (const Json& column : set["columns"]) text += column_text(column);
  if (set.contains("columns_left_out")) text += fmt::format("  and {} columns more\n", set["columns_left_out"].dump());
  if (set.contains("counts")) text += counts_text(set);
  return text;
}

void require_finite(const h5::File& file, const std::string& path) {
  for_each_row(file, path, [&](std::uint64_t r, std::span<const double> row) {
    for (std::size_t c = 0; c < row.size(); ++c)
      if (!std::isfinite(row[c]))
        throw DataError(fmt::format("{}: {} row {}, column {} is {}; `train` takes finite numbers only", file.name(),
                                    path, r, c, std::isnan(row[c]) ? "NaN" : "Inf"));
  });
}

}  // namespace

Json describe_dataset(const std::string& path) {
  const h5::File file = h5::File::open(path);
  Json sets = Json::array();
  collect(file, "", 0, sets);
  return {{"file", path}, {"kind", "data set"}, {"data_sets", sets}};
}

std::string dataset_text(const Json& description) {
  std::string text = fmt::format("{}: HDF5 data set file\n", description["file"].get<std::string>());
  for (const Json& set : description["data_sets"]) text += set_text(set);
  return text;
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
