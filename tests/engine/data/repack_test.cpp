#include "gradloom/repack.hpp"

#include <array>
#include <cerrno>
#include <filesystem>
#include <numeric>

#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/fault_plans.hpp"
#include "support/raw_hdf5.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::kNever;
using testing::message_of;
using testing::NthCallFails;
using testing::RawHdf5;
using testing::TemporaryFolder;

// Rows that are twice the least memory, in chunks of all rows and one column.
void write_columns(const std::string& path) {
  const RawHdf5 raw(path);
  const hsize_t rows = 500'000;
  std::vector<double> values(rows * 8);
  std::iota(values.begin(), values.end(), 0.0);
  raw.dataset("y", H5T_STD_I32LE, {rows}, std::vector<double>(rows, 1.0));
  const std::array<hsize_t, 2> chunk{rows, 1};
  H5Pset_chunk(raw.creation(), 2, chunk.data());
  raw.dataset("x", H5T_IEEE_F64LE, {rows, 8}, values);
}

RepackOptions options_for(const TemporaryFolder& folder) {
  RepackOptions options;
  options.sources = {folder / "a.h5"};
  options.output = folder / "out.h5";
  options.memory = RepackOptions::kLeastMemory;
  options.shuffle_rows = true;
  return options;
}

}  // namespace

TEST_CASE("Whatever call for a temporary file fails, nothing stays", "[repack]") {
  const TemporaryFolder folder(TemporaryFolder::fast_parent());
  write_columns(folder / "a.h5");
  RepackOptions options = options_for(folder);
  std::vector<std::string> calls;
  {
    const NthCallFails none(kNever, {});
    CHECK(repack(options).rows == 500'000);
    calls = none.calls();
  }
  std::filesystem::remove(options.output);
  REQUIRE(calls.size() > 20);
  std::size_t failed = 0;
  for (std::size_t n = 0; n < calls.size(); n += std::max<std::size_t>(calls.size() / 8, 1)) {
    const NthCallFails fault(n, {.error = ENOSPC});
    if (calls[n] == "unlink" || calls[n] == "close") continue;  // what is left of another process; nothing is lost
    if (calls[n] == "open") continue;                           // there is another way to make the file
    ++failed;
    INFO(n << " " << calls[n]);
    CHECK_THROWS_AS(repack(options), FileError);
    CHECK(folder.entries() == 1);
  }
  CHECK(failed > 4);
}

TEST_CASE("Repack tells how far it is", "[repack]") {
  const TemporaryFolder folder(TemporaryFolder::fast_parent());
  write_columns(folder / "a.h5");
  RepackOptions options = options_for(folder);
  constexpr std::uint64_t kBytes = 500'000 * 68;
  std::vector<std::string> phases;
  std::uint64_t last = 0;
  options.on_progress = [&](const WorkProgress& progress) {
    if (phases.empty() || phases.back() != progress.phase) {
      if (!phases.empty()) CHECK(last == kBytes);
      phases.push_back(progress.phase);
      last = 0;
    }
    CHECK(progress.done > last);
    CHECK(progress.total == kBytes);
    last = progress.done;
  };
  const RepackReport report = repack(options);
  CHECK(last == kBytes);
  CHECK(phases == std::vector<std::string>{"distributing", "ordering"});
  REQUIRE(report.sets.size() == 2);
  CHECK(report.sets[0].name == "/x");
  CHECK(report.sets[0].type == "float64");
  CHECK(report.train == options.output);
  CHECK(folder.entries() == 2);
}

TEST_CASE("Options that cannot be are refused", "[repack]") {
  const TemporaryFolder folder;
  {
    const RawHdf5 raw(folder / "a.h5");
    raw.dataset("x", H5T_IEEE_F64LE, {10, 2'000'000 / 8}, std::vector<double>(2'500'000));
    raw.dataset("y", H5T_STD_I32LE, {10}, std::vector<double>(10));
  }
  RepackOptions options = options_for(folder);
  const auto refusal = [&] { return message_of<ConfigError>([&] { repack(options); }); };
  CHECK_THAT(refusal(), has_text("a row takes 2000004 bytes, too many for --memory; give --memory 31MiB or more"));
  options.memory = 31 << 20;
  options.chunk_rows = 2;
  CHECK_THAT(refusal(), has_text("--chunk-rows 2: a row takes 2000004 bytes, so that at most 1 rows fit a chunk"));
  options.chunk_rows = 1;
  options.shards = 11;
  CHECK_THAT(refusal(), has_text("--shards 11: there are only 10 rows to split"));
  options.shards = 0;
  CHECK_THAT(refusal(), has_text("--shards must be from 1 to 1000"));
  options.shards = 2;
  options.deflate = 10;
  CHECK_THAT(refusal(), has_text("--deflate"));
  options.deflate = 9;
  options.memory = (16 << 20) - 1;
  CHECK_THAT(refusal(), has_text("--memory must be at least 16MiB"));
  options.memory = 31 << 20;
  options.sources.clear();
  CHECK_THAT(refusal(), has_text("names no source"));
  CHECK(folder.entries() == 1);
}

}  // namespace gradloom
