// How far apart the first two cores that this process may run on are: what it costs one of them to write memory that
// the other has read, as threads that share weights do at every step. Prints medians. Without a common cache a line
// there and back takes several times as long, and so does the memory that the other core has read.

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "engine/core/fetch.hpp"
#include "gradloom/matrix.hpp"

namespace {

constexpr std::size_t kElements = std::size_t{768} * 1024 / sizeof(float);
constexpr std::size_t kLine = 64 / sizeof(float);
constexpr std::size_t kAhead = 24 * kLine;
constexpr int kFactors = 50;
constexpr int kRounds = 500;
constexpr int kTrips = 1000;  // a round of the first line

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void run_on(std::size_t core) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  sched_setaffinity(0, sizeof one, &one);
}

std::vector<std::size_t> allowed_cores() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<std::size_t> cores;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  return cores;
}

std::atomic<bool> others_turn{false};
float result = 0;

// Calls mine() on one core and others() on the other by turns; returns the microseconds that mine() takes.
template <class Mine, class Others>
double by_turns(const std::vector<std::size_t>& cores, const Mine& mine, const Others& others) {
  std::thread other([&] {
    run_on(cores[1]);
    for (int round = 0; round < kRounds; ++round) {
      while (!others_turn.load(std::memory_order_acquire)) {
      }
      others();
      others_turn.store(false, std::memory_order_release);
    }
  });
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = Clock::now();
    mine();
    times.push_back(microseconds_since(begin));
    others_turn.store(true, std::memory_order_release);
    while (others_turn.load(std::memory_order_acquire)) {
    }
  }
  other.join();
  return median(times);
}

double round_trip(const std::vector<std::size_t>& cores) {
  std::atomic<int> ball{0};
  std::thread other([&] {
    run_on(cores[1]);
    for (int trip = 0; trip < kRounds * kTrips; ++trip) {
      while (ball.load(std::memory_order_acquire) == 0) {
      }
      ball.store(0, std::memory_order_release);
    }
  });
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = Clock::now();
    for (int trip = 0; trip < kTrips; ++trip) {
      ball.store(1, std::memory_order_release);
      while (ball.load(std::memory_order_acquire) == 1) {
      }
    }
    times.push_back(microseconds_since(begin) / kTrips);
  }
  other.join();
  return median(times);
}

}  // namespace

int main() {
  const std::vector<std::size_t> cores = allowed_cores();
  if (cores.size() < 2) {
    std::fprintf(stderr, "bench_core_distance: this process may run on one core alone\n");
    return 1;
  }
  run_on(cores[0]);
  gradloom::AlignedBuffer<float> memory(kElements, 1.0F);
  float* const at = memory.data();
  const auto rewrite = [at] {
    for (std::size_t i = 0; i < kElements; ++i) at[i] *= 0.999F;
  };
  const auto rewrite_fetched = [at] {
    for (std::size_t line = 0; line < kElements; line += kLine) {
      gradloom::fetch_to_write(at + line + kAhead);
      for (std::size_t i = line; i < line + kLine; ++i) at[i] *= 0.999F;
    }
  };
  // Arithmetic that needs no memory, for each line as much as a product does meanwhile.
  const auto multiply = [](float factor) {
    for (int times = 0; times < kFactors; ++times) factor *= 0.999F;
    return factor;
  };
  const auto multiply_alone = [&] {
    float sum = 0;
    for (std::size_t line = 0; line < kElements; line += kLine) sum += multiply(static_cast<float>(line));
    static_cast<volatile float&>(result) = sum;
  };
  const auto multiply_and_write = [&](std::size_t ahead) {
    return [&multiply, at, ahead] {
      for (std::size_t line = 0; line < kElements; line += kLine) {
        if (ahead > 0) gradloom::fetch_to_write(at + line + ahead);
        const float factor = multiply(static_cast<float>(line));
        for (std::size_t i = line; i < line + kLine; ++i) at[i] += factor;
      }
    };
  };
  const auto read = [at] {
    for (std::size_t line = 0; line < kElements; line += kLine)
      static_cast<void>(*static_cast<volatile float*>(at + line));
  };
  const auto print = [](const char* what, double microseconds) { std::printf("%-54s%8.2f us\n", what, microseconds); };
  print("a cache line there and back", round_trip(cores));
  print("768 KiB written, by this core alone", by_turns(cores, rewrite, [] {}));
  print("  the other core has read", by_turns(cores, rewrite, read));
  print("  and its lines are fetched for it, 24 ahead", by_turns(cores, rewrite_fetched, read));
  print("50 multiplications for each of its lines", by_turns(cores, multiply_alone, read));
  print("  and it is written, the other core has read it", by_turns(cores, multiply_and_write(0), read));
  print("  and its lines are fetched for it, 24 ahead", by_turns(cores, multiply_and_write(kAhead), read));
  print("768 KiB read, the other core has written", by_turns(cores, read, rewrite));
}
