#include "engine/checkpoint/store.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <span>

#include "engine/checkpoint/checkpoint.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/sample_checkpoint.hpp"

namespace gradloom {
namespace {

namespace fs = std::filesystem;
using Steps = std::vector<std::uint64_t>;

std::string write_sample(CheckpointStore& store, std::uint64_t step) {
  const auto c = sample_checkpoint<float>();
  const std::vector<std::byte> bytes = encode_checkpoint(view_of(c));
  const std::array<std::span<const std::byte>, 2> parts{std::span(bytes).first(100), std::span(bytes).subspan(100)};
  return store.write(step, parts);
}

void touch(const std::string& path) { std::ofstream(path) << "x"; }

void damage(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(1000);
  file.put('!');
}

}  // namespace

TEST_CASE("the store names files by step and lists only those", "[store]") {
  const testing::TemporaryFolder folder;
  CheckpointStore store(folder / "checkpoints");
  CHECK(store.steps().empty());
  CHECK(store.path_of(42) == folder / "checkpoints/step-000000000042.h5");
  CHECK(write_sample(store, 1000) == store.path_of(1000));
  write_sample(store, 9);
  for (const char* name : {"step-9.h5", "step-00000000000a.h5", "step-000000000011.h5.bak", "notes.txt", "step-.h5"})
    touch(folder / ("checkpoints/" + std::string(name)));
  CHECK(store.steps() == Steps{9, 1000});
}

TEST_CASE("recovery takes the newest whole file and tells of the damaged ones", "[store]") {
  const testing::TemporaryFolder folder;
  CheckpointStore store(folder.path());
  std::vector<std::string> told;
  const auto tell = [&](const std::string& what) { told.push_back(what); };
  CHECK_FALSE(store.newest_valid(tell));
  for (const std::uint64_t step : {10, 20, 30}) write_sample(store, step);
  CHECK(store.newest_valid(tell) == store.path_of(30));
  CHECK(told.empty());
  damage(store.path_of(30));
  fs::resize_file(store.path_of(20), 700);
  CHECK(store.newest_valid(tell) == store.path_of(10));
  REQUIRE(told.size() == 2);
  CHECK(told[0].find("step-000000000030.h5") != std::string::npos);
  CHECK(told[1].find("cut short") != std::string::npos);
  damage(store.path_of(10));
  CHECK_FALSE(store.newest_valid(nullptr));
  CHECK_THROWS_AS(resolve_checkpoint(folder.path()), CheckpointError);
}

TEST_CASE("pruning keeps the newest and the best", "[store]") {
  const testing::TemporaryFolder folder;
  CheckpointStore store(folder.path());
  for (std::uint64_t step = 1; step <= 6; ++step) write_sample(store, step);
  store.set_best(2);
  store.prune(2, {2});
  CHECK(store.steps() == Steps{2, 5, 6});
  store.prune(5, {});
  CHECK(store.steps() == Steps{2, 5, 6});
  store.prune(1, {});
  CHECK(store.steps() == Steps{6});
  CHECK_NOTHROW(verify_checkpoint(store.best_path()));  // its own name for the file that went
}

TEST_CASE("leftovers of killed processes go, everything else stays", "[store]") {
  const testing::TemporaryFolder folder;
  CheckpointStore store(folder.path());
  write_sample(store, 1);
  for (const char* name : {".step-000000000002.h5.tmp-123", ".best.h5.tmp-9", ".hidden", "notes.h5.tmp-1"})
    touch(folder / name);
  store.remove_leftovers();
  CHECK_FALSE(fs::exists(folder / ".step-000000000002.h5.tmp-123"));
  CHECK_FALSE(fs::exists(folder / ".best.h5.tmp-9"));
  CHECK(fs::exists(folder / ".hidden"));
  CHECK(fs::exists(folder / "notes.h5.tmp-1"));
  CHECK(store.steps() == Steps{1});
}

TEST_CASE("a run folder stands for its best, else its newest whole checkpoint", "[store]") {
  const testing::TemporaryFolder folder;
  CHECK_THROWS_AS(resolve_checkpoint(folder / "absent"), CheckpointError);
  CHECK_THROWS_AS(resolve_checkpoint(folder.path()), CheckpointError);
  CheckpointStore store(folder / "checkpoints");
  write_sample(store, 1);
  write_sample(store, 2);
  CHECK(resolve_checkpoint(store.path_of(1)) == store.path_of(1));
  CHECK(resolve_checkpoint(folder.path()) == store.path_of(2));
  store.set_best(1);
  store.set_best(1);
  CHECK(resolve_checkpoint(folder.path()) == store.best_path());
  CHECK(resolve_checkpoint(folder / "checkpoints") == store.best_path());
}

}  // namespace gradloom
