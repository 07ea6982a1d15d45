#include "engine/io/scratch_file.hpp"

#include <cerrno>
#include <vector>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/fault_plans.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;
using testing::NthCallFails;
using testing::TemporaryFolder;

std::vector<std::byte> filled(std::size_t count, int value) { return {count, static_cast<std::byte>(value)}; }

}  // namespace

TEST_CASE("A scratch file has no name, and holds what is written anywhere", "[scratch_file]") {
  const TemporaryFolder folder;
  const ScratchFile file(folder / "out.h5");
  const ScratchFile other(folder / "out.h5");
  CHECK(folder.entries() == 0);
  file.write_at(5'000'000'000, filled(100, 7));
  file.write_at(0, filled(10, 1));
  other.write_at(0, filled(10, 2));
  std::vector<std::byte> out(100);
  file.read_at(5'000'000'000, out);
  CHECK(out == filled(100, 7));
  out.resize(10);
  file.read_at(0, out);
  CHECK(out == filled(10, 1));
  file.discard(0, 10);
  file.write_at(0, filled(10, 3));
  file.read_at(0, out);
  CHECK(out == filled(10, 3));
  CHECK_THAT(message_of<FileError>([&] { file.read_at(5'000'000'095, out); }), has_text("out.h5: the temporary file"));
}

TEST_CASE("A scratch file tells of a full disk, and goes on behind short writes", "[scratch_file]") {
  const TemporaryFolder folder;
  const ScratchFile file(folder / "out.h5");
  {
    const NthCallFails full(0, {.error = ENOSPC});
    CHECK_THAT(message_of<FileError>([&] { file.write_at(0, filled(10, 1)); }),
               has_text("out.h5: the temporary file beside it cannot be written: No space left on device"));
  }
  {
    const NthCallFails interrupted(0, {.error = EINTR});
    file.write_at(0, filled(10, 1));
  }
  {
    const NthCallFails partly(0, {.most_bytes = 3});
    file.write_at(10, filled(10, 2));
  }
  std::vector<std::byte> out(10);
  const NthCallFails partly(0, {.most_bytes = 4});
  file.read_at(10, out);
  CHECK(out == filled(10, 2));
  CHECK_THROWS_AS(ScratchFile(folder / "absent/out.h5"), FileError);
}

}  // namespace gradloom
