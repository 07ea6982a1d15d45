#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/store.hpp"
#include "engine/data/prepare.hpp"
#include "engine/data/source.hpp"
#include "engine/train/evaluator.hpp"
#include "engine/train/prediction_file.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/model.hpp"
#include "gradloom/version.hpp"

namespace gradloom {
namespace {

template <class T>
using State = typename Model<T>::State;

// What a checkpoint was trained on decides how data sets are called in the files. A checkpoint without a config (made
// by hand) takes the defaults.
Config config_of(const std::string& text, const std::string& checkpoint) {
  return text.empty() ? Config{} : parse_config(text, checkpoint + ": /config");
}

template <class T>
void check_shape(const State<T>& model, const DataSource& source, const SourceShape& shape,
                 const std::string& checkpoint) {
  const std::size_t inputs = model.network.layout().inputs();
  if (shape.features != inputs)
    throw DataError(fmt::format("{}: /{} has {} features, but the model in {} takes {}", source.files.front(),
                                source.features, shape.features, checkpoint, inputs));
}

// Output must not take the place of what it is made from: the data may be the only copy.
void require_own_file(const std::string& output, const std::string& checkpoint, const std::string& data) {
  std::vector<std::string> inputs = expand_files(data, "");
  inputs.push_back(checkpoint);
  std::error_code absent;  // an output that does not exist yet is nobody else's
  if (std::filesystem::exists(output, absent) && !std::filesystem::is_regular_file(output, absent))
    throw ConfigError(fmt::format("--output {}: is not a regular file; name one, such as predictions.h5", output));
  for (const std::string& input : inputs)
    if (std::filesystem::equivalent(output, input, absent))
      throw ConfigError(fmt::format("--output {}: would replace {}; choose another name", output, input));
}

std::uint64_t memory_of(const EvaluationOptions& options) {
  return options.memory != 0 ? options.memory : memory_limit(Config{});
}

template <class T>
MetricPlan plan_for(const State<T>& model, const std::string& checkpoint, const EvaluationOptions& options) {
  const Loss loss = model.objective.loss;
  const std::size_t outputs = model.network.layout().outputs();
  const std::uint64_t score_bytes = memory_of(options) / kScoreShare;
  if (!options.metrics)
    return {every_metric(loss, outputs, config_of(model.config, checkpoint)), is_classification(loss), score_bytes};
  for (const Metric& metric : *options.metrics)
    if (const std::string reason = why_absent(metric, loss, outputs); !reason.empty())
      throw ConfigError(
          fmt::format("--metrics {}: the model in {} has no such metric: {}", to_string(metric), checkpoint, reason));
  return {*options.metrics, false, score_bytes};
}

void name_classes(Metrics& metrics, const std::vector<std::string>& names) {
  for (std::size_t c = 0; c < metrics.classes.size(); ++c)
    metrics.classes[c].name = names.size() == metrics.classes.size() ? names[c] : fmt::format("{}", c);
}

// The data for the model, standardized: in memory, or streamed where they do not fit.
template <class T>
RunSet<T> open_for(const State<T>& model, const std::string& checkpoint, const std::string& data, bool with_targets,
                   const EvaluationOptions& options) {
  const Config config = config_of(model.config, checkpoint);
  DataSource source{expand_files(data, ""), config.data.features, config.data.targets, with_targets};
  if (with_targets) {
    source.weights = options.weights.value_or(config.data.weights);
    source.weights_key = "--weights, or count all rows alike with --weights none";
  }
  source.external = external_of(config);
  const SourceShape shape = source_shape(source);
  check_shape<T>(model, source, shape, checkpoint);
  const std::uint64_t memory = memory_of(options);
  const std::size_t outputs = model.network.layout().outputs();
  RunSet<T> set;
  if (bytes_in_memory(shape, sizeof(T)) <= memory) {
    set = read_dataset<T>(source, memory);
    if (with_targets) check_targets<T>(set.memory(), model.objective.loss, outputs);
  } else {
    const auto rules = with_targets ? std::optional(TargetRules{model.objective.loss, outputs}) : std::nullopt;
    set = RunSet<T>(
        std::make_unique<StreamedSet<T>>(source, StreamOptions{.memory = {memory, "--memory"}, .rules = rules}));
  }
  if (!set.feature_names().empty() && !model.feature_names.empty() && set.feature_names() != model.feature_names)
    throw DataError(
        fmt::format("{}: its feature names differ from those that the model in {} was trained on; both must "
                    "have the same columns in the same order",
                    set.name(), checkpoint));
  set.standardize(model.standardization);
  return set;
}

template <class T>
Metrics evaluate_as(const std::string& checkpoint, const std::string& data, const EvaluationOptions& options,
                    Arena& arena) {
  const Model<T> model = Model<T>::load(checkpoint);
  const State<T>& state = model.state();
  const MetricPlan plan = plan_for<T>(state, checkpoint, options);
  const RunSet<T> set = open_for<T>(state, checkpoint, data, true, options);
  Metrics metrics =
      evaluate_set<T>(state.network, state.parameters.data(), state.objective, state.standardization, set, arena, plan);
  name_classes(metrics, state.class_names.empty() ? set.class_names() : state.class_names);
  return metrics;
}

template <class T>
std::uint64_t predict_as(const std::string& checkpoint, const std::string& data, const std::string& output,
                         const EvaluationOptions& options, Arena& arena) {
  const Model<T> model = Model<T>::load(checkpoint);
  const State<T>& state = model.state();
  const RunSet<T> set = open_for<T>(state, checkpoint, data, false, options);
  write_predictions<T>(output, state.objective.loss, state.network.layout().outputs(), state.class_names,
                       [&](const auto& use) {
                         predict_set<T>(state.network, state.parameters.data(), state.objective.loss,
                                        state.standardization, set, arena, use);
                       });
  return set.rows();
}

std::size_t threads_of(const EvaluationOptions& options) {
  return options.threads != 0 ? options.threads : allowed_cores();
}

}  // namespace

Metrics evaluate(const std::string& checkpoint, const std::string& data, const EvaluationOptions& options) {
  require_safe_platform();
  const std::string path = resolve_checkpoint(checkpoint);
  Arena arena(threads_of(options));
  return checkpoint_precision(path) == Precision::kFloat32 ? evaluate_as<float>(path, data, options, arena)
                                                           : evaluate_as<double>(path, data, options, arena);
}

std::uint64_t predict(const std::string& checkpoint, const std::string& data, const std::string& output,
                      const EvaluationOptions& options) {
  require_prediction_format(output);
  require_safe_platform();
  const std::string path = resolve_checkpoint(checkpoint);
  require_own_file(output, path, data);
  Arena arena(threads_of(options));
  return checkpoint_precision(path) == Precision::kFloat32 ? predict_as<float>(path, data, output, options, arena)
                                                           : predict_as<double>(path, data, output, options, arena);
}

}  // namespace gradloom
