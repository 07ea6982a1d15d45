#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/train/run_data.hpp"
#include "engine/train/run_folder.hpp"
#include "engine/train/snapshot.hpp"

namespace gradloom {

/// Writes snapshots into the run folder's checkpoints, keeps best.h5, prunes. A save copies the state and returns; a
/// thread of the writer's own does the rest, one checkpoint at a time: a save that comes too early waits. How a write
/// ended is told to the observer by the thread that trains, after its next step.
///
/// A write that failed leaves what stood; by checkpoint.on-error training goes on (a warning) or ends (FileError). The
/// best epoch is not given up for it: it waits in memory and is tried again with the next checkpoint.
template <class T>
class CheckpointWriter final : public SnapshotSink<T> {
 public:
  /// All references must outlive the writer.
  CheckpointWriter(const Config& config, const RunData<T>& data, RunFolder& folder, TrainingObserver& observer);
  /// Waits for the write under way.
  ~CheckpointWriter() override;
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// FileError where the file system has no room for one checkpoint. Nothing is created.
  void require_room() const;

  void save(const TrainingState<T>& state, const Progress& progress, double elapsed_seconds, bool best) override;
  void poll() override;
  void settle() override;
  void finish() override;
  std::optional<Checkpoint<T>> recall() override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage { kIdle, kWriting, kWritten };
  using OnDamaged = std::function<void(std::uint64_t step, const std::string& what)>;  ///< may be null
  enum Topic : std::size_t { kCheckpoint, kUpkeep, kLog, kTopics };

  struct Snapshot {
    TrainingState<T> state;
    Progress progress;
    double elapsed_seconds = 0;
    bool best = false;
  };
  /// What became of a snapshot.
  struct Outcome {
    std::uint64_t step = 0;
    std::string path;            ///< of the checkpoint; empty where it was not written
    std::string failure;         ///< why not
    std::string upkeep_failure;  ///< the checkpoint stands, but best.h5 or old files could not be dealt with
  };
  /// The best epoch while best.h5 does not stand for it yet. Bytes: of its checkpoint, where that is not written.
  struct LateBest {
    std::uint64_t step = 0;
    std::vector<std::byte> bytes;
  };

  // On the thread that writes.
  void write_when_asked(const std::stop_token& stop);
  Outcome write_snapshot();
  std::string write_late_best();
  void prune();
  void encode();

  /// The newest step with a whole file that is an anchor, and what it holds. Reads files.
  [[nodiscard]] std::optional<Checkpoint<T>> newest_anchor(const OnDamaged& on_damaged) const;

  // On the thread that trains.
  void collect();
  void tell_failure(Topic topic, const std::string& what);
  [[nodiscard]] std::string standing() const;

  // Constant after construction.
  const Config& config_;
  const RunData<T>& data_;
  const ParameterLayout layout_;
  const std::string config_text_;
  RunFolder& folder_;
  TrainingObserver& observer_;

  // Owned by the thread that trains.
  std::string last_failure_;                                       ///< of the last save; empty where it succeeded
  std::array<std::optional<Clock::time_point>, kTopics> told_at_;  ///< a trouble that lasts is told once a minute
  bool finishing_ = false;

  // Handed over by stage_: written by the thread that trains while it is kIdle, by the other one while kWriting.
  Snapshot snapshot_;
  Outcome outcome_;
  std::vector<std::byte> bytes_;  ///< the file under way; kept, so that its memory is not asked for each time
  std::optional<LateBest> late_best_;
  std::optional<std::uint64_t> anchor_step_;  ///< the newest anchor, where it is known

  // Guarded by mutex_ (stage_ may be looked at without).
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::atomic<Stage> stage_{Stage::kIdle};

  std::jthread thread_;  // last: stops before anything it uses is destroyed
};

}  // namespace gradloom
