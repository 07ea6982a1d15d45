#include "engine/config/option_table.hpp"

#include <algorithm>

#include "engine/config/optimizer_keys.hpp"
#include "engine/config/option_kinds.hpp"
#include "engine/config/schedule_keys.hpp"

/// Maps a Config, constant or not, to one of its members.
#define GRADLOOM_MEMBER(path) ([](auto& config) -> auto& { return (config.path); })

namespace gradloom {
namespace {

using enum Resume;
using Rows = std::vector<Option>;

constexpr const char* kFiles = "data set files or globs, separated by spaces";

Option required(Option option, const char* example) {
  option.example = example;
  return option;
}

Option run_dir() {
  Option option = text_option(
      {"run.dir", "Folder for checkpoints, metrics and the resolved config; runs/<config name> by default.", kFree},
      "a path", GRADLOOM_MEMBER(run.dir));
  option.format = [](const Config& c) {
    return std::vector<std::string>{c.run.dir.empty() ? "runs/" + c.name : c.run.dir};
  };
  return option;
}

void add_data(Rows& rows) {
  // Free, so that data can move: a resume compares the rows and, where standardized, their moments instead.
  rows.push_back(required(text_option({"data.train", "Training rows; the files are read in this order as one.", kFree},
                                      kFiles, GRADLOOM_MEMBER(data.train)),
                          "data/train.h5"));
  rows.push_back(text_or_none({"data.valid", "Validation rows, evaluated after each epoch.", kFree}, kFiles,
                              GRADLOOM_MEMBER(data.valid)));
  rows.push_back(text_or_none({"data.test", "Test rows, evaluated once the run is complete.", kFree}, kFiles,
                              GRADLOOM_MEMBER(data.test)));
  rows.push_back(real_option({"data.valid-fraction", "Share of the training rows that is held out for validation."},
                             kFraction, GRADLOOM_MEMBER(data.valid_fraction)));
  rows.push_back(fold_option(
      {"data.fold",
       "The part of the training rows that is held out as the test rows: by a keyed hash of the row, or stratified, so "
       "that each fold has its share of every class. `gradloom cross-validate` sets it to each fold in turn."}));
  rows.push_back(text_option({"data.features", "Name of the HDF5 data set of features."}, "a name",
                             GRADLOOM_MEMBER(data.features)));
  rows.push_back(
      text_option({"data.targets", "Name of the HDF5 data set of targets."}, "a name", GRADLOOM_MEMBER(data.targets)));
  rows.push_back(text_or_none({"data.weights",
                               "Name of the HDF5 data set of the rows' weights, (rows): what each row counts in loss, "
                               "gradient and metrics, of validation and test rows too. A weight of 2 is the row twice. "
                               "Standardization counts all rows alike."},
                              "a name", GRADLOOM_MEMBER(data.weights)));
  rows.push_back(choice_option<Standardize>(
      {"data.standardize", "What is brought to mean 0 and deviation 1, by the training rows."},
      GRADLOOM_MEMBER(data.standardize)));
  rows.push_back(choice_option<Shuffle>(
      {"data.shuffle",
       "Order of the rows in an epoch; what does not fit into data.memory is streamed, and full is window then: "
       "rows from all over the set are mixed, as many as memory holds at once."},
      GRADLOOM_MEMBER(data.shuffle)));
  rows.push_back(or_auto(
      GRADLOOM_MEMBER(data.memory),
      size_option({"data.memory",
                   "Bytes that the data may take: larger sets are streamed; auto is a quarter of the RAM.", kFree},
                  GRADLOOM_MEMBER(data.memory))));
  rows.push_back(or_word("auto", GRADLOOM_MEMBER(data.prefetch), [](auto member) {
    return integer_option({"data.prefetch",
                           "Groups of minibatches gathered ahead by a thread beside the steps; 0 leaves it to their "
                           "threads, when rows are needed; auto is 2, or where the steps take every core lets "
                           "their threads do it before, while they would wait for each other.",
                           kFree},
                          {0, 64}, member);
  }));
  rows.push_back(boolean_option(
      {"data.allow-external",
       "Follow links to other files, and virtual data sets over them: a file from elsewhere can then name any other.",
       kFree},
      GRADLOOM_MEMBER(data.allow_external)));
}

void add_model(Rows& rows) {
  rows.push_back(layer_option({"model.layer", "A layer; repeated, from the first hidden layer to the output."}));
  rows.push_back(choice_option<Initializer>({"model.init", "Initial parameters; auto goes by activation."},
                                            GRADLOOM_MEMBER(model.init)));
  rows.push_back(text_or_none(
      {"model.init-from", "Parameters that a new run starts with, in place of model.init.", kFree},
      "a checkpoint, or an HDF5 file with /model/layer_NNN/weight and bias", GRADLOOM_MEMBER(model.init_from)));
  rows.push_back(choice_option<Precision>({"model.precision", "Type of parameters and of all arithmetic on them."},
                                          GRADLOOM_MEMBER(model.precision)));
}

void add_train(Rows& rows) {
  const auto max_steps = [](auto member) {
    return integer_option({"train.max-steps", "Stop after so many steps.", kFree}, {0}, member);
  };
  const auto ema = [](auto member) {
    return real_option({"train.ema",
                        "Decay of an exponential moving average of the parameters over the steps, such as 0.999: what "
                        "validation, the best epoch, evaluate and predict look at, in place of the parameters."},
                       kInnerFraction, member);
  };
  const auto max_minutes = [](auto member) {
    return real_option({"train.max-minutes", "Stop after so many minutes, over all sessions of the run.", kFree},
                       kNotNegative, member);
  };
  rows.push_back(required(
      choice_option<Loss>({"train.loss", "What is minimised, as PyTorch defines it."}, GRADLOOM_MEMBER(train.loss)),
      "mse"));
  rows.push_back(class_weights_option(
      {"train.class-weights",
       "What a row of each class counts in loss and gradient, times its own weight; balanced is rows / (classes * rows "
       "of the class), of the training rows. For categorical-cross-entropy, and binary-cross-entropy with one output "
       "(a number for 0, then for 1). Accuracy counts all classes alike."}));
  rows.push_back(real_option(
      {"train.label-smoothing",
       "Share of each label that is spread evenly over all classes, as PyTorch's CrossEntropyLoss does it, with "
       "class weights too; of binary-cross-entropy, 0 and 1 become e/2 and 1 - e/2. In every loss that is told, "
       "validation's too; log_loss is without."},
      kFraction, GRADLOOM_MEMBER(train.label_smoothing)));
  rows.push_back(or_none(GRADLOOM_MEMBER(train.ema), ema));
  rows.push_back(metrics_option(
      {"train.metrics",
       "What validation and test rows are judged by, beside the loss, and logged as valid_NAME; auto is accuracy, or "
       "rmse, mae and r2. With a parameter: top_K, classes that count as right; calibration_error_B, bins; pinball_Q, "
       "quantile.",
       kFree}));
  rows.push_back(integer_option({"train.epochs", "Stop after so many epochs; 0 writes the initial checkpoint.", kFree},
                                {0}, GRADLOOM_MEMBER(train.epochs)));
  rows.push_back(or_none(GRADLOOM_MEMBER(train.max_steps), max_steps));
  rows.push_back(or_none(GRADLOOM_MEMBER(train.max_minutes), max_minutes));
  rows.push_back(integer_option({"train.batch-size", "Rows in a step, over all threads."}, {1, 1'000'000'000},
                                GRADLOOM_MEMBER(train.batch_size)));
  rows.push_back(or_auto(GRADLOOM_MEMBER(train.shard_rows),
                         integer_option({"train.shard-rows", "Rows in a shard of a minibatch."}, {1, 1'000'000'000},
                                        GRADLOOM_MEMBER(train.shard_rows))));
  rows.push_back(choice_option<Products>({"train.products",
                                          "Matrix products of the steps: Gradloom's own (panels), the same bits on "
                                          "every machine with a fused multiply-add, "
                                          "or OpenBLAS's (blas); auto takes its own where the machine has one "
                                          "and panels are not mostly padding (very many inputs, few units)."},
                                         GRADLOOM_MEMBER(train.products)));
  rows.push_back(
      or_auto(GRADLOOM_MEMBER(train.threads),
              integer_option({"train.threads", "Threads; auto takes every core allowed to the process.", kFree},
                             {1, 640}, GRADLOOM_MEMBER(train.threads))));  // 640: OpenBLAS's callers
  rows.push_back(integer_option({"train.seed", "Decides initial parameters, shuffling and held-out rows."}, {0},
                                GRADLOOM_MEMBER(train.seed)));
  rows.push_back(
      or_auto(GRADLOOM_MEMBER(train.log_every),
              integer_option({"train.log-every", "Steps between logged steps; auto is about 20 an epoch.", kFree}, {1},
                             GRADLOOM_MEMBER(train.log_every))));
  rows.push_back(boolean_option({"train.strict",
                                 "Refuse to resume where bits can differ: with another Gradloom, BLAS, core type or "
                                 "instruction set than the checkpoint's. A warning by default.",
                                 kFree},
                                GRADLOOM_MEMBER(train.strict)));
  rows.push_back(choice_option<OnDivergence>(
      {"train.on-divergence",
       "What a run does about NaN or Inf: end (exit 5), or go back to the last checkpoint that checkpoint.every-steps, "
       "every-epochs or the best epoch gave, and on with half the learning rate.",
       kFree},
      GRADLOOM_MEMBER(train.on_divergence)));
  rows.push_back(integer_option({"train.rollback-limit", "Times that a run may go back before it ends.", kFree},
                                {0, 1000}, GRADLOOM_MEMBER(train.rollback_limit)));
  rows.push_back(boolean_option(
      {"train.restore-best",
       "Where epochs, max-steps or early stopping end the run, its last checkpoint takes over the best epoch's "
       "parameters and optimizer state. Such a run cannot be made longer.",
       kFree},
      GRADLOOM_MEMBER(train.restore_best)));
}

void add_optimizer(Rows& rows) {
  for (const OptimizerKey& key : optimizer_keys()) rows.push_back(key.option);
  rows.push_back(choice_option<ScheduleType>({"schedule.type", "How the learning rate changes over the steps.", kFree},
                                             GRADLOOM_MEMBER(schedule.type)));
  rows.push_back(integer_option({"schedule.warmup-steps", "Steps over which the learning rate rises from 0.", kFree},
                                {0}, GRADLOOM_MEMBER(schedule.warmup_steps)));
  for (const ScheduleKey& key : schedule_keys()) rows.push_back(key.option);
}

void add_checkpoint(Rows& rows) {
  const auto every_steps = [](auto member) {
    return integer_option({"checkpoint.every-steps", "Steps between checkpoints.", kFree}, {1}, member);
  };
  const auto every_epochs = [](auto member) {
    return integer_option({"checkpoint.every-epochs", "Epochs between checkpoints.", kFree}, {1}, member);
  };
  const auto every_minutes = [](auto member) {
    return real_option({"checkpoint.every-minutes", "Minutes between checkpoints.", kFree}, kPositive, member);
  };
  rows.push_back(or_none(GRADLOOM_MEMBER(checkpoint.every_steps), every_steps));
  rows.push_back(or_none(GRADLOOM_MEMBER(checkpoint.every_epochs), every_epochs));
  rows.push_back(or_none(GRADLOOM_MEMBER(checkpoint.every_minutes), every_minutes));
  rows.push_back(integer_option({"checkpoint.keep-last", "Newest checkpoints that are kept.", kFree}, {1},
                                GRADLOOM_MEMBER(checkpoint.keep_last)));
  rows.push_back(integer_option({"checkpoint.keep-best", "Best checkpoints that are kept beside them.", kFree}, {0},
                                GRADLOOM_MEMBER(checkpoint.keep_best)));
  rows.push_back(choice_option<OnError>(
      {"checkpoint.on-error", "What a run does where a checkpoint cannot be written; older ones stand.", kFree},
      GRADLOOM_MEMBER(checkpoint.on_error)));
}

void add_early_stopping(Rows& rows) {
  const auto patience = [](auto member) {
    return integer_option({"early-stopping.patience", "Epochs without improvement after which training stops.", kFree},
                          {1}, member);
  };
  rows.push_back(or_none(GRADLOOM_MEMBER(early_stopping.patience), patience));
  rows.push_back(real_option({"early-stopping.min-delta", "Least change that counts as an improvement.", kFree},
                             kNotNegative, GRADLOOM_MEMBER(early_stopping.min_delta)));
  // Fixed: the scores in a checkpoint are of the value that was monitored then.
  rows.push_back(monitor_option({"early-stopping.monitor",
                                 "The value that decides which epoch is best: the least loss or error, the most of "
                                 "what is to rise. A metric is logged too, though train.metrics may not name it."}));
}

Rows make_table() {
  Rows rows;
  rows.push_back(run_dir());
  add_data(rows);
  add_model(rows);
  add_train(rows);
  add_optimizer(rows);
  add_checkpoint(rows);
  add_early_stopping(rows);
  return rows;
}

}  // namespace

const std::vector<Option>& option_table() {
  static const Rows table = make_table();
  return table;
}

const Option* find_option(const std::string& key) {
  const auto& table = option_table();
  const auto row = std::find_if(table.begin(), table.end(), [&](const Option& option) { return option.key == key; });
  return row == table.end() ? nullptr : &*row;
}

std::vector<std::string> option_keys() {
  std::vector<std::string> keys;
  for (const Option& option : option_table()) keys.push_back(option.key);
  return keys;
}

std::vector<std::string> option_sections() {
  std::vector<std::string> sections;
  for (const Option& option : option_table())
    if (sections.empty() || sections.back() != option.section()) sections.push_back(option.section());
  return sections;
}

std::string nearest_key(const std::string& key) {
  const std::string name = key.substr(key.find('.') + 1);
  for (const Option& option : option_table())
    if (option.name() == name) return " (did you mean " + option.key + "?)";
  return did_you_mean(key, option_keys());
}

}  // namespace gradloom

#undef GRADLOOM_MEMBER
