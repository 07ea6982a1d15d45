#include "engine/train/run_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/parallel.hpp"
#include "engine/data/source.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

std::size_t thread_count(const Config& config) {
  return config.train.threads > 0 ? config.train.threads : allowed_cores();
}

FeedOptions feed_options(const Config& config, bool all_cores, Arena& arena) {
  FeedOptions options;
  options.batch_size = config.train.batch_size;
  options.shuffle = config.data.shuffle;
  options.seed = config.train.seed;
  options.groups_ahead = config.data.prefetch.value_or(all_cores ? 0 : 2);
  options.epochs = std::numeric_limits<std::uint64_t>::max();
  options.arena = &arena;
  return options;
}

std::string key_place(const Config& config, const std::string& key) {
  const auto origin = config.origins.find(key);
  if (origin == config.origins.end() || origin->second == "default") return key;
  return fmt::format("{}: {}", origin->second, key);
}

namespace {

DataSource source_of(const Config& config, const std::string& key, const std::string& files) {
  return {expand_files(files, key_place(config, key)), config.data.features, config.data.targets, true};
}

// Reads one source and takes its bytes off what is left of data.memory.
template <class T>
Dataset<T> read_within(const DataSource& source, std::uint64_t& memory_left) {
  Dataset<T> data = read_dataset<T>(source, memory_left);
  memory_left -= bytes_in_memory({data.rows(), data.features(), data.outputs()}, sizeof(T));
  return data;
}

template <class T>
void check_against_training(const Dataset<T>& training, const Dataset<T>& other) {
  if (other.features() != training.features())
    throw DataError(fmt::format("{}: {} features, but the training data ({}) have {}; both must have the same columns",
                                other.name, other.features(), training.name, training.features()));
  if (!other.feature_names.empty() && !training.feature_names.empty() && other.feature_names != training.feature_names)
    throw DataError(
        fmt::format("{}: its feature names differ from those of the training data ({}); both must have "
                    "the same columns in the same order",
                    other.name, training.name));
}

template <class T>
void require_finite(const Dataset<T>& data, const Matrix<T>& values, const char* side, const std::string& what) {
  for (std::size_t r = 0; r < values.rows(); ++r)
    for (std::size_t c = 0; c < values.cols(); ++c)
      if (!std::isfinite(values(r, c)))
        throw DataError(fmt::format("{} ({}): {} row {}, column {} is {}; remove such rows", what, data.name, side,
                                    data.source_row(r), c, values(r, c)));
}

// Parameters, gradient and optimizer state, and a minibatch's activations, dropped ones and deltas, in bytes.
template <class T>
double training_bytes(const Config& config, const ParameterLayout& layout, std::size_t batch_rows) {
  const double saved = config.optimizer.momentum == 0 ? 1 : 2;
  const double blocks = saved + 1 + 3 * saved;
  double columns = 0;
  for (std::size_t l = 0; l < layout.depth(); ++l) {
    const LayerLayout& layer = layout.layer(l);
    columns += (layer.dropout > 0 ? 3 : 2) * static_cast<double>(layer.units);
  }
  return sizeof(T) * (blocks * static_cast<double>(layout.size()) + columns * static_cast<double>(batch_rows));
}

template <class T>
void require_memory_for_network(const Config& config, const ParameterLayout& layout, std::size_t rows) {
  const double needed = training_bytes<T>(config, layout, std::min(config.train.batch_size, rows));
  const auto usable = static_cast<double>(usable_memory());
  if (needed <= usable) return;
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  throw ConfigError(
      fmt::format("model.layer: training this network ({} parameters) takes {:.1f} GiB of memory, and "
                  "there are {:.1f}; use fewer units or a smaller train.batch-size",
                  layout.parameter_count(), needed / kGiB, usable / kGiB));
}

template <class T>
void standardize(const Standardization& s, Dataset<T>& data) {
  if (s.features()) standardize_features<T>(s, data.x.view());
  if (s.targets()) standardize_targets<T>(s, data.y.view());
}

}  // namespace

template <class T>
RunData<T> prepare_run_data(const Config& config, Dataset<T> training, std::optional<Dataset<T>> validation,
                            std::optional<Dataset<T>> test) {
  require_memory_for_network<T>(config, {training.features(), config.model.layers}, training.rows());
  RunData<T> run;
  const std::size_t outputs = config.model.layers.back().units;
  const auto check = [&](const Dataset<T>& data) { check_targets(data, config.train.loss, outputs); };
  check(training);
  if (config.data.valid_fraction > 0) {
    auto [kept, held_out] = hold_out(std::move(training), config.data.valid_fraction, config.train.seed);
    run.training = std::move(kept);
    run.validation = std::move(held_out);
  } else {
    run.training = std::move(training);
    run.validation = std::move(validation);
  }
  run.test = std::move(test);
  if (config.data.standardize != Standardize::kNone) {
    Arena arena(thread_count(config));
    run.standardization = fit_standardization(run.training, config.data.standardize, &arena);
  }
  standardize(run.standardization, run.training);
  for (auto* other : {&run.validation, &run.test}) {
    if (!other->has_value()) continue;
    check_against_training(run.training, **other);
    check(**other);
    standardize(run.standardization, **other);
  }
  return run;
}

template <class T>
void check_in_memory(const Dataset<T>& data, const std::string& what) {
  if (data.rows() == 0 || data.features() == 0 || data.y.rows() != data.rows())
    throw DataError(fmt::format("{} ({}): x is {} x {} and y {} x {}; both must have the same rows, and not none", what,
                                data.name, data.rows(), data.features(), data.y.rows(), data.y.cols()));
  if (!data.source_rows.empty() && data.source_rows.size() != data.rows())
    throw DataError(fmt::format("{} ({}): {} rows and {} source_rows; leave them out, or give one a row", what,
                                data.name, data.rows(), data.source_rows.size()));
  require_finite(data, data.x, "x", what);
  require_finite(data, data.y, "y", what);
}

template <class T>
RunData<T> load_run_data(const Config& config) {
  const auto& files = config.data;
  const DataSource training = source_of(config, "data.train", files.train);
  std::optional<DataSource> valid, test;  // all names are resolved before the first file is read
  if (!files.valid.empty()) valid = source_of(config, "data.valid", files.valid);
  if (!files.test.empty()) test = source_of(config, "data.test", files.test);

  std::uint64_t memory = memory_limit(config);
  Dataset<T> training_set = read_within<T>(training, memory);
  std::optional<Dataset<T>> valid_set, test_set;
  if (valid) valid_set = read_within<T>(*valid, memory);
  if (test) test_set = read_within<T>(*test, memory);
  return prepare_run_data<T>(config, std::move(training_set), std::move(valid_set), std::move(test_set));
}

template RunData<float> load_run_data(const Config&);
template RunData<double> load_run_data(const Config&);
template void check_in_memory(const Dataset<float>&, const std::string&);
template void check_in_memory(const Dataset<double>&, const std::string&);
template RunData<float> prepare_run_data(const Config&, Dataset<float>, std::optional<Dataset<float>>,
                                         std::optional<Dataset<float>>);
template RunData<double> prepare_run_data(const Config&, Dataset<double>, std::optional<Dataset<double>>,
                                          std::optional<Dataset<double>>);

}  // namespace gradloom
