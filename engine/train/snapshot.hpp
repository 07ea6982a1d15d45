#pragma once

#include <cstdint>
#include <optional>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/train/step_graph.hpp"
#include "gradloom/config.hpp"

namespace gradloom {

/// True for a checkpoint that stands where it does by config, data and seed alone, not by the clock or a signal: one
/// that checkpoint.every-steps or every-epochs asks for, an epoch among the best, the start of the run. A diverged run
/// goes back to no other, or its bits would hang on when it was stopped.
bool is_anchor(const Config& config, const Progress& progress);

/// Where a run puts snapshots of itself. One thread calls it.
template <class T>
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;

  /// Called between steps; nothing of the run changes meanwhile. Takes a copy of what it needs, and may return before
  /// that is safe. `best`: this is the best epoch so far.
  virtual void save(const TrainingState<T>& state, const Progress& progress, double elapsed_seconds, bool best) = 0;

  /// Called after every step: tells how saves have ended since. Cheap.
  virtual void poll() {}

  /// Returns when no save is under way.
  virtual void settle() {}

  /// Returns when all saves have ended, and throws (FileError) where the last one, or the best epoch's, is lost.
  virtual void finish() {}

  /// The newest anchor among the snapshots (see is_anchor), where a diverged run goes back to; nothing where there is
  /// none. What was saved behind it is forgotten.
  virtual std::optional<Checkpoint<T>> recall() = 0;

  /// The snapshot of the best epoch, which is that of `step`. FileError where it is lost.
  virtual Checkpoint<T> recall_best(std::uint64_t step) = 0;

  /// The newest step that a resume would find; nothing before the first.
  [[nodiscard]] std::optional<std::uint64_t> safe_step() const { return safe_step_; }
  /// Said by sinks of what they have saved, and by a run of what it goes on from.
  void set_safe_step(std::uint64_t step) { safe_step_ = step; }

 private:
  std::optional<std::uint64_t> safe_step_;
};

}  // namespace gradloom
