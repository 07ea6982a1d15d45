#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "apps/gradloom/commands.hpp"
#include "apps/gradloom/resume_trial.hpp"
#include "apps/gradloom/scratch_folder.hpp"
#include "gradloom/errors.hpp"

namespace {

constexpr std::size_t kDifferencesShown = 5;  // of a file

using Comparison = std::vector<gradloom::FileComparison>;

TrialOptions trial_options(const Arguments& arguments) {
  TrialOptions options;
  options.kills = arguments.integer("kills", 1, 1'000'000).value_or(options.kills);
  options.minutes = arguments.real("minutes").value_or(options.minutes);
  constexpr double kWeek = 7 * 24 * 60;
  if (options.minutes <= 0 || options.minutes > kWeek)
    arguments.refuse(fmt::format("--minutes {}: must be above 0, and a week (10080) at most", options.minutes));
  options.seed = arguments.integer("seed").value_or(std::random_device{}());
  options.terminal = ::isatty(STDOUT_FILENO) == 1;
  return options;
}

bool same(const Comparison& files) {
  return std::all_of(files.begin(), files.end(), [](const auto& file) { return file.differences.empty(); });
}

std::string names(const Comparison& files) {
  std::vector<std::string> names;
  for (const gradloom::FileComparison& file : files) names.push_back(file.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void print_differences(const Comparison& files) {
  print("DIFFERENT: straight run against run in pieces\n");
  for (const auto& [name, lines] : files) {
    for (std::size_t i = 0; i < std::min(lines.size(), kDifferencesShown); ++i)
      print(fmt::format("  {}: {}\n", name, lines[i]));
    if (lines.size() > kDifferencesShown) print(fmt::format("  {}: {} more\n", name, lines.size() - kDifferencesShown));
  }
}

/// Rounds until all kills have landed, or until one is not as the straight run is.
Comparison run_rounds(ResumeTrial& trial, std::uint64_t kills) {
  Comparison files;
  while (trial.landed() < kills && same(files)) files = trial.run_round();
  return files;
}

/// What fails where the straight run did not is worth looking at, so its files stay.
Comparison run_rounds_or_keep(ResumeTrial& trial, std::uint64_t kills, ScratchFolder& scratch) {
  try {
    return run_rounds(trial, kills);
  } catch (const gradloom::Error& error) {
    scratch.keep();
    throw gradloom::Error(fmt::format("{} (a resumed piece, where the straight run passed; both are kept in {})",
                                      error.what(), scratch.path()),
                          error.code());
  }
}

int verify_resume(const gradloom::Config& config, const TrialOptions& options) {
  const HeldSignals signals;
  ScratchFolder scratch(config.run.dir);
  ResumeTrial trial(config, options, scratch.path(), signals);
  const gradloom::EndReport straight = trial.train_straight();
  print(fmt::format("{}straight run: {} steps in {:.1f} s ({})\n", options.terminal ? "\r\x1b[K" : "", straight.step,
                    straight.elapsed_seconds, straight.reason));
  const Comparison files = run_rounds_or_keep(trial, options.kills, scratch);
  print(fmt::format("in pieces: {} kills landed, {} of them behind a new checkpoint; {} round{}, threads {}, seed {}\n",
                    trial.landed(), trial.progressed(), trial.rounds(), trial.rounds() == 1 ? "" : "s",
                    fmt::join(trial.threads(), " "), options.seed));
  if (same(files)) {
    print(fmt::format("same bits: {}\n", names(files)));
    return 0;
  }
  scratch.keep();
  print_differences(files);
  throw gradloom::Error(
      fmt::format("a run in pieces differs from one without interruption, which is a defect of gradloom unless data or "
                  "config changed meanwhile; both are kept in {}",
                  scratch.path()));
}

int run_verify_resume(const Arguments& arguments) {
  const TrialOptions options = trial_options(arguments);
  const gradloom::Config config = gradloom::load_config(arguments.positionals().front(), arguments.overrides());
  std::signal(SIGPIPE, SIG_IGN);  // a closed output is an error like others, after which the scratch folder goes
  try {
    return verify_resume(config, options);
  } catch (const Interrupted& interrupted) {
    if (options.terminal) print("\n");
    return 128 + interrupted.signal;  // as a shell says it
  }
}

}  // namespace

Command verify_resume_command() {
  return {
      {"verify-resume",
       {"CONFIG"},
       "Proves on your own config that a killed and resumed run gives the same bits.",
       {{"kills", "N", "kills that must land; 10 by default"},
        {"minutes", "M", "training time of the straight run; 2 by default"},
        {"seed", "K", "decides moments and thread counts; random by default, and printed"}},
       true,
       "Trains a copy of the config straight, then in pieces: each is killed by SIGKILL at a random moment (start-up\n"
       "and writes of checkpoints included) and resumed with another number of threads, with and without\n"
       "data.prefetch, with checkpoints often enough that most pieces leave one. Both runs must end the same: every\n"
       "bit under /model, /average, /optimizer and /progress of the last checkpoint, of best.h5 and of each\n"
       "checkpoint that both kept, and the step and epoch lines of metrics.jsonl but for their times. Where the\n"
       "pieces are complete before N kills have landed, another round starts.\n"
       "\n"
       "A config that trains longer than M minutes (or its own train.max-minutes) is cut to the steps that fit into\n"
       "them: train.max-steps of both runs. In all it takes about 2 M minutes, and N times the start-up. The run\n"
       "folder is not touched: everything happens in RUN.DIR.verify-XXXXXX beside it, which is removed, unless the\n"
       "pieces failed or differ. SIGKILL ends processes, not the machine: what a power failure would take is not\n"
       "tried.\n"
       "\n"
       "Exit: 0 same bits, 1 different ones; where training itself fails, its error and its exit code.\n"},
      run_verify_resume};
}
