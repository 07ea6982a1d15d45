#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gradloom/config.hpp"

namespace gradloom {

/// Whether a key may differ between a checkpoint and the run that resumes it.
enum class Resume {
  kFixed,  ///< it decides what the run has computed so far: another value is another run
  kFree,   ///< it decides how long, how fast, or what is looked at
};

/// One key of the config file. Parsing, ranges, help, the resolved config and the check at a resume all follow from
/// these rows.
struct Option {
  std::string key;      ///< "train.batch-size"
  std::string allowed;  ///< "an integer >= 1": follows "must be" in messages
  std::string effect;   ///< a sentence for the help
  Resume resume = Resume::kFixed;
  std::string example;  ///< of a required key; empty: the key has a default
  bool repeated = false;

  /// Sets the member (a repeated key: appends to it). Returns what is wrong with the text, or nothing.
  std::function<std::string(Config&, const std::string&)> parse;
  /// The values that `parse` would read back, one for each line; none where the key is not set.
  std::function<std::vector<std::string>(const Config&)> format;

  [[nodiscard]] std::string section() const { return key.substr(0, key.find('.')); }
  [[nodiscard]] std::string name() const { return key.substr(key.find('.') + 1); }
};

/// All keys, those of a section together.
const std::vector<Option>& option_table();

/// Row of that key, or null.
const Option* find_option(const std::string& key);

std::vector<std::string> option_keys();
std::vector<std::string> option_sections();

/// " (did you mean KEY?)" for a key that the table does not have: by spelling, or by its name in another section.
std::string nearest_key(const std::string& key);

}  // namespace gradloom
