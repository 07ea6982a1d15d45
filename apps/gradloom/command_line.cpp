#include "apps/gradloom/command_line.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "gradloom/config.hpp"
#include "gradloom/errors.hpp"

namespace {

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return number;
}

bool is_option(const std::string& word) { return word.size() > 2 && word.starts_with("--"); }

}  // namespace

Arguments::Arguments(const CommandSpec& spec, const std::vector<std::string>& words) : spec_(spec) {
  bool options_end = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!options_end && words[i] == "--")
      options_end = true;
    else if (!options_end && is_option(words[i]))
      i = take_option(words, i);
    else if (!options_end && words[i].size() > 1 && words[i].front() == '-')
      refuse(fmt::format("unknown option {}; options start with two dashes", words[i]));
    else
      positionals_.push_back(words[i]);
  }
  check_positionals();
}

/// Takes the option at words[i], `--name=value` or `--name value`; returns the index of its last word.
std::size_t Arguments::take_option(const std::vector<std::string>& words, std::size_t i) {
  const std::size_t equals = words[i].find('=');
  const std::string name = words[i].substr(2, equals == std::string::npos ? equals : equals - 2);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = words[i].substr(equals + 1);
  const OptionSpec* option = find(name);
  if (option && option->value.empty()) {
    if (value) refuse(fmt::format("--{} takes no value", name));
    store(*option, "");
    return i;
  }
  const bool wants_value = option || (spec_.config_keys && name.find('.') != std::string::npos);
  if (!value && wants_value && i + 1 < words.size() && !is_option(words[i + 1])) value = words[++i];
  if (!option)
    take_unknown(name, value);
  else if (!value)
    refuse(fmt::format("--{} needs a value: --{} {}", name, name, option->value));
  else
    store(*option, *value);
  return i;
}

/// Config keys are the library's to judge; so is a word that is near no option, for it may be near a key.
void Arguments::take_unknown(const std::string& name, const std::optional<std::string>& value) {
  std::vector<std::string> known = {"help"};
  for (const OptionSpec& option : spec_.options) known.push_back(option.name);
  const bool is_key = name.find('.') != std::string::npos;
  const std::optional<std::string> nearest = is_key ? std::nullopt : gradloom::nearest_name(name, known);
  if (!spec_.config_keys || nearest)
    refuse(fmt::format("unknown option --{}{}", name, nearest ? fmt::format(" (did you mean --{}?)", *nearest) : ""));
  overrides_.push_back(value ? name + "=" + *value : name);
}

void Arguments::store(const OptionSpec& option, const std::string& value) {
  std::vector<std::string>& values = values_[option.name];
  if (!values.empty() && !option.repeatable) refuse(fmt::format("--{} is given twice", option.name));
  values.push_back(value);
}

void Arguments::check_positionals() const {
  const std::size_t count = spec_.positionals.size();
  if (positionals_.size() < count) refuse(fmt::format("{} is missing", spec_.positionals[positionals_.size()]));
  const bool repeats = count > 0 && spec_.positionals.back().ends_with("...");
  if (positionals_.size() > count && !repeats)
    refuse(fmt::format("'{}' is one argument too many", positionals_[count]));
}

const OptionSpec* Arguments::find(const std::string& name) const {
  for (const OptionSpec& option : spec_.options)
    if (option.name == name) return &option;
  return nullptr;
}

std::vector<std::string> Arguments::all(const std::string& option) const {
  const auto values = values_.find(option);
  return values == values_.end() ? std::vector<std::string>{} : values->second;
}

std::optional<std::string> Arguments::value(const std::string& option) const {
  const auto values = values_.find(option);
  return values == values_.end() ? std::nullopt : std::optional(values->second.back());
}

std::string Arguments::required(const std::string& option) const {
  const std::optional<std::string> text = value(option);
  if (!text || text->empty()) refuse(fmt::format("--{} {} is missing", option, find(option)->value));
  return *text;
}

std::optional<std::uint64_t> Arguments::integer(const std::string& option, std::uint64_t least,
                                                std::uint64_t most) const {
  const std::optional<std::string> text = value(option);
  if (!text) return std::nullopt;
  const auto number = parse_number<std::uint64_t>(*text);
  if (number && *number >= least && *number <= most) return number;
  const std::string range = most == std::numeric_limits<std::uint64_t>::max()
                                ? fmt::format("an integer >= {}", least)
                                : fmt::format("an integer from {} to {}", least, most);
  refuse(fmt::format("--{} {}: must be {}", option, *text, range));
}

std::uint64_t Arguments::required_integer(const std::string& option, std::uint64_t least) const {
  const auto number = integer(option, least);
  if (!number) refuse(fmt::format("--{} {} is missing", option, find(option)->value));
  return *number;
}

std::optional<double> Arguments::real(const std::string& option) const {
  const std::optional<std::string> text = value(option);
  if (!text) return std::nullopt;
  const std::optional<double> number = parse_real(*text);
  if (!number) refuse(fmt::format("--{} {}: must be a number", option, *text));
  return number;
}

void Arguments::refuse(const std::string& complaint) const {
  throw gradloom::ConfigError(fmt::format("{}: {}; see `gradloom help {}`", spec_.name, complaint, spec_.name));
}

std::optional<double> parse_real(const std::string& text) {
  const std::optional<double> number = parse_number<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::string usage(const CommandSpec& spec) {
  std::string text = "gradloom " + spec.name;
  for (const std::string& positional : spec.positionals) text += " " + positional;
  for (const OptionSpec& option : spec.options) {
    const std::string word = "--" + option.name + (option.value.empty() ? "" : " " + option.value);
    text += option.repeatable ? fmt::format(" [{} ...]", word) : fmt::format(" [{}]", word);
  }
  return text + (spec.config_keys ? " [--SECTION.KEY=VALUE ...]" : "");
}

std::string help_text(const CommandSpec& spec) {
  std::string text = fmt::format("usage: {}\n\n{}\n", usage(spec), spec.summary);
  if (!spec.options.empty()) text += "\n";
  for (const OptionSpec& option : spec.options)
    text += fmt::format("  {:<22} {}\n", "--" + option.name + (option.value.empty() ? "" : " " + option.value),
                        option.effect);
  if (spec.config_keys)
    text += fmt::format("  {:<22} {}\n", "--SECTION.KEY=VALUE", "a config key; `gradloom help config` lists them");
  return spec.notes.empty() ? text : text + "\n" + spec.notes;
}
