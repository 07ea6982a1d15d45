#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "gradloom/cross_validation.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

Json result_json(const FoldResult& result) {
  const Metrics& test = *result.end.test;
  Json json = {{"fold", result.fold.number}, {"run_dir", result.run_dir},   {"step", result.end.step},
               {"epoch", result.end.epoch},  {"reason", result.end.reason}, {"rows", test.rows},
               {"loss", test.loss}};
  for (const auto& [metric, value] : test.values) json[to_string(metric)] = value;
  return json;
}

}  // namespace

std::string cross_validation_text(const CrossValidation& validation) {
  std::string text = fmt::format("{:<18} {:>12} {:>12} {:>12} {:>12}\n", fmt::format("{} folds", validation.folds),
                                 "mean", "deviation", "least", "most");
  for (const FoldSummary& of : summaries(validation))
    text += fmt::format("{:<18} {:>12.6g} {:>12.6g} {:>12.6g} {:>12.6g}\n", of.name, of.mean, of.deviation, of.least,
                        of.most);
  return text;
}

std::string cross_validation_json(const CrossValidation& validation) {
  Json json = {{"folds", validation.folds}, {"stratified", validation.stratified}, {"results", Json::array()}};
  for (const FoldResult& result : validation.results) json["results"].push_back(result_json(result));
  Json mean = Json::object(), deviation = Json::object();
  for (const FoldSummary& of : summaries(validation)) {
    mean[of.name] = of.mean;
    deviation[of.name] = of.deviation;
  }
  json["mean"] = std::move(mean);
  json["deviation"] = std::move(deviation);
  // A path need not be UTF-8, which JSON must be.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gradloom
