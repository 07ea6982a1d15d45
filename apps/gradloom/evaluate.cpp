#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "apps/gradloom/commands.hpp"
#include "gradloom/evaluation.hpp"

namespace {

using Named = std::vector<std::pair<const char*, double>>;

Named values_of(const gradloom::Metrics& metrics) {
  Named values = {{"loss", metrics.loss}};
  if (metrics.accuracy) values.emplace_back("accuracy", *metrics.accuracy);
  if (metrics.rmse) values.emplace_back("rmse", *metrics.rmse);
  if (metrics.mae) values.emplace_back("mae", *metrics.mae);
  if (metrics.r2) values.emplace_back("r2", *metrics.r2);
  return values;
}

/// JSON has no NaN: null.
std::string as_json(const gradloom::Metrics& metrics) {
  std::string text = fmt::format("{{\"rows\": {}", metrics.rows);
  for (const auto& [name, value] : values_of(metrics))
    text += std::isfinite(value) ? fmt::format(", \"{}\": {}", name, value) : fmt::format(", \"{}\": null", name);
  return text + "}\n";
}

std::string as_lines(const gradloom::Metrics& metrics) {
  std::string text = fmt::format("{:<9} {}\n", "rows", metrics.rows);
  for (const auto& [name, value] : values_of(metrics)) text += fmt::format("{:<9} {:.6g}\n", name, value);
  return text;
}

int run(const Arguments& arguments) {
  const auto& names = arguments.positionals();
  gradloom::EvaluationOptions options = evaluation_options_of(arguments);
  options.weights = arguments.value("weights");
  if (options.weights == "none") options.weights = "";
  const gradloom::Metrics metrics = gradloom::evaluate(names[0], names[1], options);
  print(arguments.has("json") ? as_json(metrics) : as_lines(metrics));
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
        {"weights", "NAME", "HDF5 data set of the rows' weights; none: they count alike; as in training by default"}},
       false,
       "CHECKPOINT is a checkpoint file, or a run folder: then its best checkpoint, else its newest. DATA is a data\n"
       "set file; several, or a glob, in quotes.\n"},
      run};
}
