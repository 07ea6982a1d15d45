#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

/// A line on standard error that shows how far a command is, redrawn at most ten times a second and wiped at the end;
/// nothing where standard error is no terminal.
class WorkBar {
 public:
  WorkBar();
  ~WorkBar();
  WorkBar(const WorkBar&) = delete;
  WorkBar& operator=(const WorkBar&) = delete;

  /// `done` of `total` of what is under way; each phase is timed by itself.
  void show(const std::string& phase, std::uint64_t done, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  const bool on_terminal_;
  bool shown_ = false;
  std::string phase_;
  Clock::time_point began_;  // the phase
  std::optional<Clock::time_point> drawn_;
};

/// "copying [======>     ]  52%    12s left", of less than `width` columns.
std::string work_text(const std::string& phase, double share, double seconds, std::size_t width);
