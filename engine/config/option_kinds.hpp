#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config/option_table.hpp"
#include "engine/config/values.hpp"
#include "gradloom/options.hpp"

/// Makers of table rows, one for each kind of value. `member` maps a Config (constant or not) to the row's member.
namespace gradloom {

/// What rows of every kind state.
struct OptionFacts {
  std::string key, effect;
  Resume resume = Resume::kFixed;
};

struct IntegerRange {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  [[nodiscard]] bool holds(std::uint64_t value) const { return value >= least && value <= most; }
  [[nodiscard]] std::string text() const {
    return most == std::numeric_limits<std::uint64_t>::max() ? fmt::format("an integer >= {}", least)
                                                             : fmt::format("an integer from {} to {}", least, most);
  }
};

/// A predicate on finite numbers, and its text.
struct RealRange {
  bool (*holds)(double);
  std::string text;
};
inline const RealRange kNotNegative{[](double v) { return v >= 0; }, "a number >= 0"};
inline const RealRange kPositive{[](double v) { return v > 0; }, "a number > 0"};
inline const RealRange kInnerFraction{[](double v) { return v > 0 && v < 1; }, "a number > 0 and < 1"};
inline const RealRange kFraction{[](double v) { return v >= 0 && v < 1; }, "a number >= 0 and < 1"};
inline const RealRange kUpToOne{[](double v) { return v >= 0 && v <= 1; }, "a number from 0 to 1"};

inline Option row(OptionFacts facts, std::string allowed) {
  Option option;
  option.key = std::move(facts.key);
  option.effect = std::move(facts.effect);
  option.resume = facts.resume;
  option.allowed = std::move(allowed);
  return option;
}

inline std::string must_be(const std::string& allowed) { return "must be " + allowed; }

/// Reads a value that `read` gives as an optional and `holds` accepts.
template <class Member, class Read, class Holds, class Format>
Option value_option(OptionFacts facts, const std::string& allowed, Member member, Read read, Holds holds,
                    Format format) {
  Option option = row(std::move(facts), allowed);
  option.parse = [=](Config& config, const std::string& text) -> std::string {
    const auto value = read(text);
    if (!value || !holds(*value)) return must_be(allowed);
    member(config) = static_cast<std::decay_t<decltype(member(config))>>(*value);
    return "";
  };
  option.format = [=](const Config& config) { return std::vector<std::string>{format(member(config))}; };
  return option;
}

template <class Member>
Option integer_option(OptionFacts facts, IntegerRange range, Member member) {
  return value_option(
      std::move(facts), range.text(), member, parse_integer, [range](std::uint64_t v) { return range.holds(v); },
      [](std::uint64_t v) { return fmt::format("{}", v); });
}

template <class Member>
Option real_option(OptionFacts facts, const RealRange& range, Member member) {
  return value_option(std::move(facts), range.text, member, parse_real, range.holds, format_real);
}

template <class Member>
Option boolean_option(OptionFacts facts, Member member) {
  return value_option(
      std::move(facts), "true or false", member, parse_boolean, [](bool) { return true; },
      [](bool v) { return std::string(v ? "true" : "false"); });
}

template <class Member>
Option size_option(OptionFacts facts, Member member) {
  return value_option(
      std::move(facts), "bytes, such as 512MiB, 2GiB or 1000000", member, parse_size,
      [](std::uint64_t bytes) { return bytes > 0; }, format_size);
}

/// A member that is 0 in the config where the file says `auto`.
template <class Member>
Option or_auto(Member member, Option option) {
  option.allowed = "auto, or " + option.allowed;
  const auto parse_value = option.parse;
  const auto format_value = option.format;
  const std::string allowed = option.allowed;
  option.parse = [=](Config& config, const std::string& text) -> std::string {
    if (text != "auto") return parse_value(config, text).empty() ? "" : must_be(allowed);
    member(config) = 0;
    return "";
  };
  option.format = [=](const Config& config) {
    const std::vector<std::string> texts = format_value(config);
    return texts.front() == "0" ? std::vector<std::string>{"auto"} : texts;
  };
  return option;
}

/// A std::optional member: `word` empties it, anything else is read by the row that `make` gives for its value.
template <class Member, class Make>
Option or_word(const std::string& word, Member member, Make make) {
  using Optional = std::decay_t<decltype(member(std::declval<Config&>()))>;
  using Value = typename Optional::value_type;
  const auto value_member = [member](auto& config) -> auto& {
    if constexpr (!std::is_const_v<std::remove_reference_t<decltype(config)>>)
      if (!member(config)) member(config) = Value{};
    return *member(config);
  };
  Option option = make(value_member);
  option.allowed = word + ", or " + option.allowed;
  const auto parse_value = option.parse;
  const auto format_value = option.format;
  const std::string allowed = option.allowed;
  option.parse = [=](Config& config, const std::string& text) -> std::string {
    if (text != word) return parse_value(config, text).empty() ? "" : must_be(allowed);
    member(config).reset();
    return "";
  };
  option.format = [=](const Config& config) {
    return member(config) ? format_value(config) : std::vector<std::string>{word};
  };
  return option;
}

/// The same with the word `none`.
template <class Member, class Make>
Option or_none(Member member, Make make) {
  return or_word("none", member, make);
}

/// "step, multistep": names of some values of an enumeration.
template <class Enum>
std::string names_of(const std::vector<Enum>& values, std::string_view separator = ", ") {
  std::vector<std::string> names(values.size());
  std::ranges::transform(values, names.begin(), [](Enum value) { return std::string(to_string(value)); });
  return join(names, separator);
}

template <class Enum, class Member>
Option choice_option(OptionFacts facts, Member member) {
  Option option = row(std::move(facts), "one of " + join(enum_names<Enum>()));
  option.parse = [member, allowed = option.allowed](Config& config, const std::string& text) -> std::string {
    const std::optional<Enum> value = from_string<Enum>(text);
    if (!value) return must_be(allowed) + did_you_mean(text, enum_names<Enum>());
    member(config) = *value;
    return "";
  };
  option.format = [member](const Config& config) {
    return std::vector<std::string>{std::string(to_string(member(config)))};
  };
  return option;
}

/// Paths and names. INI text cannot carry `#`, control characters but tabs, or blanks at the ends, so no value may hold
/// them: whatever is accepted reads back from the config that a checkpoint keeps.
template <class Member>
Option text_option(OptionFacts facts, const std::string& allowed, Member member) {
  Option option = row(std::move(facts), allowed);
  option.parse = [member, allowed](Config& config, const std::string& text) -> std::string {
    if (text.empty()) return must_be(allowed) + ", and not empty";
    const auto has_no_place = [](unsigned char c) { return c == '#' || (c < ' ' && c != '\t') || c == 0x7f; };
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    if (std::any_of(text.begin(), text.end(), has_no_place) || is_blank(text.front()) || is_blank(text.back()))
      return must_be(allowed) + ", without '#', control characters, or blanks at its ends";
    member(config) = text;
    return "";
  };
  option.format = [member](const Config& config) {
    const std::string& text = member(config);
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  };
  return option;
}

/// A text that is empty in the config where the file says `none`.
template <class Member>
Option text_or_none(OptionFacts facts, const std::string& allowed, Member member) {
  Option option = text_option(std::move(facts), "none, or " + allowed, member);
  const auto parse_value = option.parse;
  const auto format_value = option.format;
  option.parse = [=](Config& config, const std::string& text) -> std::string {
    if (text != "none") return parse_value(config, text);
    member(config).clear();
    return "";
  };
  option.format = [=](const Config& config) {
    return member(config).empty() ? std::vector<std::string>{"none"} : format_value(config);
  };
  return option;
}

/// `UNITS [NORM] ACTIVATION [NORM] [dropout=P]`, appended to the layers.
Option layer_option(OptionFacts facts);

/// `auto`, or names of metrics separated by blanks or commas.
Option metrics_option(OptionFacts facts);

/// What early-stopping.monitor looks at.
Option monitor_option(OptionFacts facts);

/// `none`, or `FOLD/FOLDS [stratified]`.
Option fold_option(OptionFacts facts);

/// `none`, `balanced`, or numbers separated by commas.
Option class_weights_option(OptionFacts facts);

}  // namespace gradloom
