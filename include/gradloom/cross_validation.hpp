#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gradloom/config.hpp"
#include "gradloom/trainer.hpp"

namespace gradloom {

/// The run that tested on one fold, and trained on the others.
struct FoldResult {
  Fold fold;
  std::string run_dir;
  EndReport end;  ///< end.test: of the fold's rows, by every metric that the model has
};

struct CrossValidation {
  std::uint64_t folds = 0;
  bool stratified = false;
  std::vector<FoldResult> results;  ///< in the order of folds; not all where a signal ended it
  [[nodiscard]] bool complete() const { return results.size() == folds; }
};

struct CrossValidationOptions {
  std::uint64_t folds = 5;  ///< 2 to 255
  bool stratified = false;  ///< every fold has its share of each class
  TrainOptions training;    ///< of each fold's run; `resume` goes on where folds, or a part of one, are done
  std::function<void(const Fold&, const std::string& run_dir)> on_fold;  ///< optional; before each
  std::function<void(const FoldResult&)> on_result;                      ///< optional; after each
};

/// Trains a run for each fold, one after the other, with data.fold set to it and run.dir to `fold-N` in the config's
/// run folder, each as train() does. The fold's rows are its test rows: they are judged by the best parameters where
/// the config has something to choose them by, else by the last. Writes cross-validation.json into the run folder when
/// all are complete. Throws what train() throws, naming the fold; ConfigError where the config has a data.fold;
/// DataError where a fold would have no rows, before any run starts.
CrossValidation cross_validate(const Config& config, const CrossValidationOptions& options);

/// A number of each fold's test rows over the folds: the loss, or a metric.
struct FoldSummary {
  std::string name;
  double mean = 0;
  double deviation = 0;  ///< standard deviation, Σ (value - mean)² / (folds - 1)
  double least = 0, most = 0;
};

/// The loss, then every metric. NaN throughout where it is not defined for one of the folds.
std::vector<FoldSummary> summaries(const CrossValidation& validation);

/// A table of the summaries, for a person.
std::string cross_validation_text(const CrossValidation& validation);
/// A JSON object, NaN as null: "folds", "stratified", "results" (of each fold "fold", "run_dir", "step", "epoch",
/// "reason", "rows", "loss" and each metric by its name), "mean" and "deviation" (the loss, each metric).
std::string cross_validation_json(const CrossValidation& validation);

}  // namespace gradloom
