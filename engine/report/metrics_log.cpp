#include "engine/report/metrics_log.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/io/durable_file.hpp"
#include "engine/io/folder.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostPendingBytes = 64 << 20;

// True where the line belongs to the part of the run that ends there.
bool belongs(std::string_view line, const LogPosition& end) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return false;  // cut off while it was written
  const auto within = [&](const char* field, std::uint64_t most) {
    const auto found = json.find(field);
    return found != json.end() && found->is_number_unsigned() && found->get<std::uint64_t>() <= most;
  };
  if (!within("step", end.step)) return false;
  return !json.contains("rollbacks") || within("rollbacks", end.rollbacks);
}

std::string lines_until(std::string_view text, const LogPosition& end) {
  std::string kept;
  while (!text.empty()) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, length);
    if (belongs(line, end)) kept.append(line).push_back('\n');
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return kept;
}

std::string text_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Paths and messages may hold any bytes: what is no UTF-8 stands as U+FFFD.
std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json step_fields(const char* kind, const StepReport& report) {
  return {{"kind", kind},
          {"step", report.step},
          {"epoch", report.epoch},
          {"train_loss", report.train_loss},
          {"learning_rate", report.learning_rate},
          {"samples_per_second", report.samples_per_second},
          {"elapsed_seconds", report.elapsed_seconds}};
}

void add_metrics(Json& json, const std::string& prefix, const Metrics& metrics) {
  json[prefix + "_loss"] = metrics.loss;
  for (const auto& [metric, value] : metrics.values) json[prefix + "_" + to_string(metric)] = value;
}

}  // namespace

MetricsLog::MetricsLog(std::string path, const std::optional<LogPosition>& from) : path_(std::move(path)) {
  start_with(from && file_exists(path_) ? lines_until(text_of(path_), *from) : "");
}

void MetricsLog::start_with(const std::string& text) {
  write_durably(path_, text);
  file_ = std::make_unique<AppendFile>(path_);
}

void MetricsLog::append(const std::string& line) {
  failure_ = file_->append(line);
  if (file_->pending_bytes() > kMostPendingBytes)
    throw FileError(*failure_ + "; the lines that wait in memory have become too many");
}

void MetricsLog::on_start(const StartReport& report) {
  const Json json = {{"kind", "start"},
                     {"step", report.step},
                     {"resumed_from", report.resumed_from.empty() ? Json() : Json(report.resumed_from)},
                     {"training_rows", report.training_rows},
                     {"validation_rows", report.validation_rows},
                     {"features", report.features},
                     {"outputs", report.outputs},
                     {"parameters", report.parameters},
                     {"steps_per_epoch", report.steps_per_epoch},
                     {"shards", report.shards},
                     {"shard_rows", report.shard_rows},
                     {"threads", report.threads}};
  append(line_of(json));
}

void MetricsLog::on_step(const StepReport& report, bool logged) {
  if (logged) append(line_of(step_fields("step", report)));
}

void MetricsLog::on_epoch(const EpochReport& report) {
  Json json = step_fields("epoch", report);
  if (report.valid) {
    add_metrics(json, "valid", *report.valid);
    json["best"] = report.best;
  }
  append(line_of(json));
}

void MetricsLog::on_checkpoint(const std::string& path, std::uint64_t step) {
  append(line_of({{"kind", "checkpoint"}, {"step", step}, {"path", path}}));
}

void MetricsLog::on_checkpoint_failed(std::uint64_t step, const std::string& reason) {
  append(line_of({{"kind", "checkpoint-failed"}, {"step", step}, {"reason", reason}}));
}

void MetricsLog::on_rollback(const RollbackReport& report) {
  flush();
  start_with(lines_until(text_of(path_), {report.step, report.rollbacks - 1}));
  append(line_of({{"kind", "rollback"},
                  {"step", report.step},
                  {"rollbacks", report.rollbacks},
                  {"diverged_step", report.diverged_step},
                  {"learning_rate_factor", report.learning_rate_factor},
                  {"reason", report.reason}}));
}

void MetricsLog::on_end(const EndReport& report) {
  Json json = {{"kind", "end"},
               {"step", report.step},
               {"epoch", report.epoch},
               {"reason", report.reason},
               {"samples_seen", report.samples_seen},
               {"elapsed_seconds", report.elapsed_seconds}};
  if (report.best_score) json["best_score"] = *report.best_score;
  if (report.restored_step) json["restored_step"] = *report.restored_step;
  if (report.test) add_metrics(json, "test", *report.test);
  append(line_of(json));
}

}  // namespace gradloom
