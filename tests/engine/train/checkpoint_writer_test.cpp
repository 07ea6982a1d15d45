#include "engine/train/checkpoint_writer.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/fault_plans.hpp"
#include "support/regression_samples.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using testing::has_text;
using testing::message_of;

struct CheckpointWatch final : TrainingObserver {
  void on_checkpoint(const std::string& /*path*/, std::uint64_t step) override { written.push_back(step); }
  void on_checkpoint_failed(std::uint64_t step, const std::string& /*reason*/) override { failed.push_back(step); }
  void on_warning(const std::string& line) override { warnings.push_back(line); }
  std::vector<std::uint64_t> written, failed;
  std::vector<std::string> warnings;
};

struct WriterScene {
  explicit WriterScene(OnError on_error = OnError::kContinue) {
    config.data.train = "memory";
    config.run.dir = folder / "run";
    config.model.layers = {{2, Activation::kTanh}, {1, Activation::kLinear}};
    config.checkpoint.keep_last = 1;
    config.checkpoint.on_error = on_error;
    data = prepare_run_data<float>(config, testing::samples<float>(20, 1), std::nullopt, std::nullopt);
    state.parameters = AlignedBuffer<float>(data.layout(config).size(), 1.0F);
    run.emplace(config, false);
    run->begin(config, std::nullopt, watch);
    writer.emplace(config, data, *run, watch);
  }
  void save(std::uint64_t step, bool best = false) {
    Progress progress;
    progress.step = step;
    writer->save(state, progress, 0, best);
  }
  [[nodiscard]] std::uint64_t best_step() const {
    return read_checkpoint<float>(folder / "run/checkpoints/best.h5").progress.step;
  }

  testing::TemporaryFolder folder;
  Config config;
  RunData<float> data;
  TrainingState<float> state;
  CheckpointWatch watch;
  std::optional<RunFolder> run;
  std::optional<CheckpointWriter<float>> writer;
};

// Holds up the first rename until it is let go.
class HeldRename final : public sys::FaultPlan {
 public:
  HeldRename() { sys::set_fault_plan(this); }
  ~HeldRename() override { sys::set_fault_plan(nullptr); }
  HeldRename(const HeldRename&) = delete;
  HeldRename& operator=(const HeldRename&) = delete;
  sys::Fault before(std::string_view call) override {
    if (call == "rename") gate_.wait();
    return {};
  }
  void let_go() { key_.set_value(); }

 private:
  std::promise<void> key_;
  std::shared_future<void> gate_{key_.get_future()};
};

// Writes fail for as long as it lives.
class FullDisk final : public sys::FaultPlan {
 public:
  FullDisk() { sys::set_fault_plan(this); }
  ~FullDisk() override { sys::set_fault_plan(nullptr); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  sys::Fault before(std::string_view call) override { return {call == "write" ? ENOSPC : 0}; }
};

}  // namespace

TEST_CASE("a save returns while its checkpoint is being written, with the state as it was",
          "[checkpoint writer][threads]") {
  WriterScene scene;
  {
    HeldRename held;
    scene.save(1);
    scene.writer->poll();
    CHECK(scene.watch.written.empty());  // cannot be there yet: nothing is told before it is
    CHECK_FALSE(scene.writer->safe_step());
    scene.state.parameters[0] = 2;  // training goes on
    held.let_go();
    scene.writer->settle();
  }
  CHECK(scene.watch.written == std::vector<std::uint64_t>{1});
  CHECK(scene.writer->safe_step() == 1);
  CHECK(read_checkpoint<float>(scene.run->checkpoints().path_of(1)).parameters[0] == 1);
  scene.save(2);
  scene.writer->finish();
  CHECK(read_checkpoint<float>(scene.run->checkpoints().path_of(2)).parameters[0] == 2);
  CHECK(scene.run->checkpoints().steps() == std::vector<std::uint64_t>{2});
}

TEST_CASE("a write that fails is told, and leaves what stood", "[checkpoint writer][threads]") {
  WriterScene scene;
  scene.save(1);
  scene.writer->settle();
  {
    const FullDisk full;
    scene.save(2);
    scene.writer->settle();
    scene.save(3);  // the same trouble is not told again at once
    scene.writer->settle();
  }
  CHECK(scene.watch.failed == std::vector<std::uint64_t>{2, 3});
  REQUIRE(scene.watch.warnings.size() == 1);
  CHECK_THAT(scene.watch.warnings.front(), has_text("checkpoint of step 2") && has_text("No space left on device") &&
                                               has_text("the checkpoint of step 1 stands; training goes on"));
  CHECK(scene.writer->safe_step() == 1);
  CHECK_NOTHROW(verify_checkpoint(scene.run->checkpoints().path_of(1)));
  scene.save(4);
  scene.writer->finish();
  CHECK(scene.writer->safe_step() == 4);
}

