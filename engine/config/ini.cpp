#include "engine/config/ini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/version.hpp>
#include <sstream>
#include <string_view>

#include "engine/config/values.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

namespace po = boost::program_options;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

void require_text(const std::string& text, const std::string& origin) {
  const auto is_control = [](unsigned char c) {
    return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
  };
  if (std::any_of(text.begin(), text.end(), is_control))
    throw ConfigError(fmt::format("{}: is not a text file; a config holds lines of `key = value`", origin));
}

/// The name in a `[section]` line.
std::string section_name(std::string_view line, const std::string& where, const std::vector<std::string>& sections) {
  if (line.size() < 3 || line.back() != ']')
    throw ConfigError(fmt::format("{}: '{}' is not a section; write [name]", where, line));
  std::string name(trimmed(line.substr(1, line.size() - 2)));
  if (std::find(sections.begin(), sections.end(), name) == sections.end())
    throw ConfigError(fmt::format("{}: unknown section [{}]{}; sections are {}", where, name,
                                  did_you_mean(name, sections), join(sections)));
  return name;
}

/// Boost tells no line numbers, so it is handed one line at a time, behind the section that the line stands in.
IniEntry read_entry(const std::string& section, const std::string& line, std::size_t number) {
  std::istringstream stream((section.empty() ? "" : "[" + section + "]\n") + line + "\n");
  const po::parsed_options parsed = po::parse_config_file(stream, po::options_description(), true);
  const po::option& option = parsed.options.at(0);
  return {option.string_key, option.value.at(0), number};
}

}  // namespace

std::vector<IniEntry> read_ini(const std::string& text, const std::string& origin,
                               const std::vector<std::string>& sections) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  require_text(text, origin);
  std::istringstream lines(text.starts_with(kByteOrderMark) ? text.substr(kByteOrderMark.size()) : text);
  std::vector<IniEntry> entries;
  std::string section, line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    const std::string_view content = trimmed(std::string_view(line).substr(0, line.find('#')));
    const std::string where = fmt::format("{}:{}", origin, number);
    if (content.empty()) continue;
    if (content.front() == '[') {
      section = section_name(content, where, sections);
      continue;
    }
    if (content.find('=') == std::string_view::npos || content.front() == '=')
      throw ConfigError(fmt::format("{}: '{}' is not `key = value`", where, content));
    entries.push_back(read_entry(section, line, number));
  }
  return entries;
}

std::string boost_version() {
  return fmt::format("Boost {}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
}

}  // namespace gradloom
