#include "gradloom/schedule.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "apps/gradloom/commands.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/progress.hpp"

namespace {

using gradloom::Config;
using gradloom::LearningRateCurve;
using gradloom::ScheduleType;
using gradloom::ScheduleUnit;

constexpr std::uint64_t kPoints = 20;  // of the table, about
constexpr std::size_t kPlotRows = 12;
constexpr std::size_t kPlotLabels = 11;  // columns of the numbers beside it
constexpr std::size_t kSamples = 16;     // of a column of the plot

bool by_epoch(const Config& config) {
  return config.schedule.type == ScheduleType::kPlateau || config.schedule.unit == ScheduleUnit::kEpoch;
}

std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

/// Steps between the lines where --every is left out: whole epochs where the learning rate stays within them.
std::uint64_t usual_distance(const Config& config, const LearningRateCurve& curve) {
  const std::uint64_t unit = by_epoch(config) ? curve.steps_per_epoch : 1;
  return unit * std::max<std::uint64_t>(divide_up(divide_up(curve.steps, unit), kPoints), 1);
}

/// Calls `visit` for the first step, every multiple of `every`, the last step of the warm-up, and the last of all.
template <class Visit>
void for_each_point(const Config& config, const LearningRateCurve& curve, std::uint64_t every, const Visit& visit) {
  const std::uint64_t warm = config.schedule.warmup_steps;
  for (std::uint64_t step = std::min<std::uint64_t>(1, curve.steps); step != 0;) {
    visit(step);
    if (step == curve.steps) return;
    const std::uint64_t multiple = step / every * every;
    std::uint64_t next = curve.steps - multiple > every ? multiple + every : curve.steps;
    if (step < warm) next = std::min(next, warm);
    step = next;
  }
}

/// Prints `text`, what `format` makes of every point, in pieces: there may be many.
template <class Format>
void print_points(const Config& config, const LearningRateCurve& curve, std::uint64_t every, std::string text,
                  const Format& format) {
  constexpr std::size_t kPiece = 1 << 16;
  for_each_point(config, curve, every, [&](std::uint64_t step) {
    text += format(step, (step - 1) / curve.steps_per_epoch + 1, curve.rate(step));
    if (text.size() > kPiece) print(std::exchange(text, ""));
  });
  print(text);
}

void print_table(const Config& config, const LearningRateCurve& curve, std::uint64_t every) {
  const auto line = [](std::uint64_t step, std::uint64_t epoch, double rate) {
    return fmt::format("{:>12} {:>8}  {:.8g}\n", step, epoch, rate);
  };
  print_points(config, curve, every, fmt::format("{:>12} {:>8}  {}\n", "step", "epoch", "learning_rate"), line);
}

void print_json(const Config& config, const LearningRateCurve& curve, std::uint64_t every) {
  const std::string head = fmt::format(
      "{{\"type\": \"{}\", \"unit\": \"{}\", \"warmup_steps\": {}, \"training_rows\": {}, \"steps_per_epoch\": {}, "
      "\"steps\": {}, \"points\": [",
      to_string(config.schedule.type), by_epoch(config) ? "epoch" : "step", config.schedule.warmup_steps,
      curve.training_rows, curve.steps_per_epoch, curve.steps);
  print_points(config, curve, every, head, [](std::uint64_t step, std::uint64_t epoch, double rate) {
    return fmt::format("{}{{\"step\": {}, \"epoch\": {}, \"learning_rate\": {}}}", step == 1 ? "" : ", ", step, epoch,
                       rate);
  });
  print("]}\n");
}

/// The lowest and the highest learning rate in a column of the plot.
struct Range {
  double low, high;
};

std::vector<Range> columns_of(const LearningRateCurve& curve, std::size_t count) {
  std::vector<Range> columns;
  const double width = static_cast<double>(curve.steps) / static_cast<double>(count);
  for (std::size_t c = 0; c < count; ++c) {
    Range range{curve.rate(1 + static_cast<std::uint64_t>(width * static_cast<double>(c))), 0};
    range.high = range.low;
    for (std::size_t s = 1; s < kSamples; ++s) {
      const double at = width * (static_cast<double>(c) + static_cast<double>(s) / kSamples);
      const double rate = curve.rate(std::min(1 + static_cast<std::uint64_t>(at), curve.steps));
      range = {std::min(range.low, rate), std::max(range.high, rate)};
    }
    columns.push_back(range);
  }
  return columns;
}

/// As wide as the terminal: learning rates from 0 up over the steps.
std::string plot(const LearningRateCurve& curve, std::size_t width) {
  const std::size_t count = std::max<std::size_t>(width, kPlotLabels + 20) - kPlotLabels - 2;
  const std::vector<Range> columns = columns_of(curve, count);
  double highest = 0;
  for (const Range& range : columns) highest = std::max(highest, range.high);
  const auto row_of = [&](double rate) {
    return highest > 0 ? static_cast<std::size_t>(std::lround(rate / highest * (kPlotRows - 1))) : 0;
  };
  std::string text;
  for (std::size_t row = kPlotRows; row-- > 0;) {
    const bool labelled = row == 0 || row == kPlotRows - 1;
    const double value = highest * static_cast<double>(row) / (kPlotRows - 1);
    std::string line = fmt::format("{:>{}} |", labelled ? fmt::format("{:.4g}", value) : "", kPlotLabels - 1);
    for (const Range& range : columns) line += row >= row_of(range.low) && row <= row_of(range.high) ? '*' : ' ';
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  text += fmt::format("{:>{}} +{}\n", "", kPlotLabels - 1, std::string(count, '-'));
  const std::string last = fmt::format("step {}", curve.steps);
  return text + fmt::format("{:>{}}  {:<{}}{}\n", "", kPlotLabels - 1, "1", count - std::min(count, last.size()), last);
}

LearningRateCurve curve_of(const Config& config, const Arguments& arguments) {
  const auto rows = arguments.integer("rows", 1);
  try {
    return learning_rate_curve(config, rows);
  } catch (const gradloom::Error& error) {
    if (rows) throw;
    throw gradloom::Error(fmt::format("{}; or give the number of its rows: --rows N", error.what()), error.code());
  }
}

int run_schedule(const Arguments& arguments) {
  const auto every = arguments.integer("every", 1);
  const Config config = gradloom::load_config(arguments.positionals().front(), arguments.overrides());
  const LearningRateCurve curve = curve_of(config, arguments);
  if (config.schedule.type == ScheduleType::kPlateau)
    std::fputs(fmt::format("gradloom: warning: schedule.type = plateau goes by {}: shown is the learning rate while "
                           "that gets better\n",
                           to_string(config.early_stopping.monitor))
                   .c_str(),
               stderr);
  const std::uint64_t distance = every.value_or(usual_distance(config, curve));
  if (arguments.has("json")) {
    print_json(config, curve, distance);
    return 0;
  }
  print_table(config, curve, distance);
  if (::isatty(STDOUT_FILENO) == 1 && curve.steps > 0) print("\n" + plot(curve, gradloom::terminal_width(stdout)));
  return 0;
}

}  // namespace

Command schedule_command() {
  return {
      {"schedule",
       {"CONFIG"},
       "Prints the learning rate over the steps of a run, on a terminal as a plot too.",
       {{"rows", "N", "rows of data.train, whose files are not looked at then"},
        {"every", "N", "steps between the lines; by default so many that there are about 20"},
        {"json", "", "print a JSON object"}},
       true,
       "Nothing is trained or written. How many steps a run has hangs on the number of training rows: of data.train\n"
       "the headers are read, unless --rows tells it. Printed are the first step, every multiple of --every, the\n"
       "last step of the warm-up, and the last step; epochs are counted from 1.\n"},
      run_schedule};
}
