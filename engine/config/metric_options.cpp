#include <algorithm>

#include "engine/config/option_kinds.hpp"

namespace gradloom {

std::string parse_metrics(const std::string& text, std::vector<Metric>& metrics) {
  constexpr const char* kBetween = " \t,";
  metrics.clear();
  std::size_t begin = text.find_first_not_of(kBetween);
  while (begin != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(kBetween, begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    const std::optional<Metric> metric = parse_metric(name);
    if (!metric)
      return fmt::format("'{}' is no metric{}; there are {}", name, did_you_mean(name, metric_names()),
                         join(metric_names()));
    if (std::find(metrics.begin(), metrics.end(), *metric) != metrics.end())
      return fmt::format("names {} twice", to_string(*metric));
    metrics.push_back(*metric);
    begin = text.find_first_not_of(kBetween, end);
  }
  return metrics.empty() ? must_be("at least one of " + join(metric_names())) : "";
}

Option metrics_option(OptionFacts facts) {
  Option option = row(std::move(facts), "auto, or names separated by blanks, of " + join(metric_names()));
  option.parse = [](Config& config, const std::string& text) -> std::string {
    std::vector<Metric> metrics;
    std::string complaint = text == "auto" ? "" : parse_metrics(text, metrics);
    if (complaint.empty()) config.train.metrics = metrics;
    return complaint;
  };
  option.format = [](const Config& config) {
    std::vector<std::string> names;
    for (const Metric& metric : config.train.metrics) names.push_back(to_string(metric));
    return std::vector<std::string>{names.empty() ? "auto" : join(names, " ")};
  };
  return option;
}

Option monitor_option(OptionFacts facts) {
  Option option = row(std::move(facts), "one of " + join(monitor_names()));
  option.parse = [allowed = option.allowed](Config& config, const std::string& text) -> std::string {
    const std::optional<Monitor> monitor = parse_monitor(text);
    if (!monitor) return must_be(allowed) + did_you_mean(text, monitor_names());
    config.early_stopping.monitor = *monitor;
    return "";
  };
  option.format = [](const Config& config) {
    return std::vector<std::string>{to_string(config.early_stopping.monitor)};
  };
  return option;
}

std::vector<Metric> judged_by(const Config& config) {
  std::vector<Metric> metrics = config.train.metrics.empty() ? usual_metrics(config.train.loss) : config.train.metrics;
  const Monitor& monitor = config.early_stopping.monitor;
  const bool counts = monitor.of == Monitor::Of::kValidMetric;
  if (counts && std::find(metrics.begin(), metrics.end(), monitor.metric) == metrics.end())
    metrics.push_back(monitor.metric);
  return metrics;
}

}  // namespace gradloom
