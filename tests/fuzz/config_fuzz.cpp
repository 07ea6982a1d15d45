// A config file, and behind each zero byte an override as on the command line. What a config resolves to reads back as
// the same config: the text that goes into the run folder and into every checkpoint says what the run was.

#include <vector>

#include "engine/config/option_table.hpp"
#include "gradloom/config.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace gradloom::fuzz {
namespace {

void require_same_values(const Config& a, const Config& b) {
  for (const Option& option : option_table())
    require(option.format(a) == option.format(b), ("resolved_text reads back: " + option.key).c_str());
}

Config load(std::string_view input, const MemoryFile& file) {
  std::vector<std::string> overrides;
  const std::size_t text = std::min(input.find('\0'), input.size());
  for (std::string_view rest = input.substr(text); !rest.empty();) {
    rest.remove_prefix(1);
    overrides.emplace_back(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(overrides.back().size());
  }
  if (overrides.empty()) return parse_config(std::string(input), "fuzz.ini");
  file.hold(input.substr(0, text));
  return load_config(file.path(), overrides);
}

}  // namespace
}  // namespace gradloom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gradloom;
  static const fuzz::MemoryFile file;
  const auto config = fuzz::accepted([&] { return fuzz::load(fuzz::as_text(data, size), file); });
  if (!config) return 0;
  const std::string text = resolved_text(*config);
  const auto again = fuzz::accepted([&] { return parse_config(text, "resolved.ini"); });
  fuzz::require(again.has_value(), "resolved_text is a config");
  fuzz::require_same_values(*config, *again);
  require_resumable(*config, *again);
  return 0;
}
