#include "engine/report/metrics_read.hpp"

#include <algorithm>
#include <string_view>

#include "engine/io/durable_file.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/inspect.hpp"

namespace gradloom {
std::string LoggedLine::kind() const {
  const auto found = json.is_object() ? json.find("kind") : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::uint64_t LoggedLine::step() const {
  const auto found = json.is_object() ? json.find("step") : json.end();
  return found != json.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::vector<LoggedLine> read_metrics(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<LoggedLine> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back({lines.size() + 1, nlohmann::ordered_json::parse(text.substr(0, end), nullptr, false)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

EndReport last_end(const std::string& run_dir) {
  const std::string path = run_dir + "/metrics.jsonl";
  const std::vector<LoggedLine> lines = read_metrics(path);
  const auto end = std::find_if(lines.rbegin(), lines.rend(), [](const LoggedLine& l) { return l.kind() == "end"; });
  if (end == lines.rend()) throw FileError(path + ": says nothing of the run's end");
  EndReport report;
  report.step = end->step();
  report.epoch = end->json.value("epoch", std::uint64_t{0});
  report.samples_seen = end->json.value("samples_seen", std::uint64_t{0});
  report.elapsed_seconds = end->json.value("elapsed_seconds", 0.0);
  report.reason = end->json.value("reason", "");
  return report;
}

}  // namespace gradloom
