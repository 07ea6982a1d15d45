#include <algorithm>
#include <span>
#include <sstream>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

using Words = std::span<const std::string>;

constexpr IntegerRange kUnitCounts{1, 10'000'000};
constexpr const char* kAllowed =
    "`UNITS [NORM] ACTIVATION [NORM] [dropout=P] [slopes=units]` with at most one NORM, batch-norm or layer-norm, and "
    "slopes of prelu alone, such as `30 sigmoid`, `256 relu dropout=0.2` or `256 batch-norm relu`";

std::optional<Normalization> normalization_of(const std::string& word) {
  const auto norm = from_string<Normalization>(word);
  return norm == Normalization::kNone ? std::nullopt : norm;
}

// Reads a normalization where one stands at `place`. Returns what is wrong with it, or nothing.
std::string parse_normalization(LayerSpec& layer, Words& words, NormPlace place) {
  const auto norm = words.empty() ? std::nullopt : normalization_of(words[0]);
  if (!norm) return "";
  if (layer.normalization != Normalization::kNone)
    return fmt::format("'{}' is a second normalization; a layer is {}", words[0], kAllowed);
  layer.normalization = *norm;
  layer.norm_place = place;
  words = words.subspan(1);
  return "";
}

std::string parse_activation(LayerSpec& layer, Words& words) {
  const std::string word = words.empty() ? "" : words[0];
  const std::optional<Activation> activation = from_string<Activation>(word);
  if (!activation)
    return fmt::format("ACTIVATION must be one of {}{}", join(enum_names<Activation>()),
                       did_you_mean(word, enum_names<Activation>()));
  layer.activation = *activation;
  words = words.subspan(1);
  return "";
}

std::string parse_dropout(LayerSpec& layer, const std::string& value) {
  const std::optional<double> share = parse_real(value);
  if (!share || !kFraction.holds(*share)) return fmt::format("P of dropout=P {}", must_be(kFraction.text));
  layer.dropout = *share;
  return "";
}

std::string parse_slopes(LayerSpec& layer, const std::string& value) {
  const std::optional<Slopes> slopes = from_string<Slopes>(value);
  if (layer.activation != Activation::kPrelu)
    return fmt::format("slopes belong to prelu; {} learns none", to_string(layer.activation));
  if (!slopes) return fmt::format("slopes must be one of {}", join(enum_names<Slopes>()));
  layer.slopes = *slopes;
  return "";
}

// Reads the words behind activation and normalization, `key=value` each.
std::string parse_settings(LayerSpec& layer, Words words) {
  std::vector<std::string> keys;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals), value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (normalization_of(word)) return fmt::format("'{}' cannot stand here; a layer is {}", word, kAllowed);
    if (key != "dropout" && key != "slopes")
      return fmt::format("'{}' is not known here{}; a layer is {}", word,
                         did_you_mean(key, {"dropout", "slopes", "batch-norm", "layer-norm"}), kAllowed);
    if (std::ranges::find(keys, key) != keys.end()) return fmt::format("{} is set twice", key);
    keys.push_back(key);
    std::string complaint = key == "dropout" ? parse_dropout(layer, value) : parse_slopes(layer, value);
    if (!complaint.empty()) return complaint;
  }
  return "";
}

// Reads the words behind the units, in the order that the layer's functions are applied in.
std::string parse_functions(LayerSpec& layer, Words words) {
  std::string complaint = parse_normalization(layer, words, NormPlace::kBeforeActivation);
  if (complaint.empty()) complaint = parse_activation(layer, words);
  if (complaint.empty()) complaint = parse_normalization(layer, words, NormPlace::kBehindActivation);
  return complaint.empty() ? parse_settings(layer, words) : complaint;
}

std::string parse_layer(Config& config, const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  if (words.size() < 2) return must_be(kAllowed);
  const std::optional<std::uint64_t> units = parse_integer(words[0]);
  if (!units || !kUnitCounts.holds(*units)) return fmt::format("UNITS must be {}", kUnitCounts.text());
  LayerSpec layer{*units};
  std::string complaint = parse_functions(layer, Words(words).subspan(1));
  if (complaint.empty()) config.model.layers.push_back(layer);
  return complaint;
}

std::string format_layer(const LayerSpec& layer) {
  return fmt::format("{} {}{}", layer.units, functions_of(layer), settings_of(layer));
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
