#include "engine/io/hdf5_process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <utility>

#include "gradloom/errors.hpp"
#include "support/catch.hpp"
#include "support/throws.hpp"

namespace gradloom::h5 {
namespace {

using testing::has_text;
using testing::message_of;

Message text_message(std::string_view text) {
  Message message;
  message.put(text);
  return message;
}

// Answers every text by what `reply` makes of it.
template <class Reply>
ReaderProcess::Serve echo(const Reply& reply) {
  return [reply](Channel& channel, std::span<std::byte>) {
    while (auto message = channel.receive()) channel.send(text_message(reply(message->text())));
  };
}

std::string asked(ReaderProcess& process, std::string_view text) {
  process.send(text_message(text));
  return process.receive().text();
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

TEST_CASE("Messages hold numbers and texts in their order", "[hdf5]") {
  Message message;
  message.put(std::uint64_t{1} << 63);
  message.put(std::string_view("a\0b", 3));
  message.put("");
  CHECK(message.number() == std::uint64_t{1} << 63);
  CHECK(message.text() == std::string("a\0b", 3));
  CHECK(message.text().empty());
  CHECK_THROWS_AS(message.number(), std::out_of_range);
  Message cut(Message(message.bytes().substr(0, 18)));
  (void)cut.number();
  CHECK_THROWS_AS(cut.text(), std::out_of_range);  // its length is there, its bytes are not
}

TEST_CASE("A process answers, shares memory, and is gone afterwards", "[hdf5]") {
  {
    ReaderProcess process("a.h5", [](Channel& channel, std::span<std::byte> shared) {
      while (auto message = channel.receive()) {
        shared[ReaderProcess::kSlotBytes] = std::byte{42};
        const std::string text = message->text();
        channel.send(text_message(text + text));
      }
    });
    CHECK(asked(process, "ab") == "abab");
    CHECK(process.slot(1)[0] == std::byte{42});
    const std::string large(3 << 20, 'x');  // more than a socket holds
    CHECK(asked(process, large).size() == 2 * large.size());
    CHECK(has_children());
  }
  CHECK_FALSE(has_children());
}

TEST_CASE("A crash of the process is an error of the file, now and later", "[hdf5]") {
  const int crash = GENERATE(SIGSEGV, SIGABRT, SIGFPE);
  ReaderProcess process("a.h5", echo([crash](const std::string& text) {
                          if (text == "crash") ::raise(crash);
                          return text;
                        }));
  CHECK(asked(process, "alive") == "alive");
  const auto fails = [&] { asked(process, "crash"); };
  const std::string message = message_of<DataError>(fails);
  CHECK_THAT(message, has_text("a.h5: is damaged: the HDF5 library fails on it (signal " + std::to_string(crash)));
  CHECK(message_of<DataError>(fails) == message);
  CHECK_FALSE(has_children());
}

TEST_CASE("A process that the system kills does not make its file a damaged one", "[hdf5]") {
  ReaderProcess process("a.h5", [](Channel&, std::span<std::byte>) { ::raise(SIGKILL); });
  CHECK(message_of<DataError>([&] { asked(process, "x"); }) ==
        "a.h5: cannot be read: the process that reads it was killed; the system may be out of memory");
  CHECK_FALSE(has_children());
}

TEST_CASE("A process that throws, ends or talks nonsense is an error of the file", "[hdf5]") {
  const std::string way = GENERATE("throws", "ends", "talks");
  CAPTURE(way);
  ReaderProcess process("a.h5", [way](Channel& channel, std::span<std::byte>) {
    if (way == "throws") throw std::runtime_error("anything");
    if (way == "ends") return;
    channel.receive();
    (void)!::write(3, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8);  // a length of 2^64 - 1, on the channel's socket
    channel.receive();
  });
  CHECK_THAT(message_of<DataError>([&] { asked(process, "x"); }), has_text("a.h5: is damaged"));
  CHECK_FALSE(has_children());
}

TEST_CASE("A process that spins is ended by its processor time", "[hdf5]") {
  ReaderProcess process("a.h5", [](Channel& channel, std::span<std::byte>) {
    Limits limits(0);
    channel.receive();
    limits.start_work();
    while (std::clock() >= 0) {
    }
  });
  CHECK_THAT(message_of<DataError>([&] { asked(process, "x"); }),
             has_text("a.h5: cannot be read: the HDF5 library takes more processor time than"));
}

TEST_CASE("Processor time counts over all work, and elements and chunks bring more", "[hdf5]") {
  ReaderProcess process("a.h5", [](Channel& channel, std::span<std::byte>) {
    Limits limits(0);
    for (const auto& [bytes, chunks] : {std::pair{0, 0}, {32 << 20, 0}, {0, 40000}}) {
      limits.allow(bytes, chunks);
      limits.start_work();
      const std::clock_t end = std::clock() + static_cast<std::clock_t>(1.5 * CLOCKS_PER_SEC);
      while (std::clock() < end) {
      }
      limits.end_work();
      channel.send(text_message("done"));
    }
  });
  CHECK(process.receive().text() == "done");
  CHECK(process.receive().text() == "done");
  CHECK(process.receive().text() == "done");  // 4.5 s, of 2 and 2 and 2
}

TEST_CASE("A process that eats memory is refused it", "[hdf5]") {
  ReaderProcess process("a.h5", [](Channel& channel, std::span<std::byte>) {
    const Limits limits(0);
    // Volatile: else the compiler leaves it out. Twice: what the parent's heap has free may be used.
    void* volatile block = std::malloc(2 * Limits::kMemoryBytes);
    channel.send(text_message(block != nullptr ? "has it" : "refused"));
    std::free(block);
  });
  try {
    const std::string found = process.receive().text();
    CHECK(found == "refused");
  } catch (const DataError& error) {  // AddressSanitizer ends the process instead
    CHECK_THAT(error.what(), has_text("a.h5: is damaged"));
  }
}

TEST_CASE("A process keeps no descriptor of its parent and opens no file where it may not", "[hdf5]") {
  const int kept = ::fcntl(0, F_DUPFD, 50);
  REQUIRE(kept >= 50);
  ReaderProcess process("a.h5", [kept](Channel& channel, std::span<std::byte>) {
    std::string found = ::fcntl(kept, F_GETFD) < 0 ? "closed, " : "open, ";
    Limits::open_no_more();
    found += ::open("/dev/null", O_RDONLY) < 0 ? "refused" : "opened";
    channel.send(text_message(found));
  });
  CHECK(process.receive().text() == "closed, refused");
  ::close(kept);
}

TEST_CASE("Signals that stop a run leave its process to the parent", "[hdf5]") {
  ReaderProcess process("a.h5", echo([](const std::string& text) {
                          for (const int stop : {SIGINT, SIGTERM, SIGHUP}) ::raise(stop);
                          return text;
                        }));
  CHECK(asked(process, "alive") == "alive");
}

TEST_CASE("A process is waited for where the parent's children are not kept", "[hdf5]") {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  {
    ReaderProcess process("a.h5", [](Channel&, std::span<std::byte>) { std::abort(); });
    CHECK_THAT(message_of<DataError>([&] { asked(process, "x"); }), has_text("fails on it (it crashes)"));
    ReaderProcess other("a.h5", echo([](const std::string& text) { return text; }));
    CHECK(asked(other, "alive") == "alive");
  }
  ::signal(SIGCHLD, before);
  CHECK_FALSE(has_children());
}

}  // namespace
}  // namespace gradloom::h5
