#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/data/feed.hpp"
#include "engine/data/prepare.hpp"
#include "engine/data/run_set.hpp"
#include "engine/nn/layout.hpp"
#include "engine/nn/objective.hpp"
#include "engine/train/statistics_cache.hpp"
#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// Everything a run learns from and is judged by, checked and standardized.
template <class T>
struct RunData {
  RunSet<T> training;
  std::optional<RunSet<T>> validation;
  std::optional<RunSet<T>> test;
  Standardization standardization;   ///< of the training rows; already applied to all three
  Objective objective = Loss::kMse;  ///< with the class weights and smoothing that the config asks for
  std::vector<std::uint64_t>
      class_rows;                    ///< training rows of each class, where balanced class weights follow from them
  std::vector<std::string> remarks;  ///< what the user should know of how the data are read
  std::optional<StatisticsCache> uncached;  ///< where statistics took a pass over a stream: what to keep them in

  /// How training rows are streamed; zeros where they are in memory.
  [[nodiscard]] StreamWindow window() const {
    if (!training.streamed()) return {};
    return {training.stream().plan().block_rows, training.stream().plan().window_blocks};
  }
  [[nodiscard]] ParameterLayout layout(const Config& config) const {
    return {training.features(), config.model.layers};
  }
};

/// train.threads, or all cores allowed to the process.
std::size_t thread_count(const Config& config);

/// How a run's minibatches are handed out, from the first epoch on and without end. `all_cores`: the steps have a
/// thread of `arena` on every core. `side_work`: their threads do some.
FeedOptions feed_options(const Config& config, bool all_cores, bool side_work, Arena& arena);

struct LoadOptions {
  std::optional<StreamWindow> begun_with;  ///< how a run that is resumed read its training rows
  std::string statistics_file;             ///< of a StatisticsCache to look into; empty: none
};

/// Reads the data sets that the config names, holds validation rows out, checks targets against the network, and
/// standardizes. Sets that data.memory has no room for are streamed: of those, labels and values are looked at when
/// they are read. ConfigError for files that do not exist; DataError for all that training could trip over.
template <class T>
RunData<T> load_run_data(const Config& config, const LoadOptions& options = {});

/// Rows that load_run_data() would train on, by the files' headers and what is held out; rows are read for a stratified
/// fold alone. Of a set of `rows` rows where they are given: then no file is looked at; ConfigError for a stratified
/// fold. Throws what load_run_data() would find up to there.
std::uint64_t count_training_rows(const Config& config, std::optional<std::uint64_t> rows = std::nullopt);

/// DataError where a fold of as many as data.fold says would leave a run nothing to test, train or validate on. Rows
/// are read for stratified folds alone.
void require_rows_in_all_folds(const Config& config);

/// The minibatches of the training rows, from a step of an epoch on.
template <class T>
std::unique_ptr<MinibatchFeed<T>> make_feed(const RunSet<T>& training, const FeedOptions& options);

/// The same as load_run_data() for training rows already in memory, moved in: hold-out, checks, standardization.
template <class T>
RunData<T> prepare_run_data(const Config& config, Dataset<T> training, std::optional<RunSet<T>> validation,
                            std::optional<RunSet<T>> test);

}  // namespace gradloom
