#include <fmt/format.h>

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
void check_shape(const State<T>& model, const DataSource& source, const std::string& checkpoint) {
  const SourceShape shape = source_shape(source);
  const std::size_t inputs = model.network.layout().inputs();
  if (shape.features != inputs)
    throw DataError(fmt::format("{}: /{} has {} features, but the model in {} takes {}", source.files.front(),
                                source.features, shape.features, checkpoint, inputs));
  // One pass over the rows holds little else, so it may take twice what data.memory leaves to training by default.
  const std::uint64_t limit = 2 * memory_limit(Config{});
  const std::uint64_t needed = bytes_in_memory(shape, sizeof(T));
  if (needed > limit)
    throw DataError(
        fmt::format("{}: takes {} bytes in memory and half of the RAM is {}; split it into smaller files, or use a "
                    "machine with more memory (sets that are larger than memory cannot be streamed yet)",
                    source.files.front(), needed, limit));
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

// Reads the data for the model and standardizes its features.
template <class T>
Dataset<T> read_for(const State<T>& model, const std::string& checkpoint, const std::string& data, bool with_targets) {
  const Config config = config_of(model.config, checkpoint);
  const DataSource source{expand_files(data, ""), config.data.features, config.data.targets, with_targets};
  check_shape<T>(model, source, checkpoint);
  Dataset<T> read = read_dataset<T>(source, std::numeric_limits<std::uint64_t>::max());
  if (!read.feature_names.empty() && !model.feature_names.empty() && read.feature_names != model.feature_names)
    throw DataError(
        fmt::format("{}: its feature names differ from those that the model in {} was trained on; both must "
                    "have the same columns in the same order",
                    read.name, checkpoint));
  if (model.standardization.features()) standardize_features<T>(model.standardization, read.x.view());
  return read;
}

template <class T>
Metrics evaluate_as(const std::string& checkpoint, const std::string& data, Arena& arena) {
  const Model<T> model = Model<T>::load(checkpoint);
  const State<T>& state = model.state();
  Dataset<T> read = read_for<T>(state, checkpoint, data, true);
  check_targets<T>(read, state.loss, model.outputs());
  if (state.standardization.targets()) standardize_targets<T>(state.standardization, read.y.view());
  return evaluate_rows<T>(state.network, state.parameters.data(), state.loss, state.standardization, read, arena);
}

template <class T>
std::uint64_t predict_as(const std::string& checkpoint, const std::string& data, const std::string& output,
                         Arena& arena) {
  const Model<T> model = Model<T>::load(checkpoint);
  const State<T>& state = model.state();
  const Dataset<T> read = read_for<T>(state, checkpoint, data, false);
  const Matrix<T> predictions =
      predict_rows<T>(state.network, state.parameters.data(), state.loss, state.standardization, read.x.view(), arena);
  write_predictions<T>(output, state.loss, predictions.view(), state.class_names);
  return predictions.rows();
}

}  // namespace

Metrics evaluate(const std::string& checkpoint, const std::string& data, std::size_t threads) {
  require_safe_platform();
  const std::string path = resolve_checkpoint(checkpoint);
  Arena arena(threads != 0 ? threads : allowed_cores());
  return checkpoint_precision(path) == Precision::kFloat32 ? evaluate_as<float>(path, data, arena)
                                                           : evaluate_as<double>(path, data, arena);
}

std::uint64_t predict(const std::string& checkpoint, const std::string& data, const std::string& output,
                      std::size_t threads) {
  require_prediction_format(output);
  require_safe_platform();
  const std::string path = resolve_checkpoint(checkpoint);
  require_own_file(output, path, data);
  Arena arena(threads != 0 ? threads : allowed_cores());
  return checkpoint_precision(path) == Precision::kFloat32 ? predict_as<float>(path, data, output, arena)
                                                           : predict_as<double>(path, data, output, arena);
}

}  // namespace gradloom
