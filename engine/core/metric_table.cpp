#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "gradloom/metrics.hpp"

namespace gradloom {
namespace {

enum class Needs { kLabels, kClasses, kErrors };  // a cross-entropy, the categorical one, another loss

struct Parameter {
  char letter;  // 0: the metric has none
  double least, most;
  bool whole;
  double usual;  // 0: it must be given
};
constexpr Parameter kNoParameter{0, 0, 0, false, 0};
constexpr double kMostClasses = 1e9, kMostBins = 1e4;

struct Row {
  MetricKind kind;
  std::string_view name;
  bool rises;
  Needs needs;
  Parameter parameter = kNoParameter;
};

using enum MetricKind;
constexpr std::array<Row, 17> kTable = {{
    {kAccuracy, "accuracy", true, Needs::kLabels},
    {kTop, "top", true, Needs::kClasses, {'K', 1, kMostClasses, true, 0}},
    {kPrecision, "precision", true, Needs::kLabels},
    {kRecall, "recall", true, Needs::kLabels},
    {kF1, "f1", true, Needs::kLabels},
    {kMacroPrecision, "macro_precision", true, Needs::kLabels},
    {kMacroRecall, "macro_recall", true, Needs::kLabels},
    {kMacroF1, "macro_f1", true, Needs::kLabels},
    {kAuc, "auc", true, Needs::kLabels},
    {kLogLoss, "log_loss", false, Needs::kLabels},
    {kCalibrationError, "calibration_error", false, Needs::kLabels, {'B', 1, kMostBins, true, 15}},
    {kMse, "mse", false, Needs::kErrors},
    {kRmse, "rmse", false, Needs::kErrors},
    {kMae, "mae", false, Needs::kErrors},
    {kR2, "r2", true, Needs::kErrors},
    {kMaxError, "max_error", false, Needs::kErrors},
    {kPinball, "pinball", false, Needs::kErrors, {'Q', 0, 1, false, 0.5}},
}};

constexpr std::string_view kValidLoss = "valid_loss", kTrainLoss = "train_loss", kValid = "valid_";

const Row& row_of(const Metric& metric) {
  return *std::find_if(kTable.begin(), kTable.end(), [&](const Row& row) { return row.kind == metric.kind; });
}

std::optional<double> parse_parameter(std::string_view text, const Parameter& allowed) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !(value >= allowed.least && value <= allowed.most)) return std::nullopt;
  if (allowed.whole && value != std::floor(value)) return std::nullopt;
  return std::abs(value);  // -0 is 0
}

// Where the parameter must be given it is in the name.
bool has_usual(const Row& row) { return row.parameter.letter == 0 || row.parameter.usual != 0; }

std::string with_letter(const Row& row) { return fmt::format("{}_{}", row.name, row.parameter.letter); }

bool has(const Row& row, Loss loss) {
  if (row.needs == Needs::kErrors) return !is_classification(loss);
  return row.needs == Needs::kLabels ? is_classification(loss) : loss == Loss::kCategoricalCrossEntropy;
}

std::string names_for(Loss loss) {
  std::string names;
  for (const Row& row : kTable)
    if (has(row, loss))
      names +=
          fmt::format("{}{}", names.empty() ? "" : ", ", has_usual(row) ? std::string(row.name) : with_letter(row));
  return names;
}

}  // namespace

std::string to_string(const Metric& metric) {
  const Row& row = row_of(metric);
  if (row.parameter.letter == 0 || metric.parameter == row.parameter.usual) return std::string(row.name);
  return fmt::format("{}_{}", row.name, metric.parameter);
}

std::optional<Metric> parse_metric(std::string_view name) {
  for (const Row& row : kTable) {
    const Parameter& parameter = row.parameter;
    if (name == row.name && has_usual(row)) return Metric{row.kind, parameter.usual};
    if (parameter.letter == 0 || !name.starts_with(row.name) || name.size() < row.name.size() + 2 ||
        name[row.name.size()] != '_')
      continue;
    if (const auto value = parse_parameter(name.substr(row.name.size() + 1), parameter))
      return Metric{row.kind, *value};
  }
  return std::nullopt;
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Row& row : kTable) {
    if (has_usual(row)) names.emplace_back(row.name);
    if (row.parameter.letter != 0) names.push_back(with_letter(row));
  }
  return names;
}

std::string why_absent(const Metric& metric, Loss loss, std::size_t outputs) {
  const Row& row = row_of(metric);
  if (!has(row, loss)) return fmt::format("{} has: {}", to_string(loss), names_for(loss));
  if (metric.kind == kTop && metric.parameter >= static_cast<double>(outputs) && outputs > 1)
    return fmt::format("of {} classes the {} likeliest are all; name fewer", outputs, metric.parameter);
  return "";
}

std::vector<Metric> usual_metrics(Loss loss) {
  if (is_classification(loss)) return {{kAccuracy}};
  return {{kRmse}, {kMae}, {kR2}};
}

std::vector<Metric> all_metrics(Loss loss, std::size_t outputs) {
  constexpr double kUsualTop = 5;
  std::vector<Metric> metrics;
  for (const Row& row : kTable) {
    const Metric metric{row.kind, row.kind == kTop ? kUsualTop : row.parameter.usual};
    if (why_absent(metric, loss, outputs).empty()) metrics.push_back(metric);
  }
  return metrics;
}

std::string to_string(const Monitor& monitor) {
  if (monitor.of == Monitor::Of::kValidMetric) return fmt::format("{}{}", kValid, to_string(monitor.metric));
  return std::string(monitor.of == Monitor::Of::kValidLoss ? kValidLoss : kTrainLoss);
}

std::optional<Monitor> parse_monitor(std::string_view name) {
  if (name == kValidLoss) return Monitor{};
  if (name == kTrainLoss) return Monitor{Monitor::Of::kTrainLoss};
  if (!name.starts_with(kValid)) return std::nullopt;
  const std::optional<Metric> metric = parse_metric(name.substr(kValid.size()));
  if (!metric) return std::nullopt;
  return Monitor{Monitor::Of::kValidMetric, *metric};
}

std::vector<std::string> monitor_names() {
  std::vector<std::string> names = {std::string(kValidLoss), std::string(kTrainLoss)};
  for (const std::string& name : metric_names()) names.push_back(fmt::format("{}{}", kValid, name));
  return names;
}

bool rises(const Metric& metric) { return row_of(metric).rises; }

bool rises(const Monitor& monitor) { return monitor.of == Monitor::Of::kValidMetric && rises(monitor.metric); }

}  // namespace gradloom
