#pragma once

#include <cstdint>
#include <optional>
#include <string>

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
  ~MetricsLog() override;
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  void on_start(const StartReport& report) override;
  void on_step(const StepReport& report, bool logged) override;
  void on_epoch(const EpochReport& report) override;
  void on_checkpoint(const std::string& path, std::uint64_t step) override;
  void on_end(const EndReport& report) override;

  /// Returns when all lines are on disk.
  void sync();

 private:
  void append(const std::string& line);

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace gradloom
