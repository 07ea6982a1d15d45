#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/store.hpp"
#include "engine/io/durable_file.hpp"
#include "engine/report/metrics_log.hpp"
#include "gradloom/config.hpp"

namespace gradloom {

/// run.dir, or its default.
std::string run_dir_of(const Config& config);

/// What a resumed run goes on from.
struct ResumePoint {
  std::string path;
  std::uint64_t step = 0;
  std::uint64_t rollbacks = 0;
};

/// The folder of one run: lock, resolved config, metrics log, checkpoints. At most one process trains there.
class RunFolder {
 public:
  /// Nothing is created yet. Where the folder exists it is locked (ConfigError where another process holds it), and
  /// without `resume` one that holds checkpoints is refused (ConfigError with both ways out).
  RunFolder(const Config& config, bool resume);

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Of the file that keeps statistics of training rows that are streamed.
  [[nodiscard]] std::string statistics_path() const { return path_ + "/statistics.json"; }
  [[nodiscard]] CheckpointStore& checkpoints() { return checkpoints_; }

  /// The checkpoint to go on from: the newest whole one, else a whole best.h5; damaged ones on the way are told to
  /// `observer`. Nothing where there is none, or without `resume`.
  [[nodiscard]] std::optional<std::string> find_resume_point(TrainingObserver& observer) const;

  /// Creates what is missing, writes the resolved config, and opens the metrics log, cut back to `from` (nullopt:
  /// emptied). Step files after `from`, which recovery found damaged, are set aside as `damaged-...`; `observer` is
  /// told where that fails. ConfigError where the folder was not there when this object was made, and another process
  /// has trained in it since.
  void begin(const Config& config, const std::optional<ResumePoint>& from, TrainingObserver& observer);

  /// Points best.h5 at the best epoch that `progress` knows, where a kill came between checkpoint and link. One that is
  /// damaged, or of an epoch that is not the best here, is set aside where nothing replaces it, and told to `observer`.
  void restore_best(const Progress& progress, TrainingObserver& observer);

  [[nodiscard]] MetricsLog& metrics() { return *metrics_; }

 private:
  [[nodiscard]] bool holds_checkpoints() const;

  std::string path_;
  bool resume_;
  CheckpointStore checkpoints_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<MetricsLog> metrics_;
};

}  // namespace gradloom
