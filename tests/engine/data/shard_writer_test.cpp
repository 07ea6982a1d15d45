#include "engine/data/shard_writer.hpp"

#include <fstream>
#include <random>
#include <sstream>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace gradloom {
namespace {

using testing::TemporaryFolder;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

std::vector<RowSet> sets() {
  std::vector<RowSet> sets(2);
  sets[0].path = "x";
  sets[0].cols = 3;
  sets[0].labels = {{"names", {"a", "b", "c"}}};
  sets[1].path = "group/y";
  sets[1].type = h5::NumberType::kInt16;
  sets[1].flat = true;
  return sets;
}

// Rows of random bytes, in blocks of up to `most` rows; the same rows whatever the blocks.
void write(const std::string& path, std::uint64_t shards, const RepackOptions& options, std::size_t most) {
  constexpr std::size_t kRows = 1000;
  const std::vector<RowSet> kept = sets();
  RowBuffer all(kept, kRows);
  std::mt19937 values(1), random(most);
  for (std::size_t i = 0; i < kRows * 12; ++i) all.set(0)[i] = static_cast<std::byte>(values());
  for (std::size_t i = 0; i < kRows * 2; ++i) all.set(1)[i] = static_cast<std::byte>(values());
  ShardWriter writer(kept, plan_shards(path, shards, kRows), options);
  for (std::size_t first = 0; first < kRows;) {
    const std::size_t count = std::min(random() % most + 1, kRows - first);
    writer.append({first, count, {all.set(0) + first * 12, all.set(1) + first * 2}});
    first += count;
  }
  writer.publish();
}

}  // namespace

TEST_CASE("Shards have even numbers of rows and names that sort", "[shard_writer]") {
  const auto one = plan_shards("d/t.h5", 1, 5);
  REQUIRE(one.size() == 1);
  CHECK(one[0].path == "d/t.h5");
  const auto three = plan_shards("d/t.h5", 3, 10'000'000'001);
  REQUIRE(three.size() == 3);
  CHECK(three[0].path == "d/t.000-of-003.h5");
  CHECK(three[2].path == "d/t.002-of-003.h5");
  CHECK(three[0].rows == 3'333'333'334);
  CHECK(three[1].rows == 3'333'333'334);
  CHECK(three[2].rows == 3'333'333'333);
  CHECK(plan_shards("t", 1000, 1000)[7].path == "t.0007-of-1000");
  CHECK(training_glob("d/t.h5", 1) == "d/t.h5");
  CHECK(training_glob("d/t.h5", 12) == "d/t.*-of-012.h5");
  CHECK(training_glob("my d[1]/t.h5", 2) == "my?d?1?/t.*-of-002.h5");  // a blank would end the name in a config
}

TEST_CASE("The bytes of shards do not depend on blocks of rows", "[shard_writer][slow]") {
  const TemporaryFolder folder;
  for (const std::uint64_t shards : {1, 3})
    for (const std::size_t chunk_rows : {0, 1, 7, 500, 5000}) {
      RepackOptions options;
      options.chunk_rows = chunk_rows;
      options.deflate = chunk_rows == 7 || chunk_rows == 500 ? 2 : 0;
      write(folder / "a.h5", shards, options, 1);
      options.memory = 1;
      write(folder / "b.h5", shards, options, 1000);
      options.memory = 100'000;
      write(folder / "c.h5", shards, options, 60);
      const auto a = plan_shards(folder / "a.h5", shards, 1000);
      for (const char* other : {"b.h5", "c.h5"}) {
        const auto b = plan_shards(folder / other, shards, 1000);
        for (std::size_t i = 0; i < a.size(); ++i) CHECK(bytes_of(a[i].path) == bytes_of(b[i].path));
      }
      const h5::File file = h5::File::open(a[0].path);
      const std::uint64_t rows = a[0].rows;
      CHECK(file.info("x").shape == std::vector<std::uint64_t>{rows, 3});
      CHECK(file.info("group/y").shape == std::vector<std::uint64_t>{rows});
      const std::uint64_t most = chunk_rows == 0 ? rows : std::min<std::uint64_t>(chunk_rows, rows);
      CHECK(file.info("x").chunk == std::vector<std::uint64_t>{most, 3});
      CHECK(file.strings_attribute("x", "names") == std::vector<std::string>{"a", "b", "c"});
    }
}

TEST_CASE("The bytes of compressed chunks do not depend on how many are under way", "[shard_writer][threads]") {
  const TemporaryFolder folder;
  RepackOptions options;
  options.chunk_rows = 3;
  options.deflate = 6;
  write(folder / "a.h5", 1, options, 100);
  options.memory = 1;
  write(folder / "b.h5", 1, options, 100);
  CHECK(bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5"));
}

TEST_CASE("A writer that is not given all rows leaves nothing", "[shard_writer]") {
  const TemporaryFolder folder;
  {
    const std::vector<RowSet> kept = sets();
    RowBuffer rows(kept, 10);
    ShardWriter writer(kept, plan_shards(folder / "a.h5", 2, 20), {});
    std::fill_n(rows.set(0), 120, std::byte{});
    std::fill_n(rows.set(1), 20, std::byte{});
    writer.append(rows.block(0, 10));
    writer.append(rows.block(10, 4));
    CHECK(folder.entries() == 2);
    CHECK_THROWS(writer.publish());
  }
  CHECK(folder.entries() == 0);
}

}  // namespace gradloom
