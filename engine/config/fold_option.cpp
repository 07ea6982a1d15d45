#include "engine/config/option_kinds.hpp"

namespace gradloom {
namespace {

constexpr const char* kFoldText = "none, or FOLD/FOLDS [stratified], such as 2/5, of 2 to 255 folds";
constexpr IntegerRange kFolds{2, 255};

std::optional<Fold> parse_fold(std::string_view text) {
  constexpr std::string_view kStratified = " stratified";
  Fold fold;
  fold.stratified = text.ends_with(kStratified);
  if (fold.stratified) text.remove_suffix(kStratified.size());
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto number = parse_integer(text.substr(0, slash));
  const auto count = parse_integer(text.substr(slash + 1));
  if (!number || !count || !kFolds.holds(*count) || *number < 1 || *number > *count) return std::nullopt;
  fold.number = *number;
  fold.count = *count;
  return fold;
}

}  // namespace

Option fold_option(OptionFacts facts) {
  Option option = row(std::move(facts), kFoldText);
  option.parse = [](Config& config, const std::string& text) -> std::string {
    const std::optional<Fold> fold = parse_fold(text);
    if (!fold && text != "none") return must_be(kFoldText);
    config.data.fold = fold;
    return "";
  };
  option.format = [](const Config& config) {
    return std::vector<std::string>{config.data.fold ? to_string(*config.data.fold) : "none"};
  };
  return option;
}

}  // namespace gradloom
