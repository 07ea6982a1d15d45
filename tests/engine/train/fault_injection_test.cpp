// Every single call of a checkpoint write and of a resume goes wrong once, in every way; whatever happens then, the
// last checkpoint that was reported stands and is found, and the run ends with the bits of one that nothing disturbed.

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/checkpoint/checkpoint.hpp"
#include "engine/checkpoint/store.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "gradloom/trainer.hpp"
#include "support/catch.hpp"
#include "support/fault_plans.hpp"
#include "support/regression_samples.hpp"
#include "support/temporary_folder.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using testing::NthCallFails;

constexpr std::uint64_t kSteps = 6;
constexpr std::uint64_t kStepsBefore = 4;  // done before the session that is resumed

struct LastCheckpointWatch final : TrainingObserver {
  void on_checkpoint(const std::string& /*path*/, std::uint64_t step) override { reported = step; }
  void on_checkpoint_failed(std::uint64_t /*step*/, const std::string& /*reason*/) override { ++failed; }
  void on_warning(const std::string& /*line*/) override { ++warnings; }
  std::optional<std::uint64_t> reported;
  int failed = 0, warnings = 0;
};

// A run of six steps in two epochs, with a checkpoint at every second step and at every epoch.
struct FaultScene {
  FaultScene() {
    const Dataset<double> data = testing::samples<double>(40, 1);
    h5::File file = h5::File::create(folder / "data.h5");
    const std::array<std::uint64_t, 2> x{data.x.rows(), data.x.cols()}, y{data.y.rows(), data.y.cols()};
    file.write<double>("/x", x, data.x.data());
    file.write<double>("/y", y, data.y.data());
    file.close();
    config.data.train = folder / "data.h5";
    config.data.valid_fraction = 0.25;
    config.model.layers = {{3, Activation::kTanh}, {1, Activation::kLinear}};
    config.train.batch_size = 10;
    config.train.epochs = 2;
    config.train.threads = 1;
    config.train.log_every = 1;
    config.optimizer.momentum = 0.9;
    config.checkpoint.every_steps = 2;
    config.checkpoint.keep_last = 2;
  }

  EndReport go(const std::string& run, bool resume, LastCheckpointWatch& watch, std::uint64_t max_steps = kSteps) {
    config.run.dir = folder / run;
    config.train.max_steps = max_steps;
    return train(config, {resume, nullptr, &watch});
  }
  [[nodiscard]] CheckpointStore store(const std::string& run) const {
    return CheckpointStore(folder / (run + "/checkpoints"));
  }

  testing::TemporaryFolder folder{testing::TemporaryFolder::fast_parent()};
  Config config;
};

void require_same_end(const FaultScene& scene, const std::string& run) {
  const auto expected = read_checkpoint<float>(scene.store("whole").path_of(kSteps));
  const auto found = read_checkpoint<float>(scene.store(run).path_of(kSteps));
  REQUIRE(std::ranges::equal(found.parameters.span(), expected.parameters.span()));
  REQUIRE(std::ranges::equal(found.optimizer.at("momentum").span(), expected.optimizer.at("momentum").span()));
  REQUIRE(read_checkpoint<float>(scene.store(run).best_path()).progress.step ==
          read_checkpoint<float>(scene.store("whole").best_path()).progress.step);
}

// Every step is logged once, and nothing but lines stands in the log.
void require_whole_log(const FaultScene& scene, const std::string& run) {
  std::ifstream file(scene.folder / (run + "/metrics.jsonl"));
  std::map<std::uint64_t, int> times;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["kind"] == "step") ++times[json["step"].get<std::uint64_t>()];
  }
  for (std::uint64_t step = 1; step <= kSteps; ++step) REQUIRE(times[step] == 1);
  REQUIRE(times.size() == kSteps);
}

// Files that a write leaves when it is over, be it well or badly.
void require_no_leftovers(const FaultScene& scene, const std::string& run) {
  for (const auto& entry : fs::recursive_directory_iterator(scene.folder / run))
    REQUIRE_FALSE(entry.path().filename().string().starts_with("."));
}

// One session with the n-th call going wrong, then one without a fault. False where the session has no n-th call.
bool survives(FaultScene& scene, const std::string& run, bool resume, std::size_t n, const sys::Fault& fault) {
  LastCheckpointWatch watch;
  bool ended = false;
  std::vector<std::string> calls;
  {
    const NthCallFails plan(n, fault);
    try {
      const EndReport end = scene.go(run, resume, watch);
      REQUIRE(end.step == kSteps);
      ended = true;
    } catch (const FileError& error) {
      INFO(error.what());
      REQUIRE(error.code() == ExitCode::kFile);
      REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
    }
    calls = plan.calls();
  }
  if (calls.size() <= n) return false;
  INFO("call " << n << ": " << calls[n] << ", error " << fault.error << ", " << (ended ? "ended well" : "failed"));
  if (ended) REQUIRE_NOTHROW(verify_checkpoint(scene.store(run).path_of(kSteps)));
  std::uint64_t safe = resume ? kStepsBefore : 0;
  safe = std::max(safe, watch.reported.value_or(0));
  const auto newest = scene.store(run).newest_valid(nullptr);
  if (safe > 0) {
    REQUIRE(newest);
    REQUIRE(read_checkpoint<float>(*newest).progress.step >= safe);
  }
  LastCheckpointWatch quiet;
  scene.go(run, true, quiet);
  require_same_end(scene, run);
  require_whole_log(scene, run);
  require_no_leftovers(scene, run);
  return true;
}

constexpr std::array<sys::Fault, 4> kFaults = {sys::Fault{EIO}, sys::Fault{ENOSPC}, sys::Fault{EINTR},
                                               sys::Fault{0, 7}};

// Some calls go wrong in one way, the ways taking turns; in the long tests every call in every way. Sanitizers make the
// processes that sessions start to read their data slow.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t kStride = 17;
#elif defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kStride = 29;
#else
constexpr std::size_t kStride = 3;
#endif

void let_calls_fail(OnError on_error, bool resume, std::size_t stride = kStride, std::size_t rounds = 1) {
  FaultScene scene;
  scene.config.checkpoint.on_error = on_error;
  LastCheckpointWatch watch;
  scene.go("whole", false, watch);
  if (resume) scene.go("before", false, watch, kStepsBefore);
  std::size_t failed = 0;
  for (std::size_t round = 0; round < rounds; ++round)
    for (std::size_t n = 0;; n += stride) {
      fs::remove_all(scene.folder / "run");
      if (resume) fs::copy(scene.folder / "before", scene.folder / "run", fs::copy_options::recursive);
      if (!survives(scene, "run", resume, n, kFaults[(n + round) % kFaults.size()])) break;
      ++failed;
    }
  CHECK(failed > rounds * 60 / stride);  // the calls of a few checkpoints
  CHECK(failed >= kFaults.size());
}

}  // namespace

TEST_CASE("any call of a session may fail: a run from the start", "[faults][threads]") {
  let_calls_fail(OnError::kContinue, false);
}

TEST_CASE("any call of a session may fail: a resume", "[faults][threads]") { let_calls_fail(OnError::kContinue, true); }

TEST_CASE("any call of a session may fail: a run that ends where a checkpoint cannot be written", "[faults][threads]") {
  let_calls_fail(OnError::kStop, true);
}

TEST_CASE("any call of any session may fail in any way", "[faults][.soak]") {
  let_calls_fail(OnError::kContinue, false, 1, kFaults.size());
  let_calls_fail(OnError::kContinue, true, 1, kFaults.size());
  let_calls_fail(OnError::kStop, true, 1, kFaults.size());
}

}  // namespace gradloom
