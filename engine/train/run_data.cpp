#include "engine/train/run_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/core/parallel.hpp"
#include "engine/data/source.hpp"
#include "engine/data/stream_statistics.hpp"
#include "engine/data/streamed_rows.hpp"
#include "engine/train/run_checks.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {

std::size_t thread_count(const Config& config) {
  return config.train.threads > 0 ? config.train.threads : allowed_cores();
}

FeedOptions feed_options(const Config& config, bool all_cores, bool side_work, Arena& arena) {
  FeedOptions options;
  options.batch_size = config.train.batch_size;
  options.shuffle = config.data.shuffle;
  options.seed = config.train.seed;
  options.groups_ahead = config.data.prefetch.value_or(all_cores ? 0 : 2);
  options.beside_steps = side_work && !config.data.prefetch;
  options.epochs = std::numeric_limits<std::uint64_t>::max();
  options.arena = &arena;
  return options;
}

namespace {

DataSource source_of(const Config& config, const std::string& key, const std::string& files) {
  return {expand_files(files, key_place(config, key)),
          config.data.features,
          config.data.targets,
          true,
          config.data.weights,
          "data.weights",
          external_of(config)};
}

// Rows / (classes * rows of the class), as scikit-learn's compute_class_weight.
std::vector<double> balanced_weights(const std::vector<std::uint64_t>& class_rows, const std::string& name,
                                     const std::vector<std::string>& class_names) {
  const auto classes = static_cast<double>(class_rows.size());
  const auto rows = static_cast<double>(std::accumulate(class_rows.begin(), class_rows.end(), std::uint64_t{0}));
  std::vector<double> weights;
  for (std::size_t c = 0; c < class_rows.size(); ++c) {
    if (class_rows[c] == 0)
      throw DataError(fmt::format(
          "{}: no training row is of class {}{}, so train.class-weights = balanced gives it no weight; use a list, or "
          "leave the class out",
          name, c, c < class_names.size() ? fmt::format(" (\"{}\")", class_names[c]) : ""));
    weights.push_back(rows / (classes * static_cast<double>(class_rows[c])));
  }
  return weights;
}

// Where run.class_rows are counted.
template <class T>
Objective objective_of(const Config& config, const RunData<T>& run) {
  const ClassWeights& wanted = config.train.class_weights;
  std::vector<double> weights = wanted.balanced
                                    ? balanced_weights(run.class_rows, run.training.name(), run.training.class_names())
                                    : wanted.values;
  return {config.train.loss, std::move(weights), config.train.label_smoothing};
}

// Checks what judges against what trains, and standardizes all.
template <class T>
void finish(const Config& config, RunData<T>& run) {
  require_rows_for_batch_norm(config, run.training);
  run.objective = objective_of(config, run);
  run.training.standardize(run.standardization);
  require_some_weight(run.training);
  for (auto* other : {&run.validation, &run.test}) {
    if (!other->has_value()) continue;
    check_against_training(run.training, **other);
    if (!(*other)->streamed()) check_targets((*other)->memory(), config.train.loss, config.model.layers.back().units);
    (*other)->standardize(run.standardization);
    require_some_weight(**other);
  }
}

// A set of a run whose files are known, and what it takes in memory.
template <class T>
struct Wanted {
  DataSource source;
  std::uint64_t rows = 0, bytes = 0;

  Wanted(const Config& config, const std::string& key, const std::string& files)
      : source(source_of(config, key, files)) {
    const SourceShape shape = source_shape(source);
    rows = shape.rows;
    bytes = bytes_in_memory(shape, sizeof(T));
  }
};

template <class T>
std::uint64_t bytes_of(const std::optional<Wanted<T>>& wanted) {
  return wanted ? wanted->bytes : 0;
}

// Of bytes, or the largest number.
std::uint64_t sum_of(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum) || __builtin_add_overflow(sum, c, &sum))
    return std::numeric_limits<std::uint64_t>::max();
  return sum;
}

TargetRules target_rules(const Config& config) { return {config.train.loss, config.model.layers.back().units}; }

// Validation and test rows may take as much of data.memory where not everything fits: a streamed set trains the better
// the more memory it has.
constexpr std::uint64_t kJudgedShare = 8;

template <class T>
std::optional<RunSet<T>> open_judged(const std::optional<Wanted<T>>& wanted, std::uint64_t memory,
                                     const TargetRules& rules) {
  if (!wanted) return std::nullopt;
  if (wanted->bytes <= memory) return read_dataset<T>(wanted->source, memory);
  return RunSet<T>(std::make_unique<StreamedSet<T>>(wanted->source, StreamOptions{.memory = memory, .rules = rules}));
}

