#include "engine/core/ordered_stream.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/throws.hpp"

namespace gradloom {
namespace {

using testing::message_of;

constexpr int kNever = -1;

/// A stream of 0, 1, ... whose work squares them, some slower than others; stages fail at the items that are given.
struct Squares {
  int items = 200;
  int read_fails = kNever, work_fails = kNever, write_fails = kNever;
  std::vector<int> written = {};
  bool caller_writes = false;
  std::atomic<bool> overlapped = false;  ///< reads with reads, or writes with writes
  bool others_wrote = false;

  void run(std::size_t threads) {
    struct Slot {
      int item = 0, square = 0;
    };
    std::vector<Slot> slots(stream_slots(threads));
    std::atomic<int> reading = 0, writing = 0;
    int next = 0;
    const auto caller = std::this_thread::get_id();
    StreamStages stages;
    stages.caller_writes = caller_writes;
    stages.read = [&](std::size_t i) {
      if (++reading != 1) overlapped = true;
      slots[i].item = next++;
      --reading;
      if (slots[i].item == read_fails) throw std::runtime_error("read");
      return slots[i].item < items;
    };
    stages.work = [&](std::size_t i) {
      const int item = slots[i].item;
      std::atomic<int> spent = 0;
      while (spent < item % 7 * 1000) ++spent;
      if (work_fails != kNever && item >= work_fails) throw std::runtime_error("work " + std::to_string(item));
      slots[i].square = item * item;
    };
    stages.write = [&](std::size_t i) {
      if (++writing != 1) overlapped = true;
      if (slots[i].item == write_fails) throw std::runtime_error("write");
      others_wrote = others_wrote || std::this_thread::get_id() != caller;
      written.push_back(slots[i].square);
      --writing;
    };
    run_in_order(threads, stages);
  }

  [[nodiscard]] bool wrote_first(int count) const {
    bool in_order = static_cast<int>(written.size()) == count;
    for (int i = 0; in_order && i < count; ++i) in_order = written[static_cast<std::size_t>(i)] == i * i;
    return in_order && !overlapped;
  }
};

}  // namespace

TEST_CASE("a stream is written in the order of reading, by any number of threads", "[threads]") {
  for (const std::size_t threads : {1, 2, 3, 8}) {
    for (const int items : {0, 1, 200}) {
      Squares squares{.items = items};
      squares.run(threads);
      CHECK(squares.wrote_first(items));
    }
  }
}

TEST_CASE("a stream can be written by the calling thread alone", "[threads]") {
  for (const std::size_t threads : {1, 2, 5}) {
    Squares squares{.caller_writes = true};
    squares.run(threads);
    CHECK(squares.wrote_first(200));
    CHECK_FALSE(squares.others_wrote);
    Squares failing{.work_fails = 90, .caller_writes = true};
    CHECK(message_of<std::runtime_error>([&] { failing.run(threads); }) == "work 90");
    CHECK(failing.wrote_first(90));
  }
}

TEST_CASE("the first item that fails ends a stream, behind all items before it", "[threads]") {
  for (const std::size_t threads : {1, 2, 8}) {
    Squares read{.read_fails = 90};
    CHECK(message_of<std::runtime_error>([&] { read.run(threads); }) == "read");
    CHECK(read.wrote_first(90));
    Squares work{.read_fails = 91, .work_fails = 90};
    CHECK(message_of<std::runtime_error>([&] { work.run(threads); }) == "work 90");
    CHECK(work.wrote_first(90));
    Squares write{.work_fails = 91, .write_fails = 90};
    CHECK(message_of<std::runtime_error>([&] { write.run(threads); }) == "write");
    CHECK(write.wrote_first(90));
  }
}

}  // namespace gradloom
