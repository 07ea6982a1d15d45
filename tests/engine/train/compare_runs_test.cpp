#include <filesystem>
#include <fstream>

#include "engine/checkpoint/store.hpp"
#include "gradloom/compare.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;
using testing::has_text;
using testing::TemporaryFolder;

// A run folder with these steps, the second of them the best, and a log of one step.
std::string make_run(const std::string& path, const std::vector<std::uint64_t>& steps) {
  CheckpointStore store(path + "/checkpoints");
  Checkpoint<float> c = sample_checkpoint<float>();
  for (const std::uint64_t step : steps) {
    c.progress.step = step;
    const std::vector<std::byte> bytes = encode_checkpoint(view_of(c));
    const std::array<std::span<const std::byte>, 1> parts{std::span(bytes)};
    store.write(step, parts);
  }
  store.set_best(steps.at(1));
  std::ofstream(path + "/metrics.jsonl") << R"({"kind":"step","step":1,"train_loss":0.5})"
                                         << "\n";
  return path;
}

// "FILE: DIFFERENCE", and the file's name alone where it is the same.
Lines difference_lines(const std::vector<FileComparison>& files) {
  Lines lines;
  for (const FileComparison& file : files) {
    for (const std::string& difference : file.differences) lines.push_back(file.name + ": " + difference);
    if (file.differences.empty()) lines.push_back(file.name);
  }
  return lines;
}

}  // namespace

TEST_CASE("run folders are compared by what both kept", "[compare runs]") {
  const TemporaryFolder folder;
  const std::string a = make_run(folder / "a", {10, 20, 30}), b = make_run(folder / "b", {15, 20, 30});
  CHECK(difference_lines(compare_runs(a, b)) ==
        Lines{"metrics.jsonl", "step-000000000020.h5", "step-000000000030.h5", "best.h5"});
}

TEST_CASE("differences of run folders name the file", "[compare runs]") {
  const TemporaryFolder folder;
  const std::string a = make_run(folder / "a", {10, 20}), b = make_run(folder / "b", {10, 20, 30});
  CheckpointStore(b + "/checkpoints").set_best(10);
  std::ofstream(b + "/metrics.jsonl") << R"({"kind":"step","step":1,"train_loss":0.75})"
                                      << "\n";
  CHECK(difference_lines(compare_runs(a, b)) ==
        Lines{"metrics.jsonl: step 1, train_loss: 0.5 against 0.75", "last checkpoint: step 20 against step 30",
              "step-000000000010.h5", "step-000000000020.h5", "best.h5: /progress attribute step: 20 against 10"});
}

TEST_CASE("a damaged or missing checkpoint is a difference", "[compare runs]") {
  const TemporaryFolder folder;
  const std::string a = make_run(folder / "a", {10, 20}), b = make_run(folder / "b", {10, 20});
  fs::remove(b + "/checkpoints/best.h5");
  fs::resize_file(b + "/checkpoints/step-000000000010.h5", 700);
  const Lines lines = difference_lines(compare_runs(a, b));
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[1], has_text("step-000000000010.h5: ") && has_text("cut short"));
  CHECK(lines[2] == "step-000000000020.h5");
  CHECK(lines[3] == "best.h5: only in " + a + "/checkpoints");
}

}  // namespace gradloom
