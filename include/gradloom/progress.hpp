#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "gradloom/trainer.hpp"
#include "gradloom/work_progress.hpp"

namespace gradloom {

/// Shows training to a person: on a terminal a bar with epoch, loss, samples per second and time left, redrawn at most
/// ten times a second; elsewhere a plain line for each epoch (at most ten a second) and, where an epoch takes long, for
/// a logged step every other second. `out` must outlive the observer.
std::unique_ptr<TrainingObserver> make_console_observer(std::FILE* out, bool is_terminal);

/// Columns of a terminal: its own word, else COLUMNS of the environment, else 80.
std::size_t terminal_width(std::FILE* terminal);

/// A bar for the passes of an import or a repack, for their options' on_progress: redrawn ten times a second.
class WorkBar {
 public:
  /// `out`, a terminal, must outlive the bar.
  explicit WorkBar(std::FILE* out);
  /// Leaves nothing of the bar on the terminal.
  ~WorkBar();
  WorkBar(const WorkBar&) = delete;
  WorkBar& operator=(const WorkBar&) = delete;

  void show(const WorkProgress& progress);

 private:
  using Clock = std::chrono::steady_clock;

  std::FILE* out_;
  std::string phase_;
  Clock::time_point began_, drawn_;  ///< the phase, and the bar
  std::uint64_t first_done_ = 0;     ///< bytes when the phase began
  bool shown_ = false;
};

}  // namespace gradloom
