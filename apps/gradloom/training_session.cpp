#include "apps/gradloom/training_session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "gradloom/progress.hpp"

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

}  // namespace

TrainingSession::TrainingSession(bool quiet)
    : observer_(quiet ? std::make_unique<QuietObserver>()
                      : gradloom::make_console_observer(stdout, ::isatty(STDOUT_FILENO) == 1)) {
  install_handlers();
}

gradloom::TrainOptions TrainingSession::options(bool resume) const {
  gradloom::TrainOptions options;
  options.resume = resume;
  options.stop = &stop_signal;
  options.checkpoint_requests = &checkpoint_requests;
  options.observer = observer_.get();
  return options;
}

int TrainingSession::exit_code(const std::string& reason) const {
  return reason == "signal" ? kSignalExit + stop_signal.load() : 0;
}

std::string test_line(const gradloom::Metrics& test) {
  std::string text = fmt::format("test: loss {:.6g}", test.loss);
  for (const auto& [metric, value] : test.values) text += fmt::format("  {} {:.6g}", to_string(metric), value);
  return text + "\n";
}
