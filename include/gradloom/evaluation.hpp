#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gradloom/config.hpp"

namespace gradloom {

/// How good a model is on some rows. RMSE, MAE and R² are in the target's own units, means over all outputs (R²: the
/// mean of each output's R²); accuracy is the share of labels that the likeliest class (binary: 0.5) gets right.
struct Metrics {
  std::uint64_t rows = 0;
  double loss = 0;  ///< the one that training minimises, on standardized targets where they were standardized
  std::optional<double> accuracy;       ///< cross-entropies
  std::optional<double> rmse, mae, r2;  ///< the other losses; R² is NaN where an output is constant
};

struct EvaluationOptions {
  std::size_t threads = 0;   ///< 0: all cores allowed to the process
  std::uint64_t memory = 0;  ///< bytes that the data may take: larger sets are streamed; 0: a quarter of the RAM
  /// evaluate: name of the HDF5 data set of the rows' weights; empty: rows count alike; nullopt: as in training.
  std::optional<std::string> weights = std::nullopt;
};

/// Metrics of a checkpoint (file or run folder) on a data set (files or globs separated by spaces). Names of the
/// HDF5 data sets come from the checkpoint's config.
Metrics evaluate(const std::string& checkpoint, const std::string& data, const EvaluationOptions& options = {});

/// Writes predictions to `output`: `.h5`: `/prediction` (rows, outputs), and for classification `/label`; `.csv`: a
/// header and a line for each row. Targets need not be present. ConfigError for another extension. The output appears
/// whole or not at all. Returns the number of rows.
std::uint64_t predict(const std::string& checkpoint, const std::string& data, const std::string& output,
                      const EvaluationOptions& options = {});

}  // namespace gradloom
