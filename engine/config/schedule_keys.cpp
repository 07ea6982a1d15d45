#include "engine/config/schedule_keys.hpp"

#include <algorithm>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

using enum ScheduleType;
using Types = std::vector<ScheduleType>;
using Schedule = Config::Schedule;

constexpr const char* kAuto = "auto";

const RealRange kShare{[](double v) { return v > 0 && v < 1; }, "a number > 0 and < 1"};
const RealRange kUpToOneNotZero{[](double v) { return v > 0 && v <= 1; }, "a number > 0 and <= 1"};
const RealRange kAtLeastOne{[](double v) { return v >= 1; }, "a number >= 1"};

template <class Value>
auto of_schedule(Value Schedule::*member) {
  return [member](auto& config) -> auto& { return config.schedule.*member; };
}

// All schedule keys may change at a resume: rates of steps to come follow the config at hand.
OptionFacts facts(const char* name, std::string effect, const Types& used_by) {
  return {std::string("schedule.") + name, std::move(effect) + " For " + names_of(used_by) + ".", Resume::kFree};
}

ScheduleKey integer(const char* name, std::string effect, Types used_by, std::uint64_t least,
                    std::optional<std::uint64_t> Schedule::*member) {
  Option option = or_word(kAuto, of_schedule(member), [&](auto value) {
    return integer_option(facts(name, std::move(effect), used_by), {least}, value);
  });
  return {std::move(option), std::move(used_by)};
}

ScheduleKey real(const char* name, std::string effect, Types used_by, const RealRange& range,
                 std::optional<double> Schedule::*member) {
  Option option = or_word(kAuto, of_schedule(member), [&](auto value) {
    return real_option(facts(name, std::move(effect), used_by), range, value);
  });
  return {std::move(option), std::move(used_by)};
}

template <class Enum>
ScheduleKey choice(const char* name, std::string effect, Types used_by, std::optional<Enum> Schedule::*member) {
  Option option = or_word(kAuto, of_schedule(member), [&](auto value) {
    return choice_option<Enum>(facts(name, std::move(effect), used_by), value);
  });
  return {std::move(option), std::move(used_by)};
}

ScheduleKey boolean(const char* name, std::string effect, Types used_by, std::optional<bool> Schedule::*member) {
  Option option = or_word(kAuto, of_schedule(member),
                          [&](auto value) { return boolean_option(facts(name, std::move(effect), used_by), value); });
  return {std::move(option), std::move(used_by)};
}

std::optional<std::vector<std::uint64_t>> parse_milestones(const std::string& text) {
  const auto words = split_list(text);
  if (!words) return std::nullopt;
  std::vector<std::uint64_t> milestones;
  for (const std::string& word : *words) {
    const auto milestone = parse_integer(word);
    if (!milestone || *milestone <= (milestones.empty() ? 0 : milestones.back())) return std::nullopt;
    milestones.push_back(*milestone);
  }
  return milestones;
}

ScheduleKey milestones() {
  const Types used_by = {kMultistep};
  Option option = row(facts("milestones",
                            "Counts of units after each of which the learning rate falls by gamma; auto is half and "
                            "three quarters of the run.",
                            used_by),
                      "auto, or rising integers >= 1, such as 30,60,80");
  option.parse = [allowed = option.allowed](Config& config, const std::string& text) -> std::string {
    const auto values =
        text == kAuto ? std::optional<std::vector<std::uint64_t>>(std::in_place) : parse_milestones(text);
    if (!values) return must_be(allowed);
    config.schedule.milestones = *values;
    return "";
  };
  option.format = [](const Config& config) {
    std::vector<std::string> words;
    for (const std::uint64_t milestone : config.schedule.milestones) words.push_back(fmt::format("{}", milestone));
    return std::vector<std::string>{words.empty() ? kAuto : join(words, ",")};
  };
  return {std::move(option), used_by};
}

std::vector<ScheduleKey> make_keys() {
  return {
      choice("unit",
             "What the schedule counts: steps, or epochs, during which the learning rate stays. It begins with the "
             "first step behind the warm-up, or with that step's epoch. auto is step, of plateau epoch.",
             {kStep, kMultistep, kExponential, kCosine, kPolynomial, kOneCycle, kPlateau}, &Schedule::unit),
      integer("length",
              "Units from the schedule's beginning to its end; auto is what train.epochs and train.max-steps (not "
              "max-minutes) leave behind the warm-up. A resume with other limits follows the longer or shorter curve "
              "from there on.",
              {kCosine, kPolynomial, kOneCycle}, 1, &Schedule::length),
      integer("step-size", "Units after which the learning rate falls by gamma; auto is a third of the run.", {kStep},
              1, &Schedule::step_size),
      milestones(),
      real("gamma",
           "What the learning rate is multiplied by: by exponential for every unit. auto is 0.1, of exponential what "
           "brings it to a hundredth over the run.",
           {kStep, kMultistep, kExponential}, kUpToOneNotZero, &Schedule::gamma),
      integer("period", "Units of the first cosine, after which it starts again; auto is one cosine over the length.",
              {kCosine}, 1, &Schedule::period),
      integer("period-factor", "What each period is multiplied by to give the next one; auto is 1.", {kCosine}, 1,
              &Schedule::period_factor),
      real("power", "Exponent of the share that is left of the length; auto is 1, a straight line.", {kPolynomial},
           kPositive, &Schedule::power),
      real("rise-fraction",
           "Share of the length over which the learning rate rises to optimizer.learning-rate; auto is 0.3.",
           {kOneCycle}, kUpToOne, &Schedule::rise_fraction),
      real("initial-divisor", "optimizer.learning-rate over the first learning rate; auto is 25.", {kOneCycle},
           kAtLeastOne, &Schedule::initial_divisor),
      real("final-divisor", "First learning rate over the last one; auto is 10000.", {kOneCycle}, kAtLeastOne,
           &Schedule::final_divisor),
      choice("anneal", "The way from one learning rate to the next; auto is cosine.", {kOneCycle}, &Schedule::anneal),
      boolean("three-phase",
              "Fall to the first learning rate as long as it rose, and only then to the last; auto is false.",
              {kOneCycle}, &Schedule::three_phase),
      real("factor", "What the learning rate is multiplied by on a plateau; auto is 0.1.", {kPlateau}, kShare,
           &Schedule::factor),
      integer("patience",
              "Epochs in a row in which early-stopping.monitor may get no better; one more is a plateau. auto is 10.",
              {kPlateau}, 0, &Schedule::patience),
      real("threshold", "Least change that counts as better; auto is 0.0001.", {kPlateau}, kNotNegative,
           &Schedule::threshold),
      choice("threshold-mode", "Whether threshold is a share of the best value or a difference; auto is relative.",
             {kPlateau}, &Schedule::threshold_mode),
      integer("cooldown", "Epochs behind a fall that do not count as getting no better; auto is 0.", {kPlateau}, 0,
              &Schedule::cooldown),
      real("min-learning-rate", "The lowest learning rate behind the warm-up; auto is 0.",
           {kCosine, kPolynomial, kPlateau}, kNotNegative, &Schedule::min_learning_rate)};
}

}  // namespace

const std::vector<ScheduleKey>& schedule_keys() {
  static const std::vector<ScheduleKey> keys = make_keys();
  return keys;
}

}  // namespace gradloom
