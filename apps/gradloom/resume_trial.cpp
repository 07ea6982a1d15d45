#include "apps/gradloom/resume_trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "gradloom/errors.hpp"
#include "gradloom/inspect.hpp"

namespace {

namespace fs = std::filesystem;
using Clock = ChildProcess::Clock;
using Seconds = std::chrono::duration<double>;

constexpr double kProbe = 0.125;          // of the minutes: how far the config comes in them is asked first
constexpr double kCheckpointsAPiece = 4;  // in a piece of mean length
constexpr double kStretch = 1.5;          // of the next piece where one got nowhere
constexpr std::size_t kThreads = 8;       // a piece has up to so many threads, or as many as the cores
constexpr const char* kError = "gradloom: error: ";
constexpr const char* kWarning = "gradloom: warning: ";

double seconds_since(Clock::time_point start) { return Seconds(Clock::now() - start).count(); }

Clock::time_point after(double seconds) {
  constexpr double kLongest = 1e6;  // far beyond any session, far within what the clock can count
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(std::min(seconds, kLongest)));
}

void write_copy(gradloom::Config config, const std::string& run_dir, const std::string& path) {
  config.run.dir = run_dir;
  std::ofstream out(path);
  if (!(out << gradloom::resolved_text(config)).flush())
    throw gradloom::FileError(fmt::format("{}: cannot be written", path));
}

void remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw gradloom::FileError(fmt::format("{}: cannot be removed: {}", path, error.message()));
}

/// The name of the newest step checkpoint: as the names are ordered. A temporary file starts with a dot.
std::string newest_checkpoint(const std::string& run) {
  std::string newest;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(run + "/checkpoints", absent))
    if (const std::string name = entry.path().filename().string(); name.starts_with("step-"))
      newest = std::max(newest, name);
  return newest;
}

/// Whole lines only: a kill may have cut off the last one.
std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line) && !in.eof();) lines.push_back(line);
  return lines;
}

/// A message about a key names its line in the copy, of which the user knows nothing: it shall name the key's origin.
std::string with_origin(const std::string& message, const std::string& copy, const gradloom::Config& config) {
  const std::string start = copy + ":";
  const std::size_t end = message.find(": ", start.size());
  if (!message.starts_with(start) || end == std::string::npos) return message;
  const std::string rest = message.substr(end + 2);
  const auto origin = config.origins.find(rest.substr(0, rest.find_first_of(" :")));
  return origin == config.origins.end() || origin->second == "default" ? rest : origin->second + ": " + rest;
}

/// At least 8, so that a small machine is tried with more threads than cores.
std::size_t most_threads(const gradloom::Config& config) {
  const std::size_t own = config.train.threads > 0 ? config.train.threads : std::thread::hardware_concurrency();
  return std::clamp<std::size_t>(own, kThreads, 640);  // 640: as train.threads
}

}  // namespace

ResumeTrial::ResumeTrial(const gradloom::Config& config, const TrialOptions& options, std::string scratch,
                         const HeldSignals& signals)
    : config_(config),
      options_(options),
      scratch_(std::move(scratch)),
      copy_(scratch_ + "/config.ini"),
      signals_(signals),
      random_(options.seed) {
  write_copy(config, folder("straight"), copy_);
}

double ResumeTrial::straight_minutes() const {
  return std::min(options_.minutes, config_.train.max_minutes.value_or(options_.minutes));
}

/// All compared runs must have the same limits, for a schedule may depend on them; and a limit of time ends no two runs
/// at the same step. So where a short run shows that the time will not do, the steps that fit into it become the limit.
const gradloom::EndReport& ResumeTrial::train_straight() {
  const double minutes = straight_minutes();
  limits_ = {fmt::format("--train.max-minutes={}", minutes * kProbe)};
  Clock::time_point start = Clock::now();
  train_until(Clock::time_point::max(), "straight", limits_, "straight run");
  straight_ = gradloom::last_end(folder("straight"));
  limits_ = {"--train.max-minutes=none"};
  if (straight_.reason == "max-minutes" && straight_.step > 0) {
    const double rate = static_cast<double>(straight_.step) / straight_.elapsed_seconds;
    const auto steps = std::max(straight_.step, static_cast<std::uint64_t>(rate * 60 * minutes));
    limits_.push_back(fmt::format("--train.max-steps={}", std::min(steps, config_.train.max_steps.value_or(steps))));
    remove_folder(folder("straight"));
    start = Clock::now();
    train_until(Clock::time_point::max(), "straight", limits_, "straight run");
    straight_ = gradloom::last_end(folder("straight"));
  }
  startup_seconds_ = std::max(seconds_since(start) - straight_.elapsed_seconds, 0.0);
  if (straight_.step == 0)
    throw gradloom::ConfigError(
        "verify-resume: this config trains no step, so nothing could be resumed; set train.epochs, train.max-steps and "
        "train.max-minutes above 0");
  return straight_;
}

