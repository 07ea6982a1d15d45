#include "engine/core/parallel.hpp"

#include <sched.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

#include <algorithm>
#include <thread>

#include "engine/core/thread_sanitizer.hpp"

namespace gradloom {

std::size_t allowed_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());  // more than 1024 cores
}

std::string tbb_version() { return std::string("oneTBB ") + TBB_runtime_version(); }

std::size_t this_worker() { return static_cast<std::size_t>(tbb::this_task_arena::current_thread_index()); }

struct Arena::Impl {
  explicit Impl(std::size_t threads)
      : control(tbb::global_control::max_allowed_parallelism, threads), arena(static_cast<int>(threads)) {}
  tbb::global_control control;  // lets an arena be larger than the machine
  tbb::task_arena arena;
};

Arena::Arena(std::size_t threads)
    : threads_(std::max<std::size_t>(threads, 1)), impl_(std::make_unique<Impl>(threads_)) {}

Arena::~Arena() = default;

void Arena::run_erased(void (*call)(void*), void* work) {
  impl_->arena.execute([call, work] { call(work); });
}

void Arena::for_each(std::size_t count, const std::function<void(std::size_t)>& body) {
  const auto ordered = [&](std::size_t i) {
    take_over(this);
    body(i);
    hand_over(this);
  };
  hand_over(this);
  impl_->arena.execute([&] { tbb::parallel_for(std::size_t{0}, count, ordered, tbb::simple_partitioner{}); });
  take_over(this);
}

}  // namespace gradloom
