#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "apps/gradloom/commands.hpp"
#include "gradloom/config.hpp"
#include "gradloom/progress.hpp"
#include "gradloom/trainer.hpp"

namespace {

constexpr int kSignalExit = 128;  // a shell's code for "ended by signal N" is 128 + N

std::atomic<int> stop_signal{0};
std::atomic<int> checkpoint_requests{0};
static_assert(std::atomic<int>::is_always_lock_free, "the signal handler may use nothing else");

/// The first signal asks for a checkpoint and an end; the second ends at once.
void handle_signal(int number) {
  if (stop_signal.exchange(number) != 0) ::_exit(kSignalExit + number);
}

void handle_checkpoint_request(int /*number*/) { ++checkpoint_requests; }

void install_handlers() {
  struct sigaction action {};
  action.sa_handler = handle_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // ignored: as `nohup` and `&` ask
  }
  action.sa_handler = handle_checkpoint_request;
  ::sigaction(SIGUSR1, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader of the progress lines may leave; the run goes on
}

/// `--quiet`: nothing but warnings.
class QuietObserver final : public gradloom::TrainingObserver {
 public:
  void on_warning(const std::string& line) override {
    std::fputs(fmt::format("gradloom: warning: {}\n", line).c_str(), stderr);
  }
};

void print_test(const gradloom::Metrics& test) {
  std::string text = fmt::format("test: loss {:.6g}", test.loss);
  for (const auto& [metric, value] : test.values) text += fmt::format("  {} {:.6g}", to_string(metric), value);
  std::fputs((text + "\n").c_str(), stdout);
}

/// Held-out data as a shell takes them.
std::string as_argument(const std::string& files) {
  if (files.empty()) return "DATA";
  return files.find_first_of(" *?[") == std::string::npos ? files : "'" + files + "'";
}

void print_end(const gradloom::Config& config, const gradloom::EndReport& end, const std::string& config_path) {
  std::string text =
      fmt::format("{} after {} steps and {} epochs in {:.1f} s ({})\n", end.reason == "signal" ? "stopped" : "done",
                  end.step, end.epoch, end.elapsed_seconds, end.reason);
  text += fmt::format("run folder: {}\n", config.run.dir);
  if (!end.last_checkpoint.empty()) text += fmt::format("last checkpoint: {}\n", end.last_checkpoint);
  if (end.restored_step)
    text +=
        fmt::format("restored: it holds the best epoch's state, of step {} (train.restore-best)\n", *end.restored_step);
  if (!end.best_checkpoint.empty()) text += fmt::format("best checkpoint: {}\n", end.best_checkpoint);
  const std::string& held_out = config.data.test.empty() ? config.data.valid : config.data.test;
  if (end.reason == "signal")
    text += fmt::format("next: gradloom train {} --resume (with the same --SECTION.KEY=VALUE, if any)\n", config_path);
  else
    text += fmt::format("next: gradloom evaluate {} {}\n", config.run.dir, as_argument(held_out));
  // Nobody reading is no reason for an exit code that says the training failed.
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int run(const Arguments& arguments) {
  const std::string& path = arguments.positionals().front();
  install_handlers();
  const gradloom::Config config = gradloom::load_config(path, arguments.overrides());
  QuietObserver quiet;
  const auto console = gradloom::make_console_observer(stdout, ::isatty(STDOUT_FILENO) == 1);
  gradloom::TrainOptions options;
  options.resume = arguments.has("resume");
  options.stop = &stop_signal;
  options.checkpoint_requests = &checkpoint_requests;
  options.observer = arguments.has("quiet") ? &quiet : console.get();
  const gradloom::EndReport end = gradloom::train(config, options);
  if (!arguments.has("quiet")) {
    if (end.test) print_test(*end.test);
    print_end(config, end, path);
  }
  return end.reason == "signal" ? kSignalExit + stop_signal.load() : 0;
}

}  // namespace

Command train_command() {
  return {{"train",
           {"CONFIG"},
           "Trains the network that the config describes.",
           {{"resume", "", "go on from the run folder's newest valid checkpoint, or start where there is none"},
            {"quiet", "", "print nothing but warnings and errors"}},
           true,
           "SIGINT and SIGTERM end training after the step under way, with a checkpoint (exit 130, 143); a second one\n"
           "ends it at once. SIGUSR1 has a checkpoint written, and training goes on.\n"},
          run};
}
