#pragma once

#include <memory>
#include <string>

#include "gradloom/evaluation.hpp"
#include "gradloom/trainer.hpp"

/// A command that trains: what it shows, and the signals that it answers to. One of them at a time.
class TrainingSession {
 public:
  /// From here on SIGINT and SIGTERM ask for a checkpoint and an end, and a second one ends at once; SIGUSR1 asks for a
  /// checkpoint. `quiet`: only warnings are shown.
  explicit TrainingSession(bool quiet);

  /// For train(). The session must outlive it.
  [[nodiscard]] gradloom::TrainOptions options(bool resume) const;
  /// The exit code of what ended by `reason`, as EndReport has it.
  [[nodiscard]] int exit_code(const std::string& reason) const;

 private:
  std::unique_ptr<gradloom::TrainingObserver> observer_;
};

/// A line with the loss and every metric.
std::string test_line(const gradloom::Metrics& test);