// Rows of a set that is streamed, read into memory.
template <class T>
Dataset<T> read_rows(const StreamedSet<T>& set) {
  Dataset<T> data;
  data.x = Matrix<T>(set.kept().count(), set.shape().features);
  data.y = Matrix<T>(set.kept().count(), set.shape().outputs);
  if (set.shape().weighted) data.weights.resize(data.rows());
  data.feature_names = set.feature_names();
  data.class_names = set.class_names();
  data.name = set.name();
  for (std::uint64_t row = 0; row < set.shape().rows; ++row)
    if (set.kept().keeps(row)) data.source_rows.push_back(row);
  set.for_each_piece(set.piece_rows(1),
                     [&](std::uint64_t first, MatrixView<T> x, MatrixView<T> y, const double* weights) {
                       std::copy_n(x.data, x.rows * x.cols, data.x.row(first).data());
                       std::copy_n(y.data, y.rows * y.cols, data.y.row(first).data());
                       if (weights != nullptr) std::copy_n(weights, x.rows, data.weights.data() + first);
                     });
  return data;
}

RowSplit split_by(const Config& config, std::shared_ptr<const FoldTable> folds) {
  return {config.train.seed, config.data.valid_fraction, config.data.fold, std::move(folds)};
}

bool needs_labels(const Config& config) { return config.data.fold && config.data.fold->stratified; }

FoldDealer fold_dealer(const Config& config) {
  return {config.train.seed, config.data.fold->count, class_count(config.train.loss, config.model.layers.back().units)};
}

// Deals rows to folds in the order in which they come.
template <class T>
void deal_rows(MatrixView<const T> y, FoldDealer& dealer, FoldTable& folds) {
  for (std::size_t r = 0; r < y.rows; ++r) folds.push_back(dealer.deal(static_cast<std::size_t>(y(r, 0))));
}

// By labels that were checked.
template <class T>
RowSplit split_of(const Config& config, const Dataset<T>& data) {
  if (!needs_labels(config)) return split_by(config, nullptr);
  FoldTable folds;
  folds.reserve(data.rows());
  FoldDealer dealer = fold_dealer(config);
  deal_rows<T>(data.y.view(), dealer, folds);
  return split_by(config, std::make_shared<FoldTable>(std::move(folds)));
}

// The same by one pass over a source that is streamed.
template <class T>
RowSplit split_of(const Config& config, const DataSource& source, std::uint64_t memory) {
  if (!needs_labels(config)) return split_by(config, nullptr);
  const StreamedSet<T> set(source, StreamOptions{.memory = memory, .rules = target_rules(config)});
  if (set.shape().rows > memory)
    throw DataError(
        fmt::format("{}: stratified folds of {} rows take as many bytes, and data.memory leaves {} for them; raise it, "
                    "or leave out "
                    "that they be stratified: folds of so many rows are alike",
                    set.name(), set.shape().rows, memory));
  FoldTable folds;
  folds.reserve(set.shape().rows);
  FoldDealer dealer = fold_dealer(config);
  set.for_each_piece_of_all(set.piece_rows(1), [&](std::uint64_t, MatrixView<T>, MatrixView<T> y, const double*) {
    deal_rows<T>(y, dealer, folds);
  });
  return split_by(config, std::make_shared<FoldTable>(std::move(folds)));
}

RowCounts count_uses(const RowSplit& split, std::uint64_t rows) {
  RowCounts counts;
  for (std::uint64_t row = 0; row < rows; ++row) counts.count(split.use_of(row));
  return counts;
}

// Rows of the training set that are held out, where that is streamed.
template <class T>
RunSet<T> open_held_out(const DataSource& source, const RowSplit& split, RowUse use, const StreamOptions& options) {
  auto set = std::make_unique<StreamedSet<T>>(source, options);
  set->keep_rows(split, use);
  const SourceShape& shape = set->shape();
  if (bytes_in_memory({set->kept().count(), shape.features, shape.outputs, shape.weighted}, sizeof(T)) <=
      options.memory.bytes)
    return read_rows(*set);
  return RunSet<T>(std::move(set));
}

