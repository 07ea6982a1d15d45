#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/io/append_file.hpp"
#include "gradloom/trainer.hpp"

namespace gradloom {

/// Where a run stands, for its log.
struct LogPosition {
  std::uint64_t step = 0;
  std::uint64_t rollbacks = 0;
};

/// `metrics.jsonl`: a JSON object a line, appended whole, with "kind" one of "start", "step", "epoch", "checkpoint",
/// "checkpoint-failed", "rollback", "end". NaN and Inf stand as null, bytes that are no UTF-8 as U+FFFD.
class MetricsLog final : public TrainingObserver {
 public:
  /// Opens for appending. `from` is where the run goes on: what came later, and a line that was cut off, are removed
  /// first, so that no step stands twice; nullopt starts an empty log. FileError where the file cannot be read or
  /// written.
  MetricsLog(std::string path, const std::optional<LogPosition>& from);

  void on_start(const StartReport& report) override;
  void on_step(const StepReport& report, bool logged) override;
  void on_epoch(const EpochReport& report) override;
  void on_checkpoint(const std::string& path, std::uint64_t step) override;
  void on_checkpoint_failed(std::uint64_t step, const std::string& reason) override;
  /// Removes the steps that are taken again. FileError as for the constructor.
  void on_rollback(const RollbackReport& report) override;
  void on_end(const EndReport& report) override;

  /// Why lines are waiting in memory since the last one; nothing where all are written.
  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }

  /// Tries to write the lines that are waiting.
  void retry() { failure_ = file_->append(""); }

  /// FileError where lines are still waiting after another try.
  void flush() { file_->flush(); }

  /// Returns when all lines that are written are on disk. May be called by another thread than the rest.
  void sync() const { file_->sync(); }

 private:
  void append(const std::string& line);
  void start_with(const std::string& text);

  std::string path_;
  std::unique_ptr<AppendFile> file_;
  std::optional<std::string> failure_;
};

}  // namespace gradloom
