#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradloom/config.hpp"
#include "gradloom/metrics.hpp"

namespace gradloom {

/// How well a class is told from the others, by the definitions of MetricKind.
struct ClassMetrics {
  std::string name;
  double weight = 0;  ///< of its rows; their number where they count alike
  double precision = 0, recall = 0, f1 = 0;
  std::optional<double> auc;  ///< where the metrics have one
};

/// What rows of one class were taken for.
struct Confusion {
  std::size_t actual = 0, predicted = 0;
  double weight = 0;  ///< of the rows; never 0
};

/// How good a model is on some rows.
struct Metrics {
  std::uint64_t rows = 0;
  double loss = 0;  ///< the one that training minimises, on standardized targets where they were standardized
  std::vector<std::pair<Metric, double>> values;
  /// Of cross-entropies, where they were asked for: each class; of several binary outputs, class 1 of each output.
  std::vector<ClassMetrics> classes;
  /// Where rows are of one class each: the confusion matrix, but for its zeros, by actual class, then predicted one.
  std::vector<Confusion> confusions;

  /// The value of that metric, or nothing where it is not among them.
  [[nodiscard]] std::optional<double> value(const Metric& metric) const;
  [[nodiscard]] std::optional<double> value(std::string_view name) const;  ///< the same by its name
};

struct EvaluationOptions {
  std::size_t threads = 0;  ///< 0: all cores allowed to the process
  /// Bytes that the data may take: larger sets are streamed; 0: a quarter of the RAM. What auc has to sort may take an
  /// eighth as much beside them; the rest of it goes to a file in the system's folder for temporary files.
  std::uint64_t memory = 0;
  /// evaluate: name of the HDF5 data set of the rows' weights; empty: rows count alike; nullopt: as in training.
  std::optional<std::string> weights = std::nullopt;
  /// evaluate: these alone; nullopt: all that the model has, those of its train.metrics, and a look at each class.
  std::optional<std::vector<Metric>> metrics = std::nullopt;
};

/// Metrics of a checkpoint (file or run folder) on a data set (files or globs separated by spaces). Names of the
/// HDF5 data sets come from the checkpoint's config. ConfigError for metrics that the model does not have.
Metrics evaluate(const std::string& checkpoint, const std::string& data, const EvaluationOptions& options = {});

/// All of them as lines and tables for a person. Of more than 20 classes, those that are told worst.
std::string metrics_text(const Metrics& metrics);
/// All of them as a JSON object, NaN as null: "rows", "loss", each metric by its name, and where they are there
/// "classes", and "confusion_matrix": a list for each actual class. Of more than 1000 classes "confusions" instead:
/// [actual, predicted, weight] of what is not 0.
std::string metrics_json(const Metrics& metrics);

/// Writes predictions to `output`: `.h5`: `/prediction` (rows, outputs), and for classification `/label`; `.csv`: a
/// header and a line for each row. Targets need not be present. ConfigError for another extension. The output appears
/// whole or not at all. Returns the number of rows.
std::uint64_t predict(const std::string& checkpoint, const std::string& data, const std::string& output,
                      const EvaluationOptions& options = {});

}  // namespace gradloom
