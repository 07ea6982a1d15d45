#include <fmt/format.h>

#include <algorithm>

#include "engine/config/optimizer_keys.hpp"
#include "engine/config/option_kinds.hpp"
#include "engine/config/option_table.hpp"
#include "engine/config/schedule_keys.hpp"
#include "engine/config/values.hpp"
#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

std::string value_text(const Config& config, const std::string& key) {
  return join(find_option(key)->format(config), " | ");
}

/// ConfigError "c.ini:7: KEY = VALUE: COMPLAINT", where the config tells where the key came from.
[[noreturn]] void refuse(const Config& config, const std::string& key, const std::string& complaint) {
  const auto origin = config.origins.find(key);
  const bool told = origin != config.origins.end() && origin->second != "default";
  throw ConfigError(
      fmt::format("{}{} = {}: {}", told ? origin->second + ": " : "", key, value_text(config, key), complaint));
}

/// Ranges, for configs that were built in code: every value must read back.
void check_ranges(const Config& config) {
  Config scratch;
  for (const Option& option : option_table()) {
    for (const std::string& text : option.format(config)) {
      const std::string complaint = option.parse(scratch, text);
      if (!complaint.empty()) refuse(config, option.key, complaint);
    }
  }
}

void check_layers(const Config& config) {
  if (config.model.layers.empty())
    throw ConfigError("model.layer is missing: a network needs at least one layer, such as `layer = 1 linear`");
  if (config.model.layers.back().dropout != 0)
    refuse(config, "model.layer",
           "dropout on the last layer would replace predictions by 0 before the loss sees them; set it on hidden "
           "layers only");
  if (config.model.layers.back().normalization != Normalization::kNone)
    refuse(config, "model.layer",
           fmt::format("{} on the last layer would take their scale from predictions; set it on hidden layers only",
                       to_string(config.model.layers.back().normalization)));
}

void check_loss(const Config& config) {
  if (!is_classification(config.train.loss)) return;
  const LayerSpec& output = config.model.layers.back();
  if (output.activation != Activation::kLinear)
    refuse(config, "train.loss",
           fmt::format("takes logits, so the last layer must be `{} linear`, not `{} {}`", output.units, output.units,
                       to_string(output.activation)));
  if (config.train.loss == Loss::kCategoricalCrossEntropy && output.units < 2)
    refuse(config, "train.loss", "needs an output for each class, so the last layer must have at least 2 units");
  if (config.data.standardize == Standardize::kTargets || config.data.standardize == Standardize::kBoth)
    refuse(config, "data.standardize",
           fmt::format("targets of {} are labels; use none or features", to_string(config.train.loss)));
}

void check_label_smoothing(const Config& config) {
  if (config.train.label_smoothing != 0 && !is_classification(config.train.loss))
    refuse(config, "train.label-smoothing",
           fmt::format("{} has no labels, categorical-cross-entropy and binary-cross-entropy have; set it to 0",
                       to_string(config.train.loss)));
}

void check_class_weights(const Config& config) {
  const ClassWeights& weights = config.train.class_weights;
  if (!weights.balanced && weights.values.empty()) return;
  const std::size_t outputs = config.model.layers.back().units;
  const std::size_t classes = class_count(config.train.loss, outputs);
  if (classes == 0)
    refuse(config, "train.class-weights",
           fmt::format("needs rows of one class each: categorical-cross-entropy, or binary-cross-entropy with one "
                       "output, not {} with {}; set it to none, or give rows weights with data.weights",
                       to_string(config.train.loss), outputs));
  if (!weights.balanced && weights.values.size() != classes)
    refuse(config, "train.class-weights",
           fmt::format("has {} numbers for {} classes; give one for each", weights.values.size(), classes));
}

void check_optimizer_keys(const Config& config) {
  const OptimizerType type = config.optimizer.type;
  const Config defaults;
  for (const auto& [option, used_by] : optimizer_keys()) {
    const std::string untouched = value_text(defaults, option.key);
    if (std::ranges::find(used_by, type) != used_by.end() || value_text(config, option.key) == untouched) continue;
    refuse(config, option.key,
           fmt::format("optimizer.type = {} does not use it, {} does; set one of the two, or this to {}",
                       to_string(type), names_of(used_by, " or "), untouched));
  }
}

void check_optimizer(const Config& config) {
  check_optimizer_keys(config);
  const auto& optimizer = config.optimizer;
  if (optimizer.nesterov && optimizer.momentum == 0)
    refuse(config, "optimizer.nesterov", "needs optimizer.momentum > 0");
  if (optimizer.dampening != 0 && optimizer.momentum == 0)
    refuse(config, "optimizer.dampening", "needs optimizer.momentum > 0");
  if (optimizer.nesterov && optimizer.dampening != 0)
    refuse(config, "optimizer.dampening", "optimizer.nesterov = true needs it to be 0; set one of the two");
}

// Also where the value is what `auto` would give: it would do nothing.
void check_schedule_keys(const Config& config) {
  const ScheduleType type = config.schedule.type;
  for (const auto& [option, used_by] : schedule_keys()) {
    if (std::ranges::find(used_by, type) != used_by.end() || value_text(config, option.key) == "auto") continue;
    refuse(config, option.key,
           fmt::format("schedule.type = {} does not use it, {} does; set one of the two, or this to auto",
                       to_string(type), names_of(used_by, " or ")));
  }
}

