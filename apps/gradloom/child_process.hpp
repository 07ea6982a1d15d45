#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

/// SIGINT or SIGTERM came while a child was waited for.
struct Interrupted {
  int signal;
};

/// As long as it lasts, SIGCHLD, SIGINT and SIGTERM reach this thread through wait() alone: there is no handler, and no
/// moment at which one of them could be missed. Where SIGINT or SIGTERM was ignored before (nohup, `&` in a script) it
/// stays so; SIGCHLD does not, for the system keeps no ended child for those who ignore it.
class HeldSignals {
 public:
  HeldSignals();
  ~HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  /// Returns when a child has changed its state or the time is over. Throws Interrupted.
  void wait(std::chrono::nanoseconds longest) const;
  /// For a child, before it becomes another program.
  void restore() const;

 private:
  sigset_t held_{}, before_{};
};

/// How a process ended: by itself with a code, or by a signal (then not 0).
struct ChildEnd {
  int code = 0;
  int signal = 0;
};

/// This program itself, run once more as a child. It dies with its parent, be the parent killed or this object
/// destroyed, and is never left a zombie.
class ChildProcess {
 public:
  using Clock = std::chrono::steady_clock;

  /// `words`: the command line behind the program's name. Standard output goes nowhere, standard error to the file
  /// `messages`, which is replaced. `signals` must outlive the child. Error where no process can be started.
  ChildProcess(const std::vector<std::string>& words, const std::string& messages, const HeldSignals& signals);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// How it ended; nothing where it still runs at `deadline`. Throws Interrupted.
  std::optional<ChildEnd> wait_until(Clock::time_point deadline);
  /// Sends SIGKILL; how it ended tells whether the signal was in time.
  ChildEnd kill();

 private:
  std::optional<ChildEnd> collect(bool wait);

  const HeldSignals& signals_;
  pid_t id_ = -1;  // -1 once it has been collected
};
