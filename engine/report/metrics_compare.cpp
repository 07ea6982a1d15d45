#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "engine/report/metrics_read.hpp"
#include "gradloom/compare.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

struct LineKey {
  std::uint64_t step;
  bool epoch;  // the epoch's line stands behind that of its last step
  friend bool operator<(const LineKey& a, const LineKey& b) {
    return std::tie(a.step, a.epoch) < std::tie(b.step, b.epoch);
  }
};

std::string name_of(const LineKey& key) {
  return fmt::format("{}step {}", key.epoch ? "epoch line of " : "", key.step);
}

using Log = std::map<LineKey, Json>;

// Steps and epochs; whatever no log may hold goes to `faults`.
Log read_log(const std::string& path, std::vector<std::string>& faults) {
  Log log;
  LineKey last{0, false};
  for (const LoggedLine& line : read_metrics(path)) {
    const std::string kind = line.kind();
    if (kind.empty()) faults.push_back(fmt::format("line {} is not whole in {}", line.number, path));
    if (kind != "step" && kind != "epoch") continue;
    const LineKey key{line.step(), kind == "epoch"};
    if (!log.emplace(key, line.json).second)
      faults.push_back(fmt::format("{} stands twice in {}", name_of(key), path));
    else if (key < last)
      faults.push_back(fmt::format("{} stands behind {} in {}", name_of(key), name_of(last), path));
    last = std::max(last, key);
  }
  return log;
}

// By text: it tells 0 from -0, and is written so that it reads back as the same number.
std::string value_of(const Json& line, const std::string& key) {
  const auto found = line.find(key);
  return found == line.end() ? "nothing" : found->dump();
}

void compare_lines(const LineKey& key, const Json& a, const Json& b, std::vector<std::string>& differences) {
  std::set<std::string> names;
  for (const Json* line : {&a, &b})
    for (const auto& [name, value] : line->items()) names.insert(name);
  for (const char* time : {"elapsed_seconds", "samples_per_second"}) names.erase(time);
  for (const std::string& name : names)
    if (const std::string first = value_of(a, name), second = value_of(b, name); first != second)
      differences.push_back(fmt::format("{}, {}: {} against {}", name_of(key), name, first, second));
}

}  // namespace

std::vector<std::string> metrics_differences(const std::string& first, const std::string& second) {
  std::vector<std::string> differences;
  const Log a = read_log(first, differences), b = read_log(second, differences);
  Log all = a;
  all.insert(b.begin(), b.end());
  for (const auto& [key, line] : all) {
    const auto in_a = a.find(key), in_b = b.find(key);
    if (in_a != a.end() && in_b != b.end())
      compare_lines(key, in_a->second, in_b->second, differences);
    else
      differences.push_back(fmt::format("{} is missing in {}", name_of(key), in_a == a.end() ? first : second));
  }
  return differences;
}

}  // namespace gradloom
