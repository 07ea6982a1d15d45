#include "engine/io/durable_file.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <string>

#include "engine/io/folder.hpp"
#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::has_text;
using testing::message_of;
using testing::TemporaryFolder;

std::string text_of(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Exit status of `body` in a process of its own.
template <class Body>
int status_in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("write_durably replaces a file and leaves nothing beside it", "[durable_file]") {
  const TemporaryFolder folder;
  write_durably(folder / "a", "old");
  write_durably(folder / "a", "new and longer");
  CHECK(text_of(folder / "a") == "new and longer");
  write_durably(folder / "a", "");
  CHECK(text_of(folder / "a").empty());
  CHECK(folder.entries() == 1);
}

TEST_CASE("write_durably joins parts", "[durable_file]") {
  const TemporaryFolder folder;
  const std::vector<std::byte> first(3 << 20, std::byte{'x'});
  const std::string second = "tail";
  const std::array<std::span<const std::byte>, 3> parts{std::span(first), std::span<const std::byte>{},
                                                        std::as_bytes(std::span(second))};
  write_durably(folder / "a", parts);
  const std::string text = text_of(folder / "a");
  CHECK(text.size() == first.size() + 4);
  CHECK(text.ends_with("xtail"));
}

TEST_CASE("A file name without a folder is written where the process stands", "[durable_file]") {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_durably("plain", "text");
  std::filesystem::current_path(before);
  CHECK(text_of(folder / "plain") == "text");
}

TEST_CASE("What a killed process of our number left does not stop a write", "[durable_file]") {
  const TemporaryFolder folder;
  write_durably(folder / (".a.tmp-" + std::to_string(getpid())), "left over");
  write_durably(folder / "a", "text");
  CHECK(text_of(folder / "a") == "text");
  CHECK(folder.entries() == 1);
}

TEST_CASE("A failed write is a FileError that names the call, and changes nothing", "[durable_file]") {
  const TemporaryFolder folder;
  SECTION("missing folder") {
    CHECK_THAT(message_of<FileError>([&] { write_durably(folder / "none/a", "text"); }),
               has_text("open failed: No such file or directory"));
  }
  SECTION("a folder stands at the path") {
    create_folders(folder / "a/inside");
    CHECK_THROWS_AS(write_durably(folder / "a", "text"), FileError);
    CHECK(std::filesystem::is_directory(folder / "a/inside"));
  }
  CHECK(folder.entries() <= 1);
}

TEST_CASE("A file that cannot grow leaves the old one whole and no temporary file", "[durable_file]") {
  const TemporaryFolder folder;
  write_durably(folder / "a", "old");
  const int status = status_in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &small);
    try {
      write_durably(folder / "a", std::string(100000, 'x'));
    } catch (const FileError& error) {
      return std::string(error.what()).find("write failed: File too large") != std::string::npos ? 0 : 1;
    }
    return 2;
  });
  CHECK(status == 0);
  CHECK(text_of(folder / "a") == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("link_durably gives a second name, and moves it", "[durable_file]") {
  const TemporaryFolder folder;
  write_durably(folder / "one", "1");
  write_durably(folder / "two", "2");
  link_durably(folder / "one", folder / "best");
  CHECK(text_of(folder / "best") == "1");
  link_durably(folder / "two", folder / "best");
  CHECK(text_of(folder / "best") == "2");
  link_durably(folder / "two", folder / "best");  // once more the same: no temporary name may stay
  CHECK(text_of(folder / "best") == "2");
  CHECK(folder.entries() == 3);
  remove_durably(folder / "two");
  CHECK(text_of(folder / "best") == "2");
  CHECK_THROWS_AS(link_durably(folder / "none", folder / "best"), FileError);
  CHECK(text_of(folder / "best") == "2");
}

TEST_CASE("remove_durably removes, and does not mind absence", "[durable_file]") {
  const TemporaryFolder folder;
  write_durably(folder / "a", "text");
  remove_durably(folder / "a");
  remove_durably(folder / "a");
  CHECK(folder.entries() == 0);
}

TEST_CASE("create_folders makes parents, and refuses a file in their place", "[durable_file]") {
  const TemporaryFolder folder;
  create_folders(folder / "a/b/c");
  create_folders(folder / "a/b/c");
  CHECK(std::filesystem::is_directory(folder / "a/b/c"));
  write_durably(folder / "file", "text");
  CHECK_THROWS_AS(create_folders(folder / "file"), FileError);
  CHECK_THROWS_AS(create_folders(folder / "file/below"), FileError);
}

TEST_CASE("read_file names what cannot be read", "[durable_file]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<FileError>([&] { read_file(folder / "none"); }), has_text("none: open failed: No such file"));
  CHECK_THAT(message_of<FileError>([&] { read_file(folder.path()); }), has_text("Is a directory"));
}

TEST_CASE("A lock is held once, and freed with its holder", "[durable_file]") {
  const TemporaryFolder folder;
  const auto taken_elsewhere = [&] {
    return status_in_child([&] {
      try {
        const FileLock lock(folder / "lock");
        return 0;
      } catch (const ConfigError& error) {
        const std::string holder = "in use by process " + std::to_string(getppid());
        return std::string(error.what()).find(holder) != std::string::npos ? 1 : 2;
      }
    });
  };
  {
    const FileLock lock(folder / "lock");
    CHECK(taken_elsewhere() == 1);
  }
  CHECK(taken_elsewhere() == 0);
  const FileLock again(folder / "lock");
  CHECK_THROWS_AS(FileLock(folder / "lock"), ConfigError);
  CHECK_THROWS_AS(FileLock(folder / "none/lock"), FileError);
}

}  // namespace
}  // namespace gradloom