void check_schedule(const Config& config) {
  check_schedule_keys(config);
  const auto& schedule = config.schedule;
  if (schedule.type == ScheduleType::kPlateau && schedule.unit == ScheduleUnit::kStep)
    refuse(config, "schedule.unit", "plateau looks at the values of epochs; set it to epoch, or leave it out");
  if (schedule.period && schedule.length)
    refuse(config, "schedule.length", "with schedule.period there is no end to it; set one of the two");
  if (schedule.period_factor && !schedule.period) refuse(config, "schedule.period-factor", "needs schedule.period");
  if (schedule.three_phase.value_or(false) && schedule.rise_fraction.value_or(0) > 0.5)
    refuse(config, "schedule.rise-fraction",
           "schedule.three-phase = true falls as long as it rises, so this must be at most 0.5");
  if (schedule.threshold_mode.value_or(ThresholdMode::kRelative) == ThresholdMode::kRelative &&
      schedule.threshold.value_or(0) >= 1)
    refuse(config, "schedule.threshold",
           "is a share of the best value, so it must be below 1; or set schedule.threshold-mode = absolute");
  if (schedule.min_learning_rate.value_or(0) > config.optimizer.learning_rate)
    refuse(config, "schedule.min-learning-rate",
           fmt::format("is above optimizer.learning-rate = {}", format_real(config.optimizer.learning_rate)));
}

// A config without data.train is used with data in memory, whose validation rows the config does not know.
bool lacks_monitored_rows(const Config& config) {
  return !config.data.train.empty() && config.early_stopping.monitor.of != Monitor::Of::kTrainLoss &&
         config.data.valid_fraction == 0 && config.data.valid.empty();
}

// Where a run goes back to may not hang on the clock, or on when somebody stopped it: the result would.
void check_rollback(const Config& config) {
  if (config.train.on_divergence == OnDivergence::kRollback && !config.checkpoint.every_steps &&
      !config.checkpoint.every_epochs)
    refuse(config, "train.on-divergence", "needs checkpoint.every-steps or checkpoint.every-epochs to go back to");
}

void check_restore_best(const Config& config) {
  if (!config.train.restore_best) return;
  if (config.checkpoint.keep_best == 0)
    refuse(config, "train.restore-best", "with checkpoint.keep-best = 0 no best epoch is kept; set that to 1 or more");
  if (lacks_monitored_rows(config))
    refuse(config, "train.restore-best",
           fmt::format("{} needs validation rows: set data.valid or data.valid-fraction, or monitor train_loss",
                       to_string(config.early_stopping.monitor)));
}

void check_metrics(const Config& config) {
  const std::size_t outputs = config.model.layers.back().units;
  const auto require = [&](const char* key, const Metric& metric) {
    const std::string reason = why_absent(metric, config.train.loss, outputs);
    if (reason.empty()) return;
    refuse(config, key, fmt::format("{} has no {}: {}", to_string(config.train.loss), to_string(metric), reason));
  };
  for (const Metric& metric : config.train.metrics) require("train.metrics", metric);
  const Monitor& monitor = config.early_stopping.monitor;
  if (monitor.of == Monitor::Of::kValidMetric) require("early-stopping.monitor", monitor.metric);
}

void check_fold(const Config& config) {
  const auto& fold = config.data.fold;
  if (!fold) return;
  if (!config.data.test.empty())
    refuse(config, "data.fold", "data.test names test rows already; set one of the two to none");
  if (fold->stratified && class_count(config.train.loss, config.model.layers.back().units) == 0)
    refuse(config, "data.fold",
           fmt::format("stratified folds need rows of one class each: categorical-cross-entropy, or "
                       "binary-cross-entropy with one output, not {} with {}",
                       to_string(config.train.loss), config.model.layers.back().units));
}

void check_validation(const Config& config) {
  const auto& [patience, min_delta, monitor] = config.early_stopping;
  if (config.data.valid_fraction > 0 && !config.data.valid.empty())
    refuse(config, "data.valid-fraction", "data.valid names validation rows already; set one of the two");
  if (patience && lacks_monitored_rows(config))
    refuse(config, "early-stopping.patience",
           fmt::format("{} needs validation rows: set data.valid or data.valid-fraction, or monitor train_loss",
                       to_string(monitor)));
  if (config.schedule.type == ScheduleType::kPlateau && lacks_monitored_rows(config))
    refuse(config, "schedule.type",
           fmt::format("follows {}, which needs validation rows: set data.valid or data.valid-fraction, or monitor "
                       "train_loss",
                       to_string(monitor)));
}

}  // namespace

void validate(const Config& config) {
  check_ranges(config);
  check_layers(config);
  check_loss(config);
  check_label_smoothing(config);
  check_class_weights(config);
  check_optimizer(config);
  check_schedule(config);
  check_rollback(config);
  check_fold(config);
  check_validation(config);
  check_restore_best(config);
  check_metrics(config);
}

void require_resumable(const Config& checkpointed, const Config& now) {
  for (const Option& option : option_table()) {
    if (option.resume == Resume::kFree) continue;
    const std::string before = value_text(checkpointed, option.key);
    if (before == value_text(now, option.key)) continue;
    refuse(now, option.key,
           fmt::format("the checkpoint was trained with {}; set it back, or start a new run with another run.dir",
                       before.empty() ? "none" : before));
  }
}

}  // namespace gradloom
