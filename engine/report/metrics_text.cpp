#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/core/shown_text.hpp"
#include "gradloom/evaluation.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::string>;

constexpr std::size_t kMostClassesInText = 20, kToldOfMany = 10, kMostClassesInMatrix = 1000;

// The first column flush left, the others flush right, two blanks between them.
std::string table(const std::vector<Cells>& lines) {
  std::vector<std::size_t> widths;
  for (const Cells& cells : lines) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (std::size_t c = 0; c < cells.size(); ++c) widths[c] = std::max(widths[c], width_of(cells[c]));
  }
  std::string text;
  for (const Cells& cells : lines) {
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string fill(widths[c] - width_of(cells[c]), ' ');
      text += c == 0 ? cells[c] + (cells.size() > 1 ? fill : "") : "  " + fill + cells[c];
    }
    text += '\n';
  }
  return text;
}

std::string number(double value) { return fmt::format("{:.6g}", value); }
std::string share(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4f}", value); }

Cells class_cells(const ClassMetrics& of) {
  Cells cells = {shortened(of.name), number(of.weight), share(of.precision), share(of.recall), share(of.f1)};
  if (of.auc) cells.push_back(share(*of.auc));
  return cells;
}

// Of more classes than a screen has room for, those with the lowest F1.
std::vector<ClassMetrics> told_classes(const Metrics& metrics) {
  std::vector<ClassMetrics> told = metrics.classes;
  if (told.size() <= kMostClassesInText) return told;
  std::stable_sort(told.begin(), told.end(), [](const auto& a, const auto& b) { return a.f1 < b.f1; });
  told.resize(kToldOfMany);
  return told;
}

std::string class_text(const Metrics& metrics) {
  const std::vector<ClassMetrics> told = told_classes(metrics);
  std::vector<Cells> lines = {{"class", "rows", "precision", "recall", "f1"}};
  if (told.front().auc) lines.front().emplace_back("auc");
  for (const ClassMetrics& of : told) lines.push_back(class_cells(of));
  const bool all = told.size() == metrics.classes.size();
  return (all ? "\n" : fmt::format("\n{} of {} classes, by the lowest f1:\n", told.size(), metrics.classes.size())) +
         table(lines);
}

std::string matrix_text(const Metrics& metrics) {
  const std::size_t classes = metrics.classes.size();
  std::vector<Cells> lines(classes + 1, Cells(classes + 1, "0"));
  lines[0][0] = "actual \\ predicted";
  for (std::size_t c = 0; c < classes; ++c) lines[c + 1][0] = lines[0][c + 1] = shortened(metrics.classes[c].name);
  for (const Confusion& cell : metrics.confusions) lines[cell.actual + 1][cell.predicted + 1] = number(cell.weight);
  return "\n" + table(lines);
}

// The most frequent ones.
std::string confusions_text(const Metrics& metrics) {
  std::vector<Confusion> wrong;
  std::copy_if(metrics.confusions.begin(), metrics.confusions.end(), std::back_inserter(wrong),
               [](const Confusion& cell) { return cell.actual != cell.predicted; });
  std::stable_sort(wrong.begin(), wrong.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
  const std::size_t all = wrong.size();
  wrong.resize(std::min(all, kToldOfMany));
  std::vector<Cells> lines = {{"actual", "predicted", "rows"}};
  for (const Confusion& cell : wrong)
    lines.push_back({shortened(metrics.classes[cell.actual].name), shortened(metrics.classes[cell.predicted].name),
                     number(cell.weight)});
  return fmt::format("\n{} of {} kinds of confusion, by the most rows (--json has all):\n", wrong.size(), all) +
         table(lines);
}

Json classes_json(const Metrics& metrics) {
  Json classes = Json::array();
  for (const ClassMetrics& of : metrics.classes) {
    classes.push_back(
        {{"class", of.name}, {"rows", of.weight}, {"precision", of.precision}, {"recall", of.recall}, {"f1", of.f1}});
    if (of.auc) classes.back()["auc"] = *of.auc;
  }
  return classes;
}

void add_confusions(Json& json, const Metrics& metrics) {
  const std::size_t classes = metrics.classes.size();
  if (classes <= kMostClassesInMatrix) {
    std::vector<std::vector<double>> matrix(classes, std::vector<double>(classes));
    for (const Confusion& cell : metrics.confusions) matrix[cell.actual][cell.predicted] = cell.weight;
    json["confusion_matrix"] = matrix;
    return;
  }
  Json& cells = json["confusions"] = Json::array();
  for (const Confusion& cell : metrics.confusions) cells.push_back({cell.actual, cell.predicted, cell.weight});
}

}  // namespace

std::string metrics_text(const Metrics& metrics) {
  std::vector<Cells> lines = {{"rows", fmt::format("{}", metrics.rows)}, {"loss", number(metrics.loss)}};
  for (const auto& [metric, value] : metrics.values) lines.push_back({to_string(metric), number(value)});
  std::size_t width = 0;
  for (const Cells& cells : lines) width = std::max(width, cells[0].size());
  std::string text;
  for (const Cells& cells : lines) text += fmt::format("{:<{}} {}\n", cells[0], width, cells[1]);
  if (!metrics.classes.empty()) text += class_text(metrics);
  if (!metrics.confusions.empty())
    text += metrics.classes.size() <= kMostClassesInText ? matrix_text(metrics) : confusions_text(metrics);
  return text;
}

std::string metrics_json(const Metrics& metrics) {
  Json json = {{"rows", metrics.rows}, {"loss", metrics.loss}};
  for (const auto& [metric, value] : metrics.values) json[to_string(metric)] = value;
  if (!metrics.classes.empty()) json["classes"] = classes_json(metrics);
  if (!metrics.confusions.empty()) add_confusions(json, metrics);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gradloom
