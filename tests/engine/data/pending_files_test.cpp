#include "engine/data/pending_files.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "gradloom/errors.hpp"
#include "gradloom/import.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace gradloom {
TEST_CASE("Pending files appear together, or not at all", "[pending_files]") {
  const testing::TemporaryFolder folder;
  {
    PendingFiles files;
    std::ofstream(files.add(folder / "a.h5")) << "a";
    std::ofstream(files.add(folder / "b.h5")) << "b";
  }
  CHECK(folder.entries() == 0);
  PendingFiles files;
  std::ofstream(files.add(folder / "a.h5")) << "a";
  std::ofstream(files.add(folder / "b.h5")) << "b";
  CHECK_FALSE(std::filesystem::exists(folder / "a.h5"));
  files.publish();
  CHECK(std::filesystem::file_size(folder / "b.h5") == 1);
  CHECK(folder.entries() == 2);
}

TEST_CASE("A signal's handler can remove what is unfinished", "[pending_files]") {
  const testing::TemporaryFolder folder;
  PendingFiles done, unfinished;
  std::ofstream(done.add(folder / "a.h5")) << "a";
  done.publish();
  std::ofstream(unfinished.add(folder / "b.h5")) << "b";
  std::ofstream(unfinished.add(folder / "c.h5")) << "c";
  remove_unfinished_outputs();
  CHECK(folder.entries() == 1);
  CHECK(std::filesystem::exists(folder / "a.h5"));
}

TEST_CASE("A signal's handler can remove as many files as a set has shards", "[pending_files]") {
  const testing::TemporaryFolder folder;
  PendingFiles files;
  for (int i = 0; i < 1000; ++i) std::ofstream(files.add(folder / std::to_string(i))) << i;
  CHECK(folder.entries() == 1000);
  remove_unfinished_outputs();
  CHECK(folder.entries() == 0);
}

TEST_CASE("An output must be a file in a folder that exists", "[pending_files]") {
  const testing::TemporaryFolder folder;
  PendingFiles files;
  CHECK_THROWS_AS(files.add(folder / "absent/a.h5"), FileError);
  CHECK_THROWS_AS(files.add(folder / ""), ConfigError);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(files.add(folder / "pipe"), ConfigError);  // renaming over it would replace it, as with /dev/null
  CHECK(std::filesystem::is_fifo(folder / "pipe"));
}

}  // namespace gradloom
