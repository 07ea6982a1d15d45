#include "engine/report/metrics_log.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::json;
using testing::TemporaryFolder;

std::vector<Json> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

StepReport step_report(std::uint64_t step) { return {step, 1, 0.5, 0.01, 100, 2}; }

}  // namespace

TEST_CASE("the metrics log holds a JSON object a line", "[metrics log]") {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  MetricsLog log(path, std::nullopt);
  log.on_start({});
  log.on_step(step_report(1), true);
  log.on_step(step_report(2), false);  // not selected by train.log-every
  EpochReport epoch;
  epoch.step = 2;
  epoch.train_loss = std::nan("");
  epoch.valid = Metrics{4, 0.25, {{{MetricKind::kAccuracy}, 0.75}, {{MetricKind::kTop, 3}, std::nan("")}}, {}, {}};
  log.on_epoch(epoch);
  log.on_checkpoint("here.h5", 2);
  log.on_end({});

  const std::vector<Json> lines = lines_of(path);
  std::vector<std::string> kinds;
  for (const Json& line : lines) kinds.push_back(line["kind"]);
  REQUIRE(kinds == std::vector<std::string>{"start", "step", "epoch", "checkpoint", "end"});
  CHECK(lines[1] == Json{{"kind", "step"},
                         {"step", 1},
                         {"epoch", 1},
                         {"train_loss", 0.5},
                         {"learning_rate", 0.01},
                         {"samples_per_second", 100.0},
                         {"elapsed_seconds", 2.0}});
  CHECK(lines[2]["train_loss"].is_null());
  CHECK(lines[2]["valid_accuracy"] == 0.75);
  CHECK(lines[2]["valid_top_3"].is_null());
  CHECK_FALSE(lines[2].contains("valid_rmse"));
}

TEST_CASE("paths and messages that are no UTF-8 make lines of the metrics log all the same", "[metrics log]") {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl", foreign = "r\xFF/a", shown = "r\xEF\xBF\xBD/a";
  MetricsLog log(path, std::nullopt);
  StartReport start;
  start.resumed_from = foreign;
  log.on_start(start);
  log.on_checkpoint(foreign, 0);
  log.on_checkpoint_failed(0, foreign);
  RollbackReport rollback;
  rollback.rollbacks = 1;
  rollback.reason = foreign;
  log.on_rollback(rollback);
  EndReport end;
  end.reason = foreign;
  log.on_end(end);

  std::vector<std::string> texts;
  for (const Json& line : lines_of(path))
    for (const char* field : {"resumed_from", "path", "reason"})
      if (line.contains(field)) texts.push_back(line[field]);
  CHECK(texts == std::vector<std::string>(5, shown));
}

TEST_CASE("a resumed log is cut back to its step, and loses a line that a kill cut off", "[metrics log]") {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  {
    MetricsLog log(path, std::nullopt);
    for (std::uint64_t step = 1; step <= 5; ++step) log.on_step(step_report(step), true);
  }
  std::ofstream(path, std::ios::app) << R"({"kind":"step","step":2,"ep)";
  {
    MetricsLog log(path, LogPosition{3, 0});
    log.on_step(step_report(4), true);
  }
  std::vector<std::uint64_t> steps;
  for (const Json& line : lines_of(path)) steps.push_back(line["step"]);
  CHECK(steps == std::vector<std::uint64_t>{1, 2, 3, 4});
  MetricsLog(path, std::nullopt).sync();
  CHECK(lines_of(path).empty());
}

}  // namespace gradloom