// What is to be told of a set that is streamed; nothing where it is as it was asked for.
template <class T>
std::string streaming_remark(const Config& config, const StreamedSet<T>& set, std::uint64_t bytes) {
  const StreamPlan& plan = set.plan();
  const std::uint64_t window = std::min(set.shape().rows, plan.window_blocks * plan.block_rows);
  if (config.data.shuffle == Shuffle::kNone) return "";
  constexpr std::uint64_t kFewBlocks = 16;
  const bool few = plan.window_blocks < kFewBlocks && plan.window_blocks < set.blocks().count();
  if (config.data.shuffle == Shuffle::kWindow && !few) return "";
  std::string text = fmt::format(
      "{}: takes {} bytes and data.memory is {}: it is streamed, and shuffled within windows of {} of its {} rows, {} "
      "blocks of {} (data.shuffle = window)",
      set.name(), bytes, memory_limit(config), window, set.shape().rows, plan.window_blocks, plan.block_rows);
  if (few)
    text +=
        "; so few blocks mix badly where rows that follow each other are alike: rewrite it with `gradloom repack "
        "--shuffle-rows`, or raise data.memory";
  return text;
}

// What must be known of the training rows, which are streamed: what the run folder keeps, or by reading all.
template <class T>
void take_statistics(const Config& config, const DataSource& source, const std::string& statistics_file,
                     RunData<T>& run) {
  std::optional<StatisticsCache> cache;
  if (!statistics_file.empty()) cache.emplace(statistics_file, config, source, run.training.stream().shape());
  if (cache)
    if (const auto known = cache->read()) {
      run.standardization = known->standardization;
      run.class_rows = known->class_rows;
      return;
    }
  const StreamedSet<T>& stream = run.training.stream();
  run.class_rows.resize(classes_to_count(config));
  const DataStatistics statistics = statistics_of(stream, config.data.standardize, run.class_rows);
  run.standardization = fit_standardization(statistics, stream.name());
  run.uncached = std::move(cache);
}

template <class T>
RunData<T> load_streamed(const Config& config, const Wanted<T>& training, std::optional<RunSet<T>> validation,
                         std::optional<RunSet<T>> test, std::uint64_t memory, const LoadOptions& options) {
  const TargetRules rules = target_rules(config);
  RunData<T> run;
  run.validation = std::move(validation);
  run.test = std::move(test);
  const std::uint64_t share = memory / kJudgedShare;
  const RowSplit split = split_of<T>(config, training.source, share);
  if (needs_labels(config)) memory -= share;
  if (split.holds_out()) split.require_all_uses(source_name(training.source), count_uses(split, training.rows));
  const auto hold_out = [&](RowUse use) {
    memory -= share;
    return open_held_out<T>(training.source, split, use, {.memory = share, .rules = rules});
  };
  if (split.validates()) run.validation = hold_out(RowUse::kValidation);
  if (split.tests()) run.test = hold_out(RowUse::kTest);
  run.training = RunSet<T>(
      std::make_unique<StreamedSet<T>>(training.source, StreamOptions{memory, rules, true, options.begun_with}));
  StreamedSet<T>& stream = run.training.stream();
  require_memory_for_network<T>(config, run.layout(config), run.training.rows());
  if (std::string remark = streaming_remark<T>(config, stream, training.bytes); !remark.empty() && !options.begun_with)
    run.remarks.push_back(std::move(remark));
  if (split.holds_out()) stream.keep_rows(split, RowUse::kTraining);
  if (config.data.standardize != Standardize::kNone || classes_to_count(config) != 0)
    take_statistics(config, training.source, options.statistics_file, run);
  finish(config, run);
  return run;
}

}  // namespace

template <class T>
RunData<T> prepare_run_data(const Config& config, Dataset<T> training, std::optional<RunSet<T>> validation,
                            std::optional<RunSet<T>> test) {
  require_memory_for_network<T>(config, {training.features(), config.model.layers}, training.rows());
  RunData<T> run;
  const std::size_t outputs = config.model.layers.back().units;
  check_targets(training, config.train.loss, outputs);
  const RowSplit split = split_of(config, training);
  SplitRows<T> parts = split_rows(std::move(training), split);
  run.training = std::move(parts.training);
  run.validation = parts.validation ? std::move(parts.validation) : std::move(validation);
  run.test = parts.test ? std::move(parts.test) : std::move(test);
  if (config.data.standardize != Standardize::kNone) {
    Arena arena(thread_count(config));
    run.standardization = fit_standardization(run.training.memory(), config.data.standardize, &arena);
  }
  if (const std::size_t classes = classes_to_count(config); classes != 0) {
    run.class_rows.resize(classes);
    count_classes<T>(run.training.memory().y.view(), run.class_rows);
  }
  finish(config, run);
  return run;
}

