#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "engine/report/console_text.hpp"
#include "gradloom/progress.hpp"

namespace gradloom {
namespace {

/// A reader that went away must not end a training run, so failed writes are let pass.
void write_text(std::FILE* out, const std::string& text) {
  std::fputs(text.c_str(), out);
  std::fflush(out);
}

using Clock = std::chrono::steady_clock;

/// Lines at their own pace: the first, then none before `gap` has passed since the last one.
class Pace {
 public:
  explicit Pace(Clock::duration gap) : gap_(gap) {}
  bool due() {
    const Clock::time_point now = Clock::now();
    if (last_ && now - *last_ < gap_) return false;
    last_ = now;
    return true;
  }

 private:
  Clock::duration gap_;
  std::optional<Clock::time_point> last_;
};

constexpr auto kBetweenSteps = std::chrono::seconds(2);          // metrics.jsonl has all logged steps
constexpr auto kBetweenEpochs = std::chrono::milliseconds(100);  // tiny networks: thousands of epochs a second
constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);

/// A line for each epoch, and for a logged step where an epoch takes long.
class PlainConsole final : public TrainingObserver {
 public:
  explicit PlainConsole(std::FILE* out) : out_(out) {}

  void on_start(const StartReport& start) override {
    start_ = start;
    write_text(out_, start_text(start));
  }
  void on_step(const StepReport& step, bool logged) override {
    if (logged && steps_.due()) write_text(out_, step_text(start_, step) + "\n");
  }
  void on_epoch(const EpochReport& epoch) override {
    if (epochs_.due() || epoch.step == start_.total_steps) write_text(out_, epoch_text(start_, epoch) + "\n");
  }
  void on_warning(const std::string& line) override { write_text(out_, "warning: " + line + "\n"); }

 private:
  std::FILE* out_;  // must outlive the observer
  StartReport start_;
  Pace steps_{kBetweenSteps}, epochs_{kBetweenEpochs};
};

/// A bar that is drawn over itself; epochs and warnings scroll away above it.
class BarConsole final : public TrainingObserver {
 public:
  explicit BarConsole(std::FILE* out) : out_(out) {}
  ~BarConsole() override { clear_bar(); }
  BarConsole(const BarConsole&) = delete;
  BarConsole& operator=(const BarConsole&) = delete;

  void on_start(const StartReport& start) override {
    start_ = start;
    began_ = Clock::now();
    write_text(out_, start_text(start));
  }

  void on_step(const StepReport& step, bool /*logged*/) override {
    if (!drawings_.due() && bar_shown_ && step.step != start_.total_steps) return;
    bar_shown_ = true;
    write_text(out_, "\r" + bar(step) + "\x1b[K");
  }

  void on_epoch(const EpochReport& epoch) override {
    if (epochs_.due() || epoch.step == start_.total_steps) above_bar(epoch_text(start_, epoch));
  }

  void on_warning(const std::string& line) override { above_bar("warning: " + line); }
  void on_end(const EndReport& /*end*/) override { clear_bar(); }

 private:
  /// Rate and time left go by the mean of this session: they stay calm.
  [[nodiscard]] std::string bar(const StepReport& step) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const double steps_per_second = static_cast<double>(step.step - start_.step) / seconds;
    const double rows_per_step =
        static_cast<double>(start_.training_rows) / static_cast<double>(start_.steps_per_epoch);
    const double left = static_cast<double>(start_.total_steps - std::min(step.step, start_.total_steps));
    return bar_text(start_, step, steps_per_second * rows_per_step, left / steps_per_second, terminal_width(out_));
  }

  void above_bar(const std::string& line) {
    clear_bar();
    write_text(out_, line + "\n");
  }

  void clear_bar() {
    if (bar_shown_) write_text(out_, "\r\x1b[K");
    bar_shown_ = false;
  }

  std::FILE* out_;  // must outlive the observer
  StartReport start_;
  Clock::time_point began_;
  Pace drawings_{kBetweenDrawings}, epochs_{kBetweenEpochs};
  bool bar_shown_ = false;
};

}  // namespace

std::size_t terminal_width(std::FILE* terminal) {
  winsize size{};
  if (::ioctl(::fileno(terminal), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const long value = columns ? std::strtol(columns, nullptr, 10) : 0;
  return value > 0 && value < 10'000 ? static_cast<std::size_t>(value) : 80;
}

WorkBar::WorkBar(std::FILE* out) : out_(out) {}

WorkBar::~WorkBar() {
  if (shown_) write_text(out_, "\r\x1b[K");
}

// Rate and time left go by the mean of the phase.
void WorkBar::show(const WorkProgress& progress) {
  const Clock::time_point now = Clock::now();
  if (progress.phase != phase_) {
    phase_ = progress.phase;
    began_ = drawn_ = now;
    first_done_ = progress.done;
  }
  if (now - drawn_ < kBetweenDrawings) return;  // what is over sooner needs no bar
  shown_ = true;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - began_).count();
  const double rate = static_cast<double>(progress.done - first_done_) / seconds;
  write_text(out_, "\r" + work_text(progress, rate, terminal_width(out_)) + "\x1b[K");
}

std::unique_ptr<TrainingObserver> make_console_observer(std::FILE* out, bool is_terminal) {
  if (is_terminal) return std::make_unique<BarConsole>(out);
  return std::make_unique<PlainConsole>(out);
}

}  // namespace gradloom
