#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"
#include "gradloom/evaluation.hpp"
#include "gradloom/model.hpp"

namespace gradloom {

struct StartReport {
  std::string run_dir;       ///< empty for training in memory
  std::string resumed_from;  ///< checkpoint, or empty
  std::uint64_t training_rows = 0, validation_rows = 0, parameters = 0, steps_per_epoch = 0;
  std::uint64_t total_steps = 0;  ///< by epochs and max-steps
  std::uint64_t step = 0;         ///< where the run starts from
  std::size_t features = 0, outputs = 0, shards = 0, shard_rows = 0, threads = 0;
};

struct StepReport {
  std::uint64_t step = 0;   ///< updates done, this one included
  std::uint64_t epoch = 0;  ///< the epoch under way, counted from 1
  double train_loss = 0;    ///< step: of its minibatch, before the update; epoch: mean over the epoch's rows
  double learning_rate = 0;
  double samples_per_second = 0;  ///< since the last report of this kind
  double elapsed_seconds = 0;     ///< over all sessions of the run
};

struct EpochReport : StepReport {
  std::optional<Metrics> valid;
  bool best = false;
};

struct EndReport {
  std::uint64_t step = 0, epoch = 0, samples_seen = 0;
  double train_loss = 0;  ///< mean over the last whole epoch, NaN where there was none in this session
  std::optional<double> best_score;
  /// By train.restore-best: the step of the best epoch, whose state the last checkpoint has taken over.
  std::optional<std::uint64_t> restored_step;
  std::optional<Metrics> test;  ///< of the best (else last) parameters, where data.test is set and the run is complete
  double elapsed_seconds = 0;
  std::string reason;  ///< "epochs", "max-steps", "max-minutes", "early-stopping", "signal"
  std::string last_checkpoint, best_checkpoint;
};

/// A run that diverged has gone back to a checkpoint and goes on from there.
struct RollbackReport {
  std::uint64_t step = 0;           ///< of the checkpoint
  std::uint64_t diverged_step = 0;  ///< the step that produced NaN or Inf
  std::uint64_t rollbacks = 0;      ///< of the run so far, this one included
  double learning_rate_factor = 1;  ///< what the config's rates are multiplied by from here on
  std::string reason;               ///< step, layer and rows
};

/// Told what happens, on the thread that called train(), between steps. An exception thrown here ends training.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual void on_start(const StartReport&) {}
  /// After every step (keep it cheap); `logged` marks those that `train.log-every` selects.
  virtual void on_step(const StepReport&, bool /*logged*/) {}
  virtual void on_epoch(const EpochReport&) {}
  /// A checkpoint is on disk. It was taken at `step`; steps may have followed, for it is written beside them.
  virtual void on_checkpoint(const std::string& /*path*/, std::uint64_t /*step*/) {}
  /// The one of `step` could not be written; those before it stand. Also told by on_warning.
  virtual void on_checkpoint_failed(std::uint64_t /*step*/, const std::string& /*reason*/) {}
  /// Also told by on_warning. Steps behind report.step are taken again.
  virtual void on_rollback(const RollbackReport&) {}
  virtual void on_warning(const std::string& /*line*/) {}
  virtual void on_end(const EndReport&) {}
};

struct TrainOptions {
  bool resume = false;
  /// Optional; must outlive the call. A value other than 0 (a signal's number) ends training after the step under way,
  /// with a checkpoint.
  const std::atomic<int>* stop = nullptr;
  TrainingObserver* observer = nullptr;  ///< optional; must outlive the call
  /// Optional; must outlive the call. Each time that the value has changed, a checkpoint is written after the step
  /// under way, and training goes on.
  const std::atomic<int>* checkpoint_requests = nullptr;
  bool every_metric = false;  ///< EndReport::test has all metrics that the model has
};

/// Trains as the config says, with run folder, checkpoints and metrics log. Throws ConfigError, DataError,
/// CheckpointError, FileError or DivergenceError; whatever is thrown, finished checkpoints stand.
EndReport train(const Config& config, const TrainOptions& options = {});

/// Trains on data in memory, without any file. Keys under `run`, `data.train`, `data.valid`, `data.test`,
/// `data.fold` and `checkpoint`, and `train.restore-best`, are not used, and T decides the precision. Returns the model
/// of the best epoch by `early-stopping.monitor`, and the last epoch's where there are no validation rows to judge by.
/// The validation data are copied. ConfigError, DivergenceError; DataError also for what reading a file would have
/// found: no rows, x and y of different lengths, NaN or Inf.
template <class T>
Model<T> fit(const Config& config, Dataset<T> training, const Dataset<T>* validation = nullptr,
             TrainingObserver* observer = nullptr);

/// Everything train() would refuse, without training: reads the config's data and checks it. Returns one line a fact
/// ("training: 16512 rows, 13 features", ...).
std::vector<std::string> check(const Config& config);

}  // namespace gradloom
