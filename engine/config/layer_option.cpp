#include <span>
#include <sstream>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

using Words = std::span<const std::string>;

constexpr IntegerRange kUnits{1, 10'000'000};
constexpr const char* kAllowed =
    "`UNITS [NORM] ACTIVATION [NORM] [dropout=P]` with at most one NORM, batch-norm or layer-norm, such as `30 "
    "sigmoid`, "
    "`256 relu dropout=0.2` or `256 batch-norm relu`";

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

// Reads the words behind activation and normalization, `key=value` each.
std::string parse_settings(LayerSpec& layer, Words words) {
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (normalization_of(word)) return fmt::format("'{}' cannot stand here; a layer is {}", word, kAllowed);
    if (key != "dropout")
      return fmt::format("'{}' is not known here{}; a layer is {}", word,
                         did_you_mean(key, {"dropout", "batch-norm", "layer-norm"}), kAllowed);
    if (&word != words.data()) return "dropout is set twice";
    const auto value = equals == std::string::npos ? std::nullopt : parse_real(word.substr(equals + 1));
    if (!value || !kFraction.holds(*value)) return fmt::format("P of dropout=P {}", must_be(kFraction.text));
    layer.dropout = *value;
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
  if (!units || !kUnits.holds(*units)) return fmt::format("UNITS must be {}", kUnits.text());
  LayerSpec layer{*units};
  std::string complaint = parse_functions(layer, Words(words).subspan(1));
  if (complaint.empty()) config.model.layers.push_back(layer);
  return complaint;
}

std::string format_layer(const LayerSpec& layer) {
  return fmt::format("{} {}{}", layer.units, functions_of(layer),
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