template <class T>
RunData<T> load_run_data(const Config& config, const LoadOptions& options) {
  const auto& files = config.data;
  const Wanted<T> training(config, "data.train", files.train);
  std::optional<Wanted<T>> valid, test;
  if (!files.valid.empty()) valid.emplace(config, "data.valid", files.valid);
  if (!files.test.empty()) test.emplace(config, "data.test", files.test);

  // What is not streamed, in order: all, or training rows beside judged ones that are, or judged ones that are few.
  const std::uint64_t memory = memory_limit(config);
  const bool all_fit = sum_of(training.bytes, bytes_of(valid), bytes_of(test)) <= memory;
  const std::uint64_t most_judged = all_fit ? memory : memory / kJudgedShare;
  const std::uint64_t left =
      memory - (all_fit ? bytes_of(valid) + bytes_of(test)
                        : std::min(bytes_of(valid), most_judged) + std::min(bytes_of(test), most_judged));
  const bool was_streamed = options.begun_with && *options.begun_with != StreamWindow{};
  const bool streamed = was_streamed || training.bytes > left;
  if (streamed && options.begun_with && !was_streamed)
    throw DataError(
        fmt::format("{}: the run began with its rows in memory, which take {} bytes, and data.memory now "
                    "leaves {} for them; raise it to go on",
                    training.source.files.front(), training.bytes, left));
  const TargetRules rules = target_rules(config);
  std::optional<RunSet<T>> validation = open_judged<T>(valid, most_judged, rules);
  std::optional<RunSet<T>> test_set = open_judged<T>(test, most_judged, rules);
  if (streamed) return load_streamed<T>(config, training, std::move(validation), std::move(test_set), left, options);
  return prepare_run_data<T>(config, read_dataset<T>(training.source, memory), std::move(validation),
                             std::move(test_set));
}

std::uint64_t count_training_rows(const Config& config, std::optional<std::uint64_t> rows) {
  if (rows && needs_labels(config))
    throw ConfigError(fmt::format(
        "{} = {}: how many rows train hangs on their labels, so the data must be read; leave out the number of rows",
        key_place(config, "data.fold"), to_string(*config.data.fold)));
  std::string name = config.data.train;
  RowSplit split = split_by(config, nullptr);
  if (!rows) {
    const DataSource source = source_of(config, "data.train", config.data.train);
    rows = source_shape(source).rows;
    name = source_name(source);
    split = split_of<float>(config, source, memory_limit(config) / kJudgedShare);
  }
  if (!split.holds_out()) return *rows;
  const RowCounts counts = count_uses(split, *rows);
  split.require_all_uses(name, counts);
  return counts.training;
}

void require_rows_in_all_folds(const Config& config) {
  const DataSource source = source_of(config, "data.train", config.data.train);
  const std::uint64_t rows = source_shape(source).rows;
  const RowSplit split = split_of<float>(config, source, memory_limit(config) / kJudgedShare);
  for (std::uint64_t number = 1; number <= config.data.fold->count; ++number) {
    const RowSplit of_fold = split.of_fold(number);
    of_fold.require_all_uses(source_name(source), count_uses(of_fold, rows));
  }
}

template <class T>
std::unique_ptr<MinibatchFeed<T>> make_feed(const RunSet<T>& training, const FeedOptions& options) {
  if (!training.streamed()) return std::make_unique<MinibatchFeed<T>>(training.memory(), options);
  auto rows = std::make_unique<StreamedRows<T>>(training.stream(), options.shuffle, options.seed, options.first_epoch,
                                                options.first_epoch_step * options.batch_size);
  FeedOptions reading = options;
  reading.beside_steps = false;  // a step is not to wait for rows of the next ones
  return std::make_unique<MinibatchFeed<T>>(std::move(rows), reading);
}

template std::unique_ptr<MinibatchFeed<float>> make_feed(const RunSet<float>&, const FeedOptions&);
template std::unique_ptr<MinibatchFeed<double>> make_feed(const RunSet<double>&, const FeedOptions&);
template RunData<float> load_run_data(const Config&, const LoadOptions&);
template RunData<double> load_run_data(const Config&, const LoadOptions&);
template RunData<float> prepare_run_data(const Config&, Dataset<float>, std::optional<RunSet<float>>,
                                         std::optional<RunSet<float>>);
template RunData<double> prepare_run_data(const Config&, Dataset<double>, std::optional<RunSet<double>>,
                                          std::optional<RunSet<double>>);

}  // namespace gradloom
