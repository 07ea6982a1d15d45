#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/data/feed.hpp"
#include "engine/data/prepare.hpp"
#include "engine/nn/layout.hpp"
#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// Everything a run learns from and is judged by, checked and standardized.
template <class T>
struct RunData {
  Dataset<T> training;
  std::optional<Dataset<T>> validation;
  std::optional<Dataset<T>> test;
  Standardization standardization;  ///< of the training rows; already applied to all three

  [[nodiscard]] ParameterLayout layout(const Config& config) const {
    return {training.features(), config.model.layers};
  }
};

/// train.threads, or all cores allowed to the process.
std::size_t thread_count(const Config& config);

/// Where a key's value came from, for the start of a message: "c.ini:7: data.train", or the key alone.
std::string key_place(const Config& config, const std::string& key);

/// How a run's minibatches are handed out, from the first epoch on and without end. `all_cores`: the steps have a
/// thread of `arena` on every core.
FeedOptions feed_options(const Config& config, bool all_cores, Arena& arena);

/// Reads the data sets that the config names, holds validation rows out, checks targets against the network, and
/// standardizes. ConfigError for files that do not exist; DataError for all that training could trip over.
template <class T>
RunData<T> load_run_data(const Config& config);

/// What reading a file would have found: DataError where data in memory have no rows or columns, x and y (or
/// source_rows) of different lengths, or NaN or Inf. `what` is what messages call them.
template <class T>
void check_in_memory(const Dataset<T>& data, const std::string& what);

/// The same as load_run_data() for data already in memory, moved in: hold-out, checks, standardization.
template <class T>
RunData<T> prepare_run_data(const Config& config, Dataset<T> training, std::optional<Dataset<T>> validation,
                            std::optional<Dataset<T>> test);

}  // namespace gradloom
