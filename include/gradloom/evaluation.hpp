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

/// Metrics of a checkpoint (file or run folder) on a data set (files or globs separated by spaces). Names of the
/// HDF5 data sets come from the checkpoint's config. 0 threads: all cores allowed to the process.
Metrics evaluate(const std::string& checkpoint, const std::string& data, std::size_t threads = 0);

/// Writes predictions to `output`: `.h5`: `/prediction` (rows, outputs), and for classification `/label`; `.csv`: a
/// header and a line for each row. Targets need not be present. ConfigError for another extension. The output appears
/// whole or not at all. Returns the number of rows.
std::uint64_t predict(const std::string& checkpoint, const std::string& data, const std::string& output,
                      std::size_t threads = 0);

}  // namespace gradloom
