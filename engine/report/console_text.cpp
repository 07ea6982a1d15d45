#include "engine/report/console_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradloom {
namespace {

std::string valid_text(const Metrics& metrics) {
  std::string text = fmt::format("  valid loss {}", short_number(metrics.loss));
  for (const auto& [metric, value] : metrics.values)
    text += fmt::format("  {} {}", to_string(metric), short_number(value));
  return text;
}

std::string plural(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Head, bar and tail in less than `width` columns; the bar, of which `done` (0 to 1) is filled, where there is room.
std::string line_with_bar(const std::string& head, double done, const std::string& tail, std::size_t width) {
  constexpr std::size_t kMinBar = 5, kMaxBar = 40;
  const std::size_t fixed = head.size() + tail.size() + 3;  // brackets, and the last column, which wraps on some
  std::string bar;
  if (width > fixed + kMinBar) {
    const std::size_t cells = std::min(width - fixed, kMaxBar);
    const auto filled = static_cast<std::size_t>(done * static_cast<double>(cells));
    bar = std::string(filled, '=') + (filled < cells ? ">" : "");
    bar = "[" + bar + std::string(cells - bar.size(), ' ') + "]";
  }
  const std::string line = head + bar + tail;
  return line.substr(0, width == 0 ? 0 : width - 1);
}

}  // namespace

std::string short_count(double count) {
  if (!std::isfinite(count)) return "?";
  for (const auto& [unit, letter] : {std::pair{1e9, 'G'}, std::pair{1e6, 'M'}, std::pair{1e3, 'k'}})
    if (count >= unit) return fmt::format("{:.3g}{}", std::min(count / unit, 999.0), letter);
  return fmt::format("{:.0f}", count);
}

std::string short_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::min(seconds + 0.5, 1e12));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h {:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d {:02}h", whole / 86400, whole / 3600 % 24);
}

std::string short_number(double value) { return fmt::format("{:.5g}", value); }

std::string start_text(const StartReport& start) {
  std::string text = fmt::format("data: {}, {}, {}", plural(start.training_rows, "training row"),
                                 plural(start.features, "feature"), plural(start.outputs, "output"));
  if (start.validation_rows > 0) text += fmt::format("; {}", plural(start.validation_rows, "validation row"));
  text += fmt::format("\nnetwork: {}\n", plural(start.parameters, "parameter"));
  text += fmt::format("steps: {} an epoch, {} in all; {} of {}, {}\n", start.steps_per_epoch, start.total_steps,
                      plural(start.shards, "shard"), plural(start.shard_rows, "row"), plural(start.threads, "thread"));
  if (!start.resumed_from.empty()) text += fmt::format("resumed from {} at step {}\n", start.resumed_from, start.step);
  return text;
}

std::uint64_t total_epochs(const StartReport& start) {
  if (start.steps_per_epoch == 0) return 0;
  return start.total_steps / start.steps_per_epoch + (start.total_steps % start.steps_per_epoch != 0 ? 1 : 0);
}

std::string step_text(const StartReport& start, const StepReport& step) {
  return fmt::format("step {}/{}  epoch {}/{}  loss {}  learning rate {}  {} samples/s  {}", step.step,
                     start.total_steps, step.epoch, total_epochs(start), short_number(step.train_loss),
                     short_number(step.learning_rate), short_count(step.samples_per_second),
                     short_duration(step.elapsed_seconds));
}

std::string epoch_text(const StartReport& start, const EpochReport& epoch) {
  return fmt::format("epoch {}/{}  step {}  train loss {}{}  {} samples/s  {}{}", epoch.epoch, total_epochs(start),
                     epoch.step, short_number(epoch.train_loss), epoch.valid ? valid_text(*epoch.valid) : "",
                     short_count(epoch.samples_per_second), short_duration(epoch.elapsed_seconds),
                     epoch.best ? "  best" : "");
}

std::string bar_text(const StartReport& start, const StepReport& step, double samples_per_second, double seconds_left,
                     std::size_t width) {
  const double total = static_cast<double>(std::max<std::uint64_t>(start.total_steps, 1));
  const double done = std::min(1.0, static_cast<double>(step.step) / total);
  const std::string head = fmt::format("epoch {}/{} ", step.epoch, total_epochs(start));
  // Padded, so that the bar does not tremble with the lengths of the numbers.
  const std::string tail =
      fmt::format(" {:3.0f}%  loss {:<10} {:>5} samples/s  {:>6} left", std::floor(100 * done),
                  short_number(step.train_loss), short_count(samples_per_second), short_duration(seconds_left));
  return line_with_bar(head, done, tail, width);
}

std::string work_text(const WorkProgress& progress, double bytes_per_second, std::size_t width) {
  const double done = static_cast<double>(progress.done), total = static_cast<double>(progress.total);
  const std::string head = progress.phase + " ", rate = short_count(bytes_per_second);
  if (progress.total == 0)
    return fmt::format("{}{}B  {}B/s", head, short_count(done), rate).substr(0, width == 0 ? 0 : width - 1);
  const double share = std::min(1.0, done / total);
  const std::string left = short_duration(std::max(0.0, total - done) / bytes_per_second);
  return line_with_bar(head, share, fmt::format(" {:3.0f}%  {:>5}B/s  {:>6} left", std::floor(100 * share), rate, left),
                       width);
}

}  // namespace gradloom
