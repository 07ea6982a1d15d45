#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "apps/gradloom/commands.hpp"
#include "gradloom/evaluation.hpp"

namespace {

/// `--metrics`.
std::optional<std::vector<gradloom::Metric>> metrics_of(const Arguments& arguments) {
  const auto text = arguments.value("metrics");
  if (!text) return std::nullopt;
  std::vector<gradloom::Metric> metrics;
  const std::string complaint = gradloom::parse_metrics(*text, metrics);
  if (!complaint.empty()) arguments.refuse(fmt::format("--metrics {}: {}", *text, complaint));
  return metrics;
}

int run_evaluate(const Arguments& arguments) {
  const auto& names = arguments.positionals();
  gradloom::EvaluationOptions options = evaluation_options_of(arguments);
  options.weights = arguments.value("weights");
  if (options.weights == "none") options.weights = "";
  options.metrics = metrics_of(arguments);
  const gradloom::Metrics metrics = gradloom::evaluate(names[0], names[1], options);
  print(arguments.has("json") ? metrics_json(metrics) : metrics_text(metrics));
  return 0;
}

}  // namespace

Command evaluate_command() {
  return {
      {"evaluate",
       {"CHECKPOINT", "DATA"},
       "Prints loss and metrics of a model on a data set.",
       {{"json", "", "print a JSON object"},
        threads_option(),
        memory_option(),
        {"metrics", "LIST", "these alone, such as \"accuracy auc top_3\"; all that the model has by default"},
        {"weights", "NAME", "HDF5 data set of the rows' weights; none: they count alike; as in training by default"}},
       false,
       "CHECKPOINT is a checkpoint file, or a run folder: then its best checkpoint, else its newest. DATA is a data\n"
       "set file; several, or a glob, in quotes.\n"},
      run_evaluate};
}
