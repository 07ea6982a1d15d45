#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "apps/gradloom/child_process.hpp"
#include "gradloom/compare.hpp"
#include "gradloom/config.hpp"
#include "gradloom/trainer.hpp"

struct TrialOptions {
  std::uint64_t kills = 10;
  double minutes = 2;  ///< that the straight run may train
  std::uint64_t seed = 0;
  bool terminal = false;  ///< show on standard output what is under way
};

/// One config trained straight, and in pieces that end by SIGKILL. Every training is a child process in a subfolder of
/// one scratch folder. Interrupted ends any of it.
class ResumeTrial {
 public:
  /// Writes the copy of the config into `scratch`, an empty folder. All references must outlive the trial.
  ResumeTrial(const gradloom::Config& config, const TrialOptions& options, std::string scratch,
              const HeldSignals& signals);

  /// Trains without interruption. Error with a child's own message and exit code where it fails; ConfigError where the
  /// config trains no step.
  const gradloom::EndReport& train_straight();

  /// Trains once more, in pieces, to the same end, and compares. Call after train_straight(). The round's folder goes
  /// with the next round. Error as above.
  std::vector<gradloom::FileComparison> run_round();

  [[nodiscard]] std::uint64_t landed() const { return landed_; }
  /// Of the landed kills: those before which the piece had written a new checkpoint.
  [[nodiscard]] std::uint64_t progressed() const { return progressed_; }
  [[nodiscard]] std::uint64_t rounds() const { return rounds_; }
  [[nodiscard]] const std::set<std::size_t>& threads() const { return threads_; }

 private:
  using Words = std::vector<std::string>;
  using Clock = ChildProcess::Clock;

  [[nodiscard]] std::string folder(const std::string& name) const { return scratch_ + "/" + name; }
  [[nodiscard]] double straight_minutes() const;
  [[nodiscard]] Words piece_words(double mean_seconds) const;
  void train_in_pieces(const std::string& name);
  bool train_until(Clock::time_point deadline, const std::string& name, const Words& words, const std::string& status);
  void pass_on_warnings();
  void require_success(const ChildEnd& end) const;
  void show(const std::string& text) const;

  // Constant after construction.
  const gradloom::Config& config_;
  const TrialOptions options_;
  const std::string scratch_, copy_;
  const HeldSignals& signals_;

  std::mt19937_64 random_;
  gradloom::EndReport straight_;
  double startup_seconds_ = 0;                                      ///< of a process, before and after its training
  double longest_piece_ = std::numeric_limits<double>::infinity();  ///< seconds
  Words limits_;                                                    ///< of all runs that are compared
  std::uint64_t landed_ = 0, progressed_ = 0, rounds_ = 0;
  std::set<std::size_t> threads_;
  std::set<std::string> warnings_;  ///< those that were passed on
};
