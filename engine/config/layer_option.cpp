#include <span>
#include <sstream>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

constexpr IntegerRange kUnits{1, 10'000'000};
constexpr const char* kAllowed = "`UNITS ACTIVATION [dropout=P]`, such as `30 sigmoid` or `256 relu dropout=0.2`";

// Reads the words behind the activation, `key=value` each. Returns what is wrong with them, or nothing.
std::string parse_settings(LayerSpec& layer, std::span<const std::string> words) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (key != "dropout")
      return fmt::format("'{}' is not known here{}; a layer is {}", word, did_you_mean(key, {"dropout"}), kAllowed);
    if (&word != words.data()) return "dropout is set twice";
    const auto value = equals == std::string::npos ? std::nullopt : parse_real(word.substr(equals + 1));
    if (!value || !kFraction.holds(*value)) return fmt::format("P of dropout=P {}", must_be(kFraction.text));
    layer.dropout = *value;
  }
  return "";
}

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
  LayerSpec layer{*units, *activation};
  std::string complaint = parse_settings(layer, std::span(words).subspan(2));
  if (complaint.empty()) config.model.layers.push_back(layer);
  return complaint;
}

std::string format_layer(const LayerSpec& layer) {
  return fmt::format("{} {}{}", layer.units, to_string(layer.activation),
                     layer.dropout == 0 ? "" : " dropout=" + format_real(layer.dropout));
}

}  // namespace

Option layer_option(OptionFacts facts) {
  Option option = row(std::move(facts), kAllowed);
  option.repeated = true;
  option.example = "30 sigmoid";
  option.parse = parse_layer;
  option.format = [](const Config& config) {
    std::vector<std::string> lines;
    for (const LayerSpec& layer : config.model.layers) lines.push_back(format_layer(layer));
    return lines;
  };
  return option;
}

}  // namespace gradloom
