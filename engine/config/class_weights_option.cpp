#include <algorithm>

#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

// Beyond these, products with the weights of rows would leave the range of doubles.
constexpr double kLeast = 1e-100, kMost = 1e100;

std::optional<std::vector<double>> parse_list(const std::string& text) {
  const auto words = split_list(text);
  if (!words) return std::nullopt;
  std::vector<double> weights;
  for (const std::string& word : *words) {
    const std::optional<double> weight = parse_real(word);
    if (!weight || *weight < kLeast || *weight > kMost) return std::nullopt;
    weights.push_back(*weight);
  }
  return weights;
}

std::string list_text(const std::vector<double>& weights) {
  std::vector<std::string> words(weights.size());
  std::ranges::transform(weights, words.begin(), format_real);
  return join(words, ",");
}

}  // namespace

Option class_weights_option(OptionFacts facts) {
  Option option = row(std::move(facts), fmt::format("none, balanced, or a number from {} to {} for each class, such as "
                                                    "0.5,2",
                                                    kLeast, kMost));
  option.parse = [allowed = option.allowed](Config& config, const std::string& text) -> std::string {
    ClassWeights weights;
    weights.balanced = text == "balanced";
    if (text != "none" && !weights.balanced) {
      const auto values = parse_list(text);
      if (!values) return must_be(allowed);
      weights.values = *values;
    }
    config.train.class_weights = weights;
    return "";
  };
  option.format = [](const Config& config) {
    const ClassWeights& weights = config.train.class_weights;
    return std::vector<std::string>{weights.balanced         ? "balanced"
                                    : weights.values.empty() ? "none"
                                                             : list_text(weights.values)};
  };
  return option;
}

}  // namespace gradloom
