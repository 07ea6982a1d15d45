#include <sstream>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

constexpr IntegerRange kUnits{1, 10'000'000};
constexpr const char* kAllowed = "`UNITS ACTIVATION`, such as `30 sigmoid`";

std::string parse_layer(Config& config, const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  if (words.size() < 2) return must_be(kAllowed);
  const std::optional<std::uint64_t> units = parse_integer(words[0]);
  if (!units || !kUnits.holds(*units)) return fmt::format("UNITS must be {}", kUnits.text());
  const std::optional<Activation> activation = from_string<Activation>(words[1]);
  if (!activation)
    return fmt::format("ACTIVATION must be one of {}{}", join(enum_names<Activation>()),
                       did_you_mean(words[1], enum_names<Activation>()));
  if (words.size() > 2) return fmt::format("'{}' is not known here; a layer is {}", words[2], kAllowed);
  config.model.layers.push_back({*units, *activation});
  return "";
}

}  // namespace

Option layer_option(OptionFacts facts) {
  Option option = row(std::move(facts), kAllowed);
  option.repeated = true;
  option.example = "30 sigmoid";
  option.parse = parse_layer;
  option.format = [](const Config& config) {
    std::vector<std::string> lines;
    for (const LayerSpec& layer : config.model.layers)
      lines.push_back(fmt::format("{} {}", layer.units, to_string(layer.activation)));
    return lines;
  };
  return option;
}

}  // namespace gradloom
