#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// One option of a command: `--name`, or `--name VALUE` where a value's name is given.
struct OptionSpec {
  std::string name;   ///< without dashes
  std::string value;  ///< "FILE"; empty for a flag
  std::string effect;
  bool repeatable = false;
};

/// What a command takes. Parsing and help follow from it.
struct CommandSpec {
  std::string name;
  std::vector<std::string> positionals;  ///< names for usage and messages; a last one that ends in "..." repeats
  std::string summary;                   ///< a line
  std::vector<OptionSpec> options;
  bool config_keys = false;  ///< takes --SECTION.KEY=VALUE
  std::string notes;         ///< further help text, may be empty
};

/// A command line that fits its command.
class Arguments {
 public:
  /// `words`: all behind the command's name. ConfigError for unknown options, missing or surplus arguments.
  Arguments(const CommandSpec& spec, const std::vector<std::string>& words);

  [[nodiscard]] const std::vector<std::string>& positionals() const { return positionals_; }
  [[nodiscard]] const std::vector<std::string>& overrides() const { return overrides_; }
  [[nodiscard]] bool has(const std::string& option) const { return values_.contains(option); }
  [[nodiscard]] std::vector<std::string> all(const std::string& option) const;
  [[nodiscard]] std::optional<std::string> value(const std::string& option) const;
  [[nodiscard]] std::string required(const std::string& option) const;

  /// ConfigError where the value is not such a number.
  [[nodiscard]] std::optional<std::uint64_t> integer(
      const std::string& option, std::uint64_t least = 0,
      std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) const;
  [[nodiscard]] std::uint64_t required_integer(const std::string& option, std::uint64_t least = 0) const;
  [[nodiscard]] std::optional<double> real(const std::string& option) const;

  /// ConfigError naming the command and its help.
  [[noreturn]] void refuse(const std::string& complaint) const;

 private:
  [[nodiscard]] const OptionSpec* find(const std::string& name) const;
  std::size_t take_option(const std::vector<std::string>& words, std::size_t i);
  void take_unknown(const std::string& name, const std::optional<std::string>& value);
  void store(const OptionSpec& option, const std::string& value);
  void check_positionals() const;

  const CommandSpec& spec_;  // must outlive the arguments
  std::vector<std::string> positionals_, overrides_;
  std::map<std::string, std::vector<std::string>> values_;
};

/// A whole text as a finite number; nothing where it is none.
std::optional<double> parse_real(const std::string& text);

/// "gradloom train CONFIG [--resume] ...", and the text of `gradloom help COMMAND`.
std::string usage(const CommandSpec& spec);
std::string help_text(const CommandSpec& spec);
