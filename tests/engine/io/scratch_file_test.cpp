#include "engine/io/scratch_file.hpp"

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/durable_file.hpp"
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

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_at(const std::string& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Two pieces come out as often as they are read; the folder never shows them.
void check_appended(ScratchFile spool, const testing::TemporaryFolder& folder) {
  spool.append(bytes_of("one "));
  spool.append(bytes_of("two"));
  CHECK(folder.entries() == 0);
  CHECK(text_at(spool.path()) == "one two");
  CHECK(text_at(spool.path()) == "one two");
}

}  // namespace

TEST_CASE("A scratch file has no name, and holds what is written anywhere", "[io]") {
  const TemporaryFolder folder;
  const ScratchFile file(folder.path());
  const ScratchFile other(folder.path());
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
  CHECK_THAT(message_of<FileError>([&] { file.read_at(5'000'000'095, out); }),
             has_text("a temporary file there cannot be read"));
}

TEST_CASE("A scratch file tells of a full disk, and goes on behind short writes", "[io]") {
  const TemporaryFolder folder;
  const ScratchFile file(folder.path());
  {
    const NthCallFails full(0, {.error = ENOSPC});
    CHECK_THAT(message_of<FileError>([&] { file.write_at(0, filled(10, 1)); }),
               has_text("a temporary file there cannot be written: No space left on device"));
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
  CHECK_THROWS_AS(ScratchFile(folder / "absent"), FileError);
}

TEST_CASE("a scratch file is read as often as one likes and seen by nobody") {
  const testing::TemporaryFolder folder;
  check_appended(ScratchFile(folder.path()), folder);
  CHECK_THAT(message_of<FileError>([&] { ScratchFile(folder / "absent"); }), has_text("open failed"));
}

TEST_CASE("a scratch file needs no O_TMPFILE, and fails clearly") {
  const testing::TemporaryFolder folder;
  {
    const testing::NthCallFails no_nameless_files(0, {.error = EOPNOTSUPP});
    check_appended(ScratchFile(folder.path()), folder);
  }
  const testing::NthCallFails full_disk(1, {.error = ENOSPC});
  ScratchFile spool(folder.path());
  CHECK_THAT(message_of<FileError>([&] { spool.append(bytes_of("one")); }),
             has_text("cannot be written: No space left"));
}

}  // namespace gradloom
