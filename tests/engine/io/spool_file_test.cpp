#include "engine/io/spool_file.hpp"

#include <cerrno>
#include <string>

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

std::string text_at(const std::string& path) {
  const auto bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Two pieces come out as often as they are read; the folder never shows them.
void check_spool(const SpoolFile& spool, const testing::TemporaryFolder& folder) {
  spool.append(std::string("one "));
  spool.append(std::string("two"));
  CHECK(folder.entries() == 0);
  CHECK(text_at(spool.path()) == "one two");
  CHECK(text_at(spool.path()) == "one two");
}

}  // namespace

TEST_CASE("a spool file is read as often as one likes and seen by nobody") {
  const testing::TemporaryFolder folder;
  check_spool(SpoolFile(folder.path()), folder);
  CHECK_THAT(message_of<FileError>([&] { SpoolFile(folder / "absent"); }), has_text("open failed"));
}

TEST_CASE("a spool file needs no O_TMPFILE, and fails clearly") {
  const testing::TemporaryFolder folder;
  {
    const testing::NthCallFails no_nameless_files(0, {.error = EOPNOTSUPP});
    check_spool(SpoolFile(folder.path()), folder);
  }
  const testing::NthCallFails full_disk(1, {.error = ENOSPC});
  const SpoolFile spool(folder.path());
  CHECK_THAT(message_of<FileError>([&] { spool.append(std::string("one")); }), has_text("write failed: No space left"));
}

}  // namespace gradloom
