#include "gradloom/config.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "engine/config/ini.hpp"
#include "engine/config/option_table.hpp"
#include "engine/config/values.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

/// A `key = value`, and where it stands ("c.ini:7", "command line").
struct Setting {
  std::string key, value, where;
};

std::string read_text(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw ConfigError(fmt::format("{}: is a folder, not a config file", path));
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw ConfigError(fmt::format("{}: cannot open the config file ({})", path,
                                  std::filesystem::exists(path, ignored) ? "not readable" : "no such file"));
  std::string text(kMaxConfigBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) throw ConfigError(fmt::format("{}: cannot read the config file", path));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kMaxConfigBytes) throw ConfigError(fmt::format("{}: is too large for a config file", path));
  return text;
}

std::vector<Setting> settings_of_text(const std::string& text, const std::string& origin) {
  std::vector<Setting> settings;
  for (const IniEntry& entry : read_ini(text, origin, option_sections()))
    settings.push_back({entry.key, entry.value, fmt::format("{}:{}", origin, entry.line)});
  return settings;
}

std::vector<Setting> settings_of_command_line(const std::vector<std::string>& overrides) {
  std::vector<Setting> settings;
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    const std::string key = text.substr(0, equals);
    if (equals == std::string::npos && find_option(key))
      throw ConfigError(fmt::format("command line: --{} has no value; write --{}=VALUE", key, key));
    settings.push_back({key, equals == std::string::npos ? "" : text.substr(equals + 1), "command line"});
  }
  return settings;
}

const Option& known_option(const Setting& setting) {
  const Option* option = find_option(setting.key);
  if (option) return *option;
  const std::string nearest = nearest_key(setting.key);
  throw ConfigError(fmt::format("{}: unknown key {}{}", setting.where, setting.key,
                                nearest.empty() ? "; `gradloom help config` lists the keys" : nearest));
}

/// Applies the settings of one source (the file, or the command line), each key at most once.
void apply_settings(Config& config, const std::vector<Setting>& settings) {
  std::map<std::string, std::string> seen;
  for (const Setting& setting : settings) {
    const Option& option = known_option(setting);
    const auto [first, fresh] = seen.emplace(setting.key, setting.where);
    if (!fresh && !option.repeated)
      throw ConfigError(fmt::format("{}: {} = {}: the key is set twice; first at {}", setting.where, setting.key,
                                    setting.value, first->second));
    if (fresh && option.repeated) config.model.layers.clear();  // a source replaces the layers as a whole
    const std::string complaint = option.parse(config, setting.value);
    if (!complaint.empty())
      throw ConfigError(fmt::format("{}: {} = {}: {}", setting.where, setting.key, setting.value, complaint));
    if (fresh) config.origins[setting.key] = setting.where;
  }
}

void finish(Config& config, const std::string& origin) {
  for (const Option& option : option_table()) {
    if (config.origins.contains(option.key)) continue;
    if (!option.example.empty())
      throw ConfigError(fmt::format("{}: {} is missing; add `{} = {}` under [{}]", origin, option.key, option.name(),
                                    option.example, option.section()));
    config.origins[option.key] = "default";
  }
  if (config.run.dir.empty()) config.run.dir = "runs/" + config.name;
  validate(config);
}

std::string origin_of(const Config& config, const Option& option) {
  const auto origin = config.origins.find(option.key);
  if (origin != config.origins.end()) return origin->second;
  return option.format(config) == option.format(Config{}) ? "default" : "program";
}

/// The rows of the table as `visit` writes them, behind the header of their section.
template <class Visit>
std::string by_section(Visit visit) {
  std::string text, section;
  for (const Option& option : option_table()) {
    if (option.section() != section) {
      if (!section.empty()) text += '\n';
      section = option.section();
      text += fmt::format("[{}]\n", section);
    }
    text += visit(option);
  }
  return text;
}

}  // namespace

Config load_config(const std::string& path, const std::vector<std::string>& overrides) {
  Config config;
  const std::string stem = std::filesystem::path(path).stem().string();
  if (!stem.empty()) config.name = stem;
  apply_settings(config, settings_of_text(read_text(path), path));
  apply_settings(config, settings_of_command_line(overrides));
  finish(config, path);
  return config;
}

Config parse_config(const std::string& text, const std::string& origin) {
  Config config;
  apply_settings(config, settings_of_text(text, origin));
  finish(config, origin);
  return config;
}

std::string resolved_text(const Config& config) {
  return by_section([&](const Option& option) {
    std::string lines;
    const std::string origin = origin_of(config, option);
    for (const std::string& value : option.format(config))
      lines += fmt::format("{:<40}  # {}\n", fmt::format("{} = {}", option.name(), value), origin);
    return lines;
  });
}

std::string config_help() {
  const Config defaults;
  const std::string keys = by_section([&](const Option& option) {
    const std::string value = option.key == "run.dir" ? "runs/<config name>" : join(option.format(defaults));
    return fmt::format("  {:<18} {}\n  {:<18} {}; {}\n", option.name(), option.effect, "",
                       option.example.empty() ? "default " + value : "required, such as " + option.example,
                       option.allowed);
  });
  return "A config file holds `key = value` lines under [section] lines; `#` starts a comment. On the command line a\n"
         "key is --SECTION.KEY=VALUE, which wins over the file.\n\n" +
         keys;
}

}  // namespace gradloom
