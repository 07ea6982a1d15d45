#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/checkpoint/image.hpp"
#include "engine/train/run_data.hpp"
#include "engine/train/run_folder.hpp"
#include "engine/train/snapshot.hpp"

namespace gradloom {

/// Writes snapshots into the run folder's checkpoints, keeps best.h5, prunes. A save copies the state into the image of
/// a file and returns; a thread of the writer's own does the rest, one checkpoint at a time: a save that comes too
/// early waits. How a write ended is told to the observer by the thread that trains, after its next step.
///
/// Memory: one image, from the first save on. It goes in finish() and recall(). A second one is held for as long as the
/// best epoch waits.
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
  Checkpoint<T> recall_best(std::uint64_t step) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage { kIdle, kWriting, kWritten };
  enum Topic : std::size_t { kCheckpoint, kUpkeep, kLog, kTopics };

  struct Snapshot {
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
  /// The best epoch while best.h5 does not stand for it yet. The image: of its checkpoint, where that is not written.
  struct LateBest {
    std::uint64_t step = 0;
    std::unique_ptr<CheckpointImage<T>> image;
  };

  // On the thread that writes.
  void write_when_asked(const std::stop_token& stop);
  Outcome write_snapshot();
  std::string write_late_best();
  void prune();

  void make_image();
  /// The newest step with a whole file that is an anchor. Reads files.
  [[nodiscard]] std::optional<std::uint64_t> newest_anchor() const;

  // On the thread that trains.
  std::string await_image();
  void drop_image();
  std::optional<Checkpoint<T>> read_newest_anchor();
  void require_best();  ///< FileError where best.h5 does not stand for the best epoch
  void collect();
  void tell_failure(Topic topic, const std::string& what);
  [[nodiscard]] std::string standing() const;

  // Constant after construction.
  const Config& config_;
  const RunData<T>& data_;
  const ParameterLayout layout_;
  const std::string config_text_;
  const RunFacts facts_;
  RunFolder& folder_;
  TrainingObserver& observer_;

  // Owned by the thread that trains.
  std::string last_failure_;                                       ///< of the last save; empty where it succeeded
  std::array<std::optional<Clock::time_point>, kTopics> told_at_;  ///< a trouble that lasts is told once a minute

  // Handed over by stage_: written by the thread that trains while it is kIdle, by the other one while kWriting.
  Snapshot snapshot_;
  Outcome outcome_;
  std::optional<LateBest> late_best_;
  std::optional<std::uint64_t> anchor_step_;  ///< the newest anchor, where it is known

  std::atomic<bool> finishing_{false};  ///< set by the thread that trains: no image is wanted any more

  // Guarded by mutex_ (stage_ may be looked at without).
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::atomic<Stage> stage_{Stage::kIdle};
  bool image_wanted_ = false;  ///< the thread that writes makes one, or is about to

  // Owned by the thread that writes while image_wanted_, or while stage_ is kWriting; else by the one that trains.
  std::unique_ptr<CheckpointImage<T>> image_;
  std::string image_failure_;  ///< why none could be made

  std::jthread thread_;  // last: stops before anything it uses is destroyed
};

}  // namespace gradloom