std::vector<gradloom::FileComparison> ResumeTrial::run_round() {
  remove_folder(folder(fmt::format("round-{}", rounds_)));
  const std::string name = fmt::format("round-{}", ++rounds_);
  train_in_pieces(name);
  show("");
  return gradloom::compare_runs(folder("straight"), folder(name));
}

/// Pieces with what decides no bit: threads, prefetch, and how often a checkpoint is due.
ResumeTrial::Words ResumeTrial::piece_words(double mean_seconds) const {
  const double share = std::min(mean_seconds / std::max(straight_.elapsed_seconds, 1e-9), 1.0);
  const double steps = static_cast<double>(straight_.step) * share / kCheckpointsAPiece;
  const std::uint64_t every = std::max<std::uint64_t>(static_cast<std::uint64_t>(steps), 1);
  Words words = limits_;
  words.emplace_back("--resume");
  // What a diverged run goes back to hangs on where its checkpoints stand: those stay as the config has them.
  if (config_.train.on_divergence == gradloom::OnDivergence::kRollback) return words;
  words.push_back(
      fmt::format("--checkpoint.every-steps={}", std::min(every, config_.checkpoint.every_steps.value_or(every))));
  return words;
}

/// Moments are uniform from the start of the process to a limit by which the kills spread over the run, but no shorter
/// than twice the start-up, so that at least every other kill hits the training. Where a piece left no new checkpoint,
/// the next ones may last longer; where a run is complete without a kill, later kills come before it would be.
void ResumeTrial::train_in_pieces(const std::string& name) {
  const double kills_left = static_cast<double>(options_.kills - landed_);
  const double training =
      std::min(std::max(2 * straight_.elapsed_seconds / kills_left, startup_seconds_), straight_.elapsed_seconds);
  const double longest = std::min(startup_seconds_ + training, longest_piece_);
  const std::uint64_t landed_before = landed_;
  const Words words = piece_words(training / 2);
  std::uniform_int_distribution<std::size_t> threads(1, most_threads(config_));
  std::uniform_real_distribution<double> moment(0, 1);
  double stretch = 1;
  while (landed_ < options_.kills) {
    Words piece = words;
    const std::size_t count = threads(random_);
    piece.push_back(fmt::format("--train.threads={}", count));
    piece.push_back(fmt::format("--data.prefetch={}", random_() % 2 == 0 ? 0 : 2));
    threads_.insert(count);
    const std::string before = newest_checkpoint(folder(name));
    const std::string status = fmt::format("in pieces: {} of {} kills, round {}", landed_, options_.kills, rounds_);
    const Clock::time_point start = Clock::now();
    if (train_until(after(moment(random_) * stretch * longest), name, piece, status)) {
      if (landed_ == landed_before) longest_piece_ = seconds_since(start);
      return;
    }
    ++landed_;
    const bool got_on = newest_checkpoint(folder(name)) != before;
    progressed_ += got_on ? 1 : 0;
    stretch = got_on ? 1 : stretch * kStretch;
  }
  train_until(Clock::time_point::max(), name, words, "in pieces: the rest");
}

/// True where it was complete, false where it was killed at `deadline`.
bool ResumeTrial::train_until(Clock::time_point deadline, const std::string& name, const Words& words,
                              const std::string& status) {
  Words all = {"train", copy_, "--quiet", "--run.dir=" + folder(name)};
  all.insert(all.end(), words.begin(), words.end());
  const Clock::time_point start = Clock::now();
  ChildProcess child(all, folder("messages.txt"), signals_);
  std::optional<ChildEnd> end;
  do {
    show(fmt::format("{}, {:.0f} s", status, seconds_since(start)));
    end = child.wait_until(std::min(deadline, Clock::now() + std::chrono::seconds(1)));
  } while (!end && Clock::now() < deadline);
  const bool in_time = !end;
  if (in_time) end = child.kill();
  pass_on_warnings();
  if (in_time && end->signal == SIGKILL) return false;
  require_success(*end);
  return true;
}

/// Each once: every piece may have the same ones.
void ResumeTrial::pass_on_warnings() {
  for (const std::string& line : lines_of(folder("messages.txt"))) {
    if (!line.starts_with(kWarning) || !warnings_.insert(line).second) continue;
    show("");
    std::fputs((line + "\n").c_str(), stderr);
  }
}

void ResumeTrial::require_success(const ChildEnd& end) const {
  if (end.signal == 0 && end.code == 0) return;
  show("");
  if (end.signal != 0)
    throw gradloom::Error(fmt::format("the training process ended by signal {} ({}){}", end.signal,
                                      ::strsignal(end.signal),
                                      end.signal == SIGKILL ? ", which did not come from here: out of memory?" : ""));
  std::string error = fmt::format("the training process ended with exit code {}", end.code);
  for (const std::string& line : lines_of(folder("messages.txt")))
    if (line.starts_with(kError)) error = with_origin(line.substr(std::strlen(kError)), copy_, config_);
  throw gradloom::Error(error, gradloom::ExitCode{end.code});
}

void ResumeTrial::show(const std::string& text) const {
  if (!options_.terminal) return;
  std::fputs(("\r" + text + "\x1b[K").c_str(), stdout);
  std::fflush(stdout);
}
