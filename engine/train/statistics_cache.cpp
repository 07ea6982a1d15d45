#include "engine/train/statistics_cache.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/io/durable_file.hpp"
#include "engine/io/folder.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

// Every number by its name in the file.
template <class Object, class Use>
void for_each_side(Object& s, const Use& use) {
  use("x_mean", s.x_mean);
  use("x_scale", s.x_scale);
  use("y_mean", s.y_mean);
  use("y_scale", s.y_scale);
}

// Whether a side has what standardization needs, or nothing where it is left as it is.
bool is_sound(const std::vector<double>& mean, const std::vector<double>& scale, std::size_t columns) {
  return mean.size() == columns && scale.size() == columns &&
         std::ranges::all_of(mean, [](double m) { return std::isfinite(m); }) &&
         std::ranges::all_of(scale, [](double s) { return std::isfinite(s) && s > 0; });
}

}  // namespace

std::size_t classes_to_count(const Config& config) {
  if (!config.train.class_weights.balanced) return 0;
  return class_count(config.train.loss, config.model.layers.back().units);
}

namespace {

Json description(const Config& config, const DataSource& source) {
  Json files = Json::array();
  for (const std::string& path : source.files) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) status = {};  // whoever reads the file will say so
    files.push_back({{"path", std::filesystem::absolute(path).string()},
                     {"bytes", status.st_size},
                     {"seconds", status.st_mtim.tv_sec},
                     {"nanoseconds", status.st_mtim.tv_nsec}});
  }
  return {{"files", files},
          {"features", source.features},
          {"targets", source.targets},
          {"standardize", to_string(config.data.standardize)},
          {"classes", classes_to_count(config)},
          {"precision", to_string(config.model.precision)},
          {"valid-fraction", config.data.valid_fraction},
          {"fold", config.data.fold ? to_string(*config.data.fold) : "none"},
          {"seed", config.train.seed}};
}

}  // namespace

StatisticsCache::StatisticsCache(std::string path, const Config& config, const DataSource& source,
                                 const SourceShape& shape)
    : path_(std::move(path)),
      // A path need not be UTF-8, which JSON must be.
      data_(description(config, source).dump(-1, ' ', false, Json::error_handler_t::replace)),
      x_columns_(config.data.standardize == Standardize::kFeatures || config.data.standardize == Standardize::kBoth
                     ? shape.features
                     : 0),
      y_columns_(config.data.standardize == Standardize::kTargets || config.data.standardize == Standardize::kBoth
                     ? shape.outputs
                     : 0),
      classes_(classes_to_count(config)) {}

std::optional<RunStatistics> StatisticsCache::read() const {
  if (!file_exists(path_)) return std::nullopt;
  const std::vector<std::byte> bytes = read_file(path_);
  const Json json = Json::parse(reinterpret_cast<const char*>(bytes.data()),
                                reinterpret_cast<const char*>(bytes.data()) + bytes.size(), nullptr, false);
  if (!json.is_object() || !json.contains("data") || json["data"].dump() != data_) return std::nullopt;
  try {
    RunStatistics found;
    for_each_side(found.standardization, [&](const char* name, std::vector<double>& values) {
      values = json.at(name).get<std::vector<double>>();
    });
    found.class_rows = json.at("class_rows").get<std::vector<std::uint64_t>>();
    const Standardization& s = found.standardization;
    if (!is_sound(s.x_mean, s.x_scale, x_columns_) || !is_sound(s.y_mean, s.y_scale, y_columns_) ||
        found.class_rows.size() != classes_)
      return std::nullopt;
    return found;
  } catch (const Json::exception&) {
    return std::nullopt;  // not written by us: it is written anew
  }
}

void StatisticsCache::write(const RunStatistics& statistics) const {
  Json json = {{"data", Json::parse(data_)}};
  for_each_side(statistics.standardization,
                [&](const char* name, const std::vector<double>& values) { json[name] = values; });
  json["class_rows"] = statistics.class_rows;
  write_durably(path_, json.dump(1) + "\n");
}

}  // namespace gradloom
