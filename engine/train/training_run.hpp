#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/data/feed.hpp"
#include "engine/optim/schedule.hpp"
#include "engine/train/evaluator.hpp"
#include "engine/train/run_data.hpp"
#include "engine/train/snapshot.hpp"
#include "engine/train/step_graph.hpp"
#include "gradloom/trainer.hpp"

namespace gradloom {

/// Flags that somebody outside of the run sets; see TrainOptions. Each is optional.
struct RunSignals {
  const std::atomic<int>* stop = nullptr;
  const std::atomic<int>* checkpoint_requests = nullptr;
};

/// The training loop: epochs, validation, best score, early stopping, when to take snapshots, when to end. Knows
/// nothing of files. One thread calls it.
template <class T>
class TrainingRun {
 public:
  /// All references, and what `signals` points at, must outlive the run.
  TrainingRun(const Config& config, const RunData<T>& data, Arena& arena, TrainingObserver& observer,
              SnapshotSink<T>& sink, const RunSignals& signals = {});

  /// Goes on from a checkpoint instead of from initial parameters. Call before run(). CheckpointError where its
  /// network or optimizer are not those of this run, DataError where its data are not, ConfigError where it ended a run
  /// that train.restore-best gave another state, and now there is more to train; `name` is what messages call it.
  void restore(Checkpoint<T> checkpoint, const std::string& name = "the checkpoint");

  /// Starts from these parameters (a flat block of network().layout()) instead of from model.init's. Call before run().
  void start_from(AlignedBuffer<T> parameters);

  /// Trains until one of the config's limits, early stopping or the stop flag; takes a last snapshot where the newest
  /// is older than the last step. By train.restore-best, where the run is complete, that snapshot is taken once more,
  /// with the best epoch's state. On NaN or Inf DivergenceError, or by train.on-divergence back to the sink's newest
  /// anchor with half the learning rate.
  EndReport run();

  [[nodiscard]] const Network<T>& network() const { return network_; }
  [[nodiscard]] const TrainingState<T>& state() const { return state_; }
  [[nodiscard]] const Progress& progress() const { return progress_; }
  /// Over all sessions of the run.
  [[nodiscard]] double elapsed_seconds() const;
  /// Facts about the run as it stands, for on_start.
  [[nodiscard]] StartReport start_report() const;

 private:
  using Clock = std::chrono::steady_clock;
  /// Rows and time since the last report of a kind: for samples per second. Validation and snapshots do not count.
  struct Meter {
    std::uint64_t samples = 0;
    Clock::time_point since = Clock::now();
    double rate(std::uint64_t samples_now);
  };

  void require_same_run(const Checkpoint<T>& checkpoint, const std::string& name) const;
  [[nodiscard]] std::optional<std::string> reason_to_end() const;
  /// Where nothing is left to train by epochs, max-steps and early stopping: which of them.
  [[nodiscard]] std::optional<std::string> reason_by_progress() const;
  [[nodiscard]] std::uint64_t log_every() const;

  void adopt(Checkpoint<T> checkpoint, const std::string& name);
  void adopt_state(Checkpoint<T>& checkpoint, const std::string& name);
  void restore_best();
  void start_feed();
  [[nodiscard]] bool is_between_epochs() const { return progress_.epoch_step == length_.steps_per_epoch; }
  template <class Read>
  auto reading(const Read& read);
  Minibatch<T> next_minibatch();
  bool take_step(const Minibatch<T>& minibatch);
  [[nodiscard]] UpdateContext next_update() const;
  [[nodiscard]] double learning_rate_factor() const;
  void roll_back(const std::string& what);
  [[noreturn]] void end_diverged(const std::string& what) const;
  /// False where a signal ended the validation: the epoch is finished at the resume.
  bool finish_epoch();
  std::size_t rank_epoch(double score);
  void follow_score(double score);
  /// Runs `work` with the meters stopped.
  template <class Work>
  void off_the_clock(const Work& work);
  void save_if_due(bool epoch_ended);
  bool save_is_asked_for();
  void save();
  [[nodiscard]] double monitored(const EpochReport& report) const;

  // Constant after construction.
  const Config& config_;
  const RunData<T>& data_;
  Arena& arena_;
  TrainingObserver& observer_;
  SnapshotSink<T>& sink_;
  const RunSignals signals_;
  const Network<T> network_;
  const std::unique_ptr<Optimizer<T>> optimizer_;
  const RunLength length_;
  const Schedule schedule_;
  const MetricPlan metric_plan_;

  TrainingState<T> state_;
  StepGraph<T> step_;
  std::unique_ptr<MinibatchFeed<T>> feed_;
  Progress progress_;
  double elapsed_before_ = 0;  ///< seconds of earlier sessions
  Clock::time_point started_ = Clock::now();
  Clock::time_point last_save_ = Clock::now();
  int requests_answered_ = 0;    ///< the value of signals_.checkpoint_requests that was last acted on
  bool best_unsaved_ = false;    ///< the last epoch is the best so far, and no snapshot holds it yet
  bool ranked_unsaved_ = false;  ///< it is one of the checkpoint.keep-best best ones, and no snapshot holds it yet
  double last_epoch_loss_;
  Meter step_meter_, epoch_meter_;
};

}  // namespace gradloom
