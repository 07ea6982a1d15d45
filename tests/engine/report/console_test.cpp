#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#include "engine/report/console_text.hpp"
#include "gradloom/progress.hpp"
#include "support/catch.hpp"

using namespace gradloom;

namespace {

/// What was written to a FILE.
class Captured {
 public:
  Captured() : file_(std::tmpfile(), &std::fclose) {}
  [[nodiscard]] std::FILE* file() const { return file_.get(); }
  [[nodiscard]] std::string text() const {
    std::string text;
    std::rewind(file_.get());
    for (int c = std::fgetc(file_.get()); c != EOF; c = std::fgetc(file_.get())) text += static_cast<char>(c);
    return text;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

StartReport start_report() {
  StartReport start;
  start.training_rows = 1000;
  start.validation_rows = 1;
  start.features = 3;
  start.outputs = 1;
  start.parameters = 42;
  start.steps_per_epoch = 10;
  start.total_steps = 25;
  start.shards = 4;
  start.shard_rows = 25;
  start.threads = 2;
  return start;
}

StepReport step_report(std::uint64_t step) {
  StepReport report;
  report.step = step;
  report.epoch = (step - 1) / 10 + 1;
  report.train_loss = 0.0123456789;
  report.learning_rate = 0.01;
  report.samples_per_second = 1234567;
  report.elapsed_seconds = 75;
  return report;
}

EpochReport epoch_report() {
  EpochReport report;
  static_cast<StepReport&>(report) = step_report(10);
  report.best = true;
  report.valid = Metrics{};
  report.valid->loss = 0.5;
  report.valid->values = {{{MetricKind::kR2}, 0.25}};
  return report;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("a bar is drawn every tenth of a second and taken away") {
  const Captured out;
  {
    WorkBar bar(out.file());
    bar.show({"reading", 100, 1000});
    bar.show({"reading", 200, 1000});
    CHECK(out.text().empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    bar.show({"reading", 500, 1000});
    CHECK(out.text().find("\rreading [") == 0);
    CHECK(out.text().find(" 50%") != std::string::npos);
  }
  CHECK(out.text().ends_with("\x1b[K\r\x1b[K"));
}

TEST_CASE("progress is one line with what is known") {
  CHECK(work_text({"writing", 250, 1000}, 100, 80) ==
        "writing [==========>                             ]  25%    100B/s    7.5s left");
  CHECK(work_text({"reading", 2'000'000'000, 1'000'000'000}, 5e8, 80).find("100%   500MB/s    0.0s left") !=
        std::string::npos);
  CHECK(work_text({"receiving", 1'200'000'000, 0}, 310e6, 80) == "receiving 1.2GB  310MB/s");
  CHECK(work_text({"reading", 0, 1000}, 0, 80).find("  0%      0B/s       ? left") != std::string::npos);
  CHECK(work_text({"reading", 250, 1000}, 100, 20).size() < 20);
}

TEST_CASE("Counts, times and numbers are short", "[report]") {
  CHECK(short_count(0) == "0");
  CHECK(short_count(999) == "999");
  CHECK(short_count(1234) == "1.23k");
  CHECK(short_count(4.567e6) == "4.57M");
  CHECK(short_count(2e12) == "999G");
  CHECK(short_count(std::numeric_limits<double>::infinity()) == "?");
  CHECK(short_duration(0.04) == "0.0s");
  CHECK(short_duration(9.96) == "10s");
  CHECK(short_duration(59.6) == "1m 00s");
  CHECK(short_duration(185) == "3m 05s");
  CHECK(short_duration(7620) == "2h 07m");
  CHECK(short_duration(3 * 86400 + 4 * 3600) == "3d 04h");
  CHECK(short_duration(std::nan("")) == "?");
  CHECK(short_duration(-1) == "?");
  CHECK(short_number(0.0123456789) == "0.012346");
}

TEST_CASE("An epoch that max-steps cuts short counts", "[report]") {
  StartReport start = start_report();
  CHECK(total_epochs(start) == 3);
  start.total_steps = 0;
  CHECK(total_epochs(start) == 0);
  start.steps_per_epoch = 0;
  CHECK(total_epochs(start) == 0);
}

TEST_CASE("The bar fits its width and shows how far training is", "[report]") {
  for (const std::size_t width : {0U, 1U, 10U, 60U, 80U, 200U}) {
    const std::string line = bar_text(start_report(), step_report(13), 1e6, 12, width);
    CAPTURE(width, line);
    CHECK(line.size() < std::max<std::size_t>(width, 1));
  }
  const std::string line = bar_text(start_report(), step_report(13), 1e6, 12, 100);
  CHECK(line.find("epoch 2/3 [") == 0);
  CHECK(line.find("52%  loss 0.012346      1M samples/s     12s left") != std::string::npos);
  const std::string end = bar_text(start_report(), step_report(25), 1e6, 0, 100);
  CHECK(end.find("100%") != std::string::npos);
  CHECK(end.find('>') == std::string::npos);
}

TEST_CASE("Without a terminal there are plain lines for steps and epochs", "[report]") {
  const Captured out;
  const auto console = make_console_observer(out.file(), false);
  console->on_start(start_report());
  console->on_step(step_report(1), false);
  console->on_step(step_report(2), true);
  console->on_epoch(epoch_report());
  console->on_warning("a warning");
  console->on_end({});
  const std::string text = out.text();
  CHECK(text.find("data: 1000 training rows, 3 features, 1 output; 1 validation row\n") == 0);
  CHECK(text.find("network: 42 parameters\n") != std::string::npos);
  CHECK(text.find("step 1/25") == std::string::npos);
  CHECK(text.find("step 2/25  epoch 1/3  loss 0.012346  learning rate 0.01  1.23M samples/s  1m 15s\n") !=
        std::string::npos);
  CHECK(
      text.find("epoch 1/3  step 10  train loss 0.012346  valid loss 0.5  r2 0.25  1.23M samples/s  1m 15s  best\n") !=
      std::string::npos);
  CHECK(text.find("warning: a warning\n") != std::string::npos);
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("On a terminal lines stand above the bar and the bar is gone at the end", "[report]") {
  const Captured out;
  const auto console = make_console_observer(out.file(), true);
  console->on_start(start_report());
  console->on_step(step_report(1), false);
  console->on_warning("a warning");
  for (std::uint64_t step = 2; step <= 25; ++step) console->on_step(step_report(step), true);
  console->on_end({});
  const std::string text = out.text();
  const std::string erase = "\r\x1b[K";
  CHECK(text.find(erase + "warning: a warning\n") != std::string::npos);
  CHECK(text.ends_with(erase));
  CHECK(text.find("100%") != std::string::npos);
  CHECK(count(text, "\r") >= 4);  // first bar, erased for the warning, drawn again, erased at the end
}

TEST_CASE("A resumed run says where it goes on", "[report]") {
  StartReport start = start_report();
  start.resumed_from = "runs/a/checkpoints/step-000000000010.h5";
  start.step = 10;
  CHECK(start_text(start).find("resumed from runs/a/checkpoints/step-000000000010.h5 at step 10\n") !=
        std::string::npos);
}
