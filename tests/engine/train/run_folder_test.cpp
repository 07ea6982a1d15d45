#include "engine/train/run_folder.hpp"

#include <filesystem>
#include <fstream>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

Config config_in(const TemporaryFolder& folder) {
  Config config;
  config.run.dir = folder / "run";
  config.model.layers = {{1, Activation::kLinear}};
  return config;
}

TrainingObserver silent;

void touch(const std::string& path) { std::ofstream(path) << "x"; }

}  // namespace

TEST_CASE("a run folder is created when the run begins, and not before", "[run folder]") {
  const TemporaryFolder folder;
  RunFolder run(config_in(folder), false);
  CHECK(folder.entries() == 0);
  run.begin(config_in(folder), std::nullopt, silent);
  for (const char* name : {"run/lock", "run/config.ini", "run/metrics.jsonl", "run/checkpoints"})
    CHECK(fs::exists(folder / name));
}

TEST_CASE("one run at a time trains in a folder", "[run folder]") {
  const TemporaryFolder folder;
  RunFolder first(config_in(folder), false);
  RunFolder second(config_in(folder), true);  // both found no folder
  first.begin(config_in(folder), std::nullopt, silent);
  CHECK_THAT(message_of<ConfigError>([&] { second.begin(config_in(folder), std::nullopt, silent); }),
             has_text("in use"));
  CHECK_THAT(message_of<ConfigError>([&] { RunFolder third(config_in(folder), true); }), has_text("in use"));
}

TEST_CASE("a run that found no folder does not start over one that another has finished since", "[run folder]") {
  const TemporaryFolder folder;
  RunFolder late(config_in(folder), true);
  {
    RunFolder quick(config_in(folder), true);
    quick.begin(config_in(folder), std::nullopt, silent);
    touch(quick.checkpoints().path_of(7));
  }
  CHECK_THAT(message_of<ConfigError>([&] { late.begin(config_in(folder), std::nullopt, silent); }),
             has_text("--resume"));
  CHECK(fs::exists(late.checkpoints().path_of(7)));
}

TEST_CASE("temporary files of killed writes go when a run begins", "[run folder]") {
  const TemporaryFolder folder;
  const Config config = config_in(folder);
  fs::create_directories(folder / "run/checkpoints");
  for (const char* name : {".config.ini.tmp-1", ".metrics.jsonl.tmp-2", "checkpoints/.step-000000000001.h5.tmp-3",
                           "notes.tmp-4", ".hidden"})
    touch(folder / ("run/" + std::string(name)));
  RunFolder(config, true).begin(config, std::nullopt, silent);
  CHECK_FALSE(fs::exists(folder / "run/.config.ini.tmp-1"));
  CHECK_FALSE(fs::exists(folder / "run/.metrics.jsonl.tmp-2"));
  CHECK_FALSE(fs::exists(folder / "run/checkpoints/.step-000000000001.h5.tmp-3"));
  CHECK(fs::exists(folder / "run/notes.tmp-4"));
  CHECK(fs::exists(folder / "run/.hidden"));
}

TEST_CASE("a folder that holds checkpoints, and a file in its place, are refused", "[run folder]") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "run/checkpoints");
  touch(folder / "run/checkpoints/best.h5");
  const std::string refusal = message_of<ConfigError>([&] { RunFolder run(config_in(folder), false); });
  CHECK_THAT(refusal, has_text("--resume") && has_text("--run.dir"));
  CHECK_NOTHROW(RunFolder(config_in(folder), true));
  fs::remove_all(folder / "run");
  touch(folder / "run");
  CHECK_THAT(message_of<ConfigError>([&] { RunFolder run(config_in(folder), true); }), has_text("a file"));
}

}  // namespace gradloom
