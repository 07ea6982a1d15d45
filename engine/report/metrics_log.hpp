#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/io/append_file.hpp"
#include "gradloom/trainer.hpp"

namespace gradloom {

/// `metrics.jsonl`: a JSON object a line, appended whole, with "kind" one of "start", "step", "epoch", "checkpoint",
/// "end". NaN and Inf stand as null.
class MetricsLog final : public TrainingObserver {
 public:
  /// Opens for appending. `from_step` is where the run goes on: lines of later steps, and a line that was cut off, are
  /// removed first, so that no step stands twice; nullopt starts an empty log. FileError where the file cannot be
  /// read or written.
  MetricsLog(std::string path, std::optional<std::uint64_t> from_step);

  void on_start(const StartReport& report) override;
  void on_step(const StepReport& report, bool logged) override;
  void on_epoch(const EpochReport& report) override;
  void on_checkpoint(const std::string& path, std::uint64_t step) override;
  void on_checkpoint_failed(std::uint64_t step, const std::string& reason) override;
  void on_end(const EndReport& report) override;

  /// Why lines are waiting in memory since the last one; nothing where all are written.
  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }

  /// FileError where lines are still waiting after another try.
  void flush() { file_->flush(); }

  /// Returns when all lines that are written are on disk. May be called by another thread than the rest.
  void sync() const { file_->sync(); }

 private:
  void append(const std::string& line);

  std::string path_;
  std::unique_ptr<AppendFile> file_;
  std::optional<std::string> failure_;
};

}  // namespace gradloom