TEST_CASE("the best epoch outlives a write that fails", "[checkpoint writer][threads]") {
  WriterScene scene;
  {
    const FullDisk full;
    scene.save(1, true);
    scene.writer->settle();
  }
  SECTION("it is written with the next checkpoint") {
    scene.save(2);
    scene.writer->settle();
    CHECK(scene.best_step() == 1);
    CHECK(scene.run->checkpoints().steps() == std::vector<std::uint64_t>{2});
  }
  SECTION("a better one takes its place") {
    scene.save(2, true);
    scene.writer->finish();
    CHECK(scene.best_step() == 2);
  }
}

TEST_CASE("a run does not end well without its last checkpoint", "[checkpoint writer][threads]") {
  WriterScene scene;
  const FullDisk full;
  scene.save(5);
  CHECK_THAT(message_of<FileError>([&] { scene.writer->finish(); }),
             has_text("checkpoint of step 5") && has_text("there is no checkpoint yet"));
  CHECK(scene.watch.warnings.empty());  // the error says it
}

TEST_CASE("by checkpoint.on-error a write that fails ends the run", "[checkpoint writer][threads]") {
  WriterScene scene(OnError::kStop);
  const FullDisk full;
  scene.save(5);
  CHECK_THAT(message_of<FileError>([&] { scene.writer->settle(); }), has_text("(checkpoint.on-error = stop)"));
}

TEST_CASE("a diverged run goes back past a damaged checkpoint, and says so", "[checkpoint writer][threads]") {
  WriterScene scene;
  scene.config.checkpoint.every_steps = 1;
  scene.config.checkpoint.keep_last = 3;
  for (std::uint64_t step = 1; step <= 2; ++step) scene.save(step);
  scene.writer->settle();
  {
    std::fstream file(scene.run->checkpoints().path_of(2), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(1000);
    file.put('!');
  }
  {
    const FullDisk full;  // a failure from before the way back is nothing that the run could still end over
    scene.save(3);
    scene.writer->settle();
  }
  const auto anchor = scene.writer->recall();
  REQUIRE(anchor);
  CHECK(anchor->progress.step == 1);
  CHECK(scene.writer->safe_step() == 1);
  CHECK_THAT(scene.watch.warnings.back(), has_text(scene.run->checkpoints().path_of(2)) && has_text("damaged"));
  CHECK(fs::exists(scene.folder / "run/checkpoints/damaged-step-000000000002.h5"));
  CHECK(scene.run->checkpoints().steps() == std::vector<std::uint64_t>{1});
  CHECK_NOTHROW(scene.writer->finish());
}

TEST_CASE("best.h5 of an epoch that is not the best is set aside", "[checkpoint writer][threads]") {
  WriterScene scene;
  scene.save(1, true);
  scene.writer->finish();
  Progress progress;
  progress.best = {{0.5, 1, 1}};
  scene.run->restore_best(progress, scene.watch);
  CHECK(scene.best_step() == 1);
  CHECK(scene.watch.warnings.empty());
  progress.best = {{0.25, 7, 7}};  // its file was never written
  scene.run->restore_best(progress, scene.watch);
  REQUIRE(scene.watch.warnings.size() == 1);
  CHECK_THAT(scene.watch.warnings.front(), has_text("is of step 1") && has_text("step 7"));
  CHECK(fs::exists(scene.folder / "run/checkpoints/other-best.h5"));
  CHECK_FALSE(fs::exists(scene.folder / "run/checkpoints/best.h5"));
}

TEST_CASE("a log that cannot be written is told once and loses no line", "[checkpoint writer][threads]") {
  WriterScene scene;
  {
    const FullDisk full;
    for (std::uint64_t step = 1; step <= 3; ++step) {
      scene.run->metrics().on_step({step, 1, 0.5, 0.1, 1, 1}, true);
      scene.writer->poll();
    }
  }
  REQUIRE(scene.watch.warnings.size() == 1);
  CHECK_THAT(scene.watch.warnings.front(), has_text("metrics.jsonl") && has_text("wait in memory"));
  CHECK(fs::file_size(scene.folder / "run/metrics.jsonl") == 0);
  scene.run->metrics().flush();
  std::ifstream log(scene.folder / "run/metrics.jsonl");
  std::string line;
  int lines = 0;
  while (std::getline(log, line)) ++lines;
  CHECK(lines == 3);
}

}  // namespace gradloom
