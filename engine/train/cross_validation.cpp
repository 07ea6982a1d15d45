#include "gradloom/cross_validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/io/durable_file.hpp"
#include "engine/train/run_checks.hpp"
#include "engine/train/run_data.hpp"
#include "engine/train/run_folder.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

Config config_of_fold(const Config& config, const Fold& fold) {
  Config of_fold = config;
  of_fold.run.dir = fmt::format("{}/fold-{}", run_dir_of(config), fold.number);
  of_fold.data.fold = fold;
  of_fold.data.test.clear();
  for (const char* key : {"run.dir", "data.fold", "data.test"}) of_fold.origins[key] = "cross-validation";
  return of_fold;
}

std::vector<Config> configs_of_folds(const Config& config, const CrossValidationOptions& options) {
  if (config.data.fold)
    throw ConfigError(fmt::format("{} = {}: cross-validation goes through all folds; set it to none",
                                  key_place(config, "data.fold"), to_string(*config.data.fold)));
  std::vector<Config> configs;
  for (std::uint64_t number = 1; number <= options.folds; ++number) {
    configs.push_back(config_of_fold(config, {number, options.folds, options.stratified}));
    validate(configs.back());
  }
  return configs;
}

// What would end a later fold's run is told before the first one trains.
void require_startable(const std::vector<Config>& configs, bool resume) {
  for (const Config& config : configs) const RunFolder folder(config, resume);
  require_rows_in_all_folds(configs.front());
}

EndReport train_fold(const Config& config, const TrainOptions& options) {
  try {
    return train(config, options);
  } catch (const Error& error) {
    throw Error(fmt::format("fold {}: {}", to_string(*config.data.fold), error.what()), error.code());
  }
}

std::vector<double> test_values(const Metrics& test) {
  std::vector<double> values = {test.loss};
  for (const auto& [metric, value] : test.values) values.push_back(value);
  return values;
}

FoldSummary summary_of(std::string name, const std::vector<double>& values) {
  FoldSummary summary{std::move(name)};
  for (const double value : values) summary.mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  summary.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  const auto [least, most] = std::ranges::minmax(values);
  const bool defined = !std::isnan(summary.mean);
  summary.least = defined ? least : summary.mean;
  summary.most = defined ? most : summary.mean;
  return summary;
}

}  // namespace

CrossValidation cross_validate(const Config& config, const CrossValidationOptions& options) {
  const std::vector<Config> configs = configs_of_folds(config, options);
  if (!config.data.test.empty() && options.training.observer != nullptr)
    options.training.observer->on_warning(fmt::format("{} = {}: is left alone; each fold is tested on its own rows",
                                                      key_place(config, "data.test"), config.data.test));
  require_startable(configs, options.training.resume);
  TrainOptions training = options.training;
  training.every_metric = true;
  CrossValidation validation{options.folds, options.stratified, {}};
  for (const Config& of_fold : configs) {
    const Fold& fold = *of_fold.data.fold;
    if (options.on_fold) options.on_fold(fold, of_fold.run.dir);
    EndReport end = train_fold(of_fold, training);
    if (end.reason == "signal") return validation;
    validation.results.push_back({fold, of_fold.run.dir, std::move(end)});
    if (options.on_result) options.on_result(validation.results.back());
  }
  write_durably(run_dir_of(config) + "/cross-validation.json", cross_validation_json(validation));
  return validation;
}

std::vector<FoldSummary> summaries(const CrossValidation& validation) {
  if (validation.results.size() < 2) return {};
  std::vector<std::string> names = {"loss"};
  for (const auto& [metric, value] : validation.results.front().end.test->values) names.push_back(to_string(metric));
  std::vector<std::vector<double>> columns(names.size());
  for (const FoldResult& result : validation.results) {
    const std::vector<double> values = test_values(*result.end.test);
    for (std::size_t i = 0; i < values.size(); ++i) columns[i].push_back(values[i]);
  }
  std::vector<FoldSummary> all;
  for (std::size_t i = 0; i < names.size(); ++i) all.push_back(summary_of(names[i], columns[i]));
  return all;
}

}  // namespace gradloom
