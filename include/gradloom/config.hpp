#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gradloom/metrics.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// What a row of each class counts in the loss: `values` for each class (of binary cross-entropy: 0, 1), or balanced:
/// rows / (classes * rows of the class), of the training rows. Neither: all classes count alike.
struct ClassWeights {
  bool balanced = false;
  std::vector<double> values;
};

/// One experiment. Every member is a key of the config file: `config.train.batch_size` is `train.batch-size`.
/// Members start with the keys' defaults. `gradloom help config` prints the table that rules names and ranges.
struct Config {
  std::string name = "run";  ///< the config file's name without folder and extension

  struct Run {
    std::string dir;  ///< empty: runs/<name>
  } run;

  struct Data {
    std::string train;  ///< files separated by spaces, or globs; read in that order as one
    std::string valid;
    std::string test;
    double valid_fraction = 0;  ///< of the rows of `train`, in [0, 1)
    std::optional<Fold> fold;   ///< of the rows of `train`, in place of `test`
    std::string features = "x";
    std::string targets = "y";
    std::string weights;  ///< of the rows; empty: all count alike
    Standardize standardize = Standardize::kNone;
    Shuffle shuffle = Shuffle::kFull;
    std::uint64_t memory = 0;  ///< bytes; 0: a quarter of RAM
    /// Groups of minibatches gathered ahead by a thread beside the steps; 0: none, the threads of the steps gather one
    /// when it is needed. nullopt: 2, and 0 where the steps have a thread on every core. The bits are the same.
    std::optional<std::size_t> prefetch;
    bool allow_external = false;  ///< follow links to other files, and virtual data sets
  } data;

  struct Model {
    std::vector<LayerSpec> layers;
    Initializer init = Initializer::kAuto;
    Precision precision = Precision::kFloat32;
    std::string init_from;  ///< file whose parameters a new run starts with, in place of `init`; empty: none
  } model;

  struct Train {
    Loss loss = Loss::kMse;
    ClassWeights class_weights;
    double label_smoothing = 0;   ///< share of each target that is spread evenly over the classes, in [0, 1)
    std::vector<Metric> metrics;  ///< of validation and test rows; empty: the usual ones of the loss
    std::optional<double> ema;    ///< decay of the weights' moving average, in (0, 1)
    std::uint64_t epochs = 10;
    std::optional<std::uint64_t> max_steps;
    std::optional<double> max_minutes;
    std::size_t batch_size = 256;
    std::size_t shard_rows = 0;  ///< 0: by model and batch size
    Products products = Products::kAuto;
    std::size_t threads = 0;  ///< 0: all cores allowed to the process
    std::uint64_t seed = 1;
    std::uint64_t log_every = 0;  ///< steps; 0: about 20 lines an epoch
    bool strict = false;          ///< refuse to go on where bits can differ: another BLAS, core type, instruction set
    OnDivergence on_divergence = OnDivergence::kStop;
    std::uint64_t rollback_limit = 3;  ///< times that a run goes back, over all its sessions
    bool restore_best = false;         ///< a run that is complete ends with the best epoch's parameters
  } train;

  struct Optimizer {
    OptimizerType type = OptimizerType::kSgd;
    double learning_rate = 0.01;
    double momentum = 0;
    bool nesterov = false;
    double weight_decay = 0;   ///< L2 in the gradient; of adamw decoupled from it
    double l1 = 0;             ///< times sign(w), in the gradient
    bool decay_biases = true;  ///< whether weight_decay and l1 are of biases too
    double dampening = 0;      ///< of sgd's momentum, in [0, 1]
    double beta1 = 0.9;        ///< of adam and adamw, in [0, 1), as beta2
    double beta2 = 0.999;
    std::optional<double> epsilon;         ///< none: 1e-8, of adagrad 1e-10
    double alpha = 0.99;                   ///< of rmsprop, in [0, 1)
    bool centered = false;                 ///< of rmsprop
    double lr_decay = 0;                   ///< of adagrad
    double initial_accumulator_value = 0;  ///< of adagrad
    std::optional<double> clip_grad_norm;  ///< the longest that the whole gradient may be; none: any length
    std::optional<double> clip_grad_value;
  } optimizer;

  struct Schedule {
    ScheduleType type = ScheduleType::kConstant;
    std::uint64_t warmup_steps = 0;
    // Where they have no value, schedule.cpp chooses one; keys of other types have none.
    std::optional<ScheduleUnit> unit;  ///< of all counts below, by plateau always epochs
    std::optional<std::uint64_t> length;
    std::optional<std::uint64_t> step_size;
    std::vector<std::uint64_t> milestones;  ///< rising; empty: no value
    std::optional<double> gamma;
    std::optional<std::uint64_t> period;
    std::optional<std::uint64_t> period_factor;
    std::optional<double> power;
    std::optional<double> rise_fraction;
    std::optional<double> initial_divisor;
    std::optional<double> final_divisor;
    std::optional<Anneal> anneal;
    std::optional<bool> three_phase;
    std::optional<double> factor;
    std::optional<std::uint64_t> patience;
    std::optional<double> threshold;
    std::optional<ThresholdMode> threshold_mode;
    std::optional<std::uint64_t> cooldown;
    std::optional<double> min_learning_rate;
  } schedule;

  struct Checkpoint {
    std::optional<std::uint64_t> every_steps;
    std::optional<std::uint64_t> every_epochs = 1;
    std::optional<double> every_minutes;
    std::size_t keep_last = 3;
    std::size_t keep_best = 1;
    OnError on_error = OnError::kContinue;
  } checkpoint;

  struct EarlyStopping {
    std::optional<std::uint64_t> patience;  ///< epochs without improvement
    double min_delta = 0;
    Monitor monitor;
  } early_stopping;

  /// Where each key's value came from: "default", "file.ini:7", "command line". Filled by load_config.
  std::map<std::string, std::string> origins;
};

/// Reads an INI file, then applies overrides ("train.epochs=3", the text behind `--`). Checks every key's range and
/// the rules between keys. Throws ConfigError naming file, line, key, what is allowed and the nearest known key.
Config load_config(const std::string& path, const std::vector<std::string>& overrides = {});

/// The same for text that is not a file of its own: `origin` names it in messages.
Config parse_config(const std::string& text, const std::string& origin);

/// Rules between keys that the table cannot state, for configs built in code: ConfigError where one is broken.
void validate(const Config& config);

/// What validation and test rows are judged by, beside the loss: train.metrics, or the usual ones, and what
/// early-stopping.monitor looks at.
std::vector<Metric> judged_by(const Config& config);

/// The whole config as INI text: every key, its value, and a comment with its origin. parse_config reads it back.
std::string resolved_text(const Config& config);

/// Differences between the config of a checkpoint and that of the run that wants to resume it, in the keys that
/// decide the result and may not change in between. ConfigError names the first one and both values.
void require_resumable(const Config& checkpointed, const Config& now);

/// The table of keys as help text: name, default, allowed values, effect.
std::string config_help();

/// Bytes: "1000000", "512MiB", "2GiB", "10GB" (KiB.. count 1024, KB.. count 1000); nothing where `text` is no such
/// size.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Names of metrics, each once, separated by blanks or commas, as train.metrics takes them. Returns what is wrong with
/// the text, or nothing.
std::string parse_metrics(const std::string& text, std::vector<Metric>& metrics);

/// The nearest of `known` to `word` by edit distance, or nothing where none is near.
std::optional<std::string> nearest_name(const std::string& word, const std::vector<std::string>& known);

}  // namespace gradloom
