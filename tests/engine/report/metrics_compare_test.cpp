#include <fstream>
#include <limits>

#include "engine/report/metrics_log.hpp"
#include "gradloom/compare.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/inspect.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using Lines = std::vector<std::string>;
using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

constexpr const char* kLog =
    R"({"kind":"start","step":0,"threads":1}
{"kind":"step","step":1,"epoch":1,"train_loss":0.5,"learning_rate":0.01,"samples_per_second":7.0,"elapsed_seconds":1.0}
{"kind":"step","step":2,"epoch":1,"train_loss":0.25,"learning_rate":0.01,"samples_per_second":7.0,"elapsed_seconds":2.0}
{"kind":"epoch","step":2,"epoch":1,"train_loss":0.375,"valid_loss":0.0,"best":true}
{"kind":"checkpoint","step":2,"path":"a"}
{"kind":"end","step":2,"epoch":1,"reason":"epochs","samples_seen":64,"elapsed_seconds":2.5}
)";

// The log above with `from` replaced by `to`; the first is called "a", the other "b".
Lines differences_after(const std::string& from, const std::string& to) {
  const TemporaryFolder folder;
  std::string changed = kLog;
  const std::size_t at = changed.find(from);
  REQUIRE(at != std::string::npos);
  changed.replace(at, from.size(), to);
  std::ofstream(folder / "a") << kLog;
  std::ofstream(folder / "b") << changed;
  Lines lines = metrics_differences(folder / "a", folder / "b");
  for (std::string& line : lines)
    if (const std::size_t path = line.find(folder.path() + "/"); path != std::string::npos)
      line.erase(path, folder.path().size() + 1);
  return lines;
}

}  // namespace

TEST_CASE("logs that differ in times and sessions alone are the same", "[metrics compare]") {
  CHECK(differences_after(R"("samples_per_second":7.0,"elapsed_seconds":1.0)", R"("samples_per_second":9.5)").empty());
  CHECK(differences_after(R"("threads":1)", R"("threads":8)").empty());
  CHECK(differences_after(R"({"kind":"checkpoint","step":2,"path":"a"})", R"({"kind":"start","step":2})").empty());
}

TEST_CASE("values that differ are named", "[metrics compare]") {
  CHECK(differences_after("0.25", "0.125") == Lines{"step 2, train_loss: 0.25 against 0.125"});
  CHECK(differences_after(R"("valid_loss":0.0)", R"("valid_loss":-0.0)") ==
        Lines{"epoch line of step 2, valid_loss: 0.0 against -0.0"});
  CHECK(differences_after("0.375", "null") == Lines{"epoch line of step 2, train_loss: 0.375 against null"});
  CHECK(differences_after(R"(,"best":true)", "") == Lines{"epoch line of step 2, best: true against nothing"});
}

TEST_CASE("steps that are missing, double, out of order or cut off are named", "[metrics compare]") {
  const std::string first =
      R"({"kind":"step","step":1,"epoch":1,"train_loss":0.5,"learning_rate":0.01,"samples_per_second":7.0,"elapsed_seconds":1.0})"
      "\n";
  const std::string second =
      R"({"kind":"step","step":2,"epoch":1,"train_loss":0.25,"learning_rate":0.01,"samples_per_second":7.0,"elapsed_seconds":2.0})"
      "\n";
  CHECK(differences_after(first, "") == Lines{"step 1 is missing in b"});
  CHECK(differences_after(first, first + first) == Lines{"step 1 stands twice in b"});
  CHECK(differences_after(second, second + first) == Lines{"step 1 stands twice in b"});
  CHECK(differences_after(first + second, second + first) == Lines{"step 1 stands behind step 2 in b"});
  CHECK(differences_after(second, R"({"kind":"step","st)"
                                  "\n") == Lines{"line 3 is not whole in b", "step 2 is missing in b"});
  CHECK(differences_after(R"({"kind":"epoch")", R"({"kind":"step")") ==
        Lines{"step 2 stands twice in b", "epoch line of step 2 is missing in b"});
}

TEST_CASE("an absent log is an error", "[metrics compare]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<FileError>([&] { metrics_differences(folder / "a", folder / "b"); }), has_text(folder / "a"));
}

TEST_CASE("the log tells how the last session ended", "[metrics compare]") {
  const TemporaryFolder folder;
  std::ofstream(folder / "metrics.jsonl") << kLog;
  const EndReport end = last_end(folder.path());
  CHECK(end.step == 2);
  CHECK(end.epoch == 1);
  CHECK(end.samples_seen == 64);
  CHECK(end.elapsed_seconds == 2.5);
  CHECK(end.reason == "epochs");
  std::ofstream(folder / "metrics.jsonl") << R"({"kind":"start","step":0})"
                                          << "\n";
  CHECK_THAT(message_of<FileError>([&] { last_end(folder.path()); }), has_text("nothing of the run's end"));
}

}  // namespace gradloom
