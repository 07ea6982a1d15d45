#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace gradloom {

/// Cores that this process may run on (its affinity mask), at least 1.
std::size_t allowed_cores();

/// The library's version at run time, "oneTBB 2021.8".
std::string tbb_version();

/// The calling thread's number within the arena whose work it does: below its threads.
std::size_t this_worker();

/// A bounded set of worker threads. Work run inside it uses at most `threads` threads, the caller included; more
/// threads than cores are allowed. Nothing computed through it depends on the number of threads: work is cut by
/// index, never by thread.
class Arena {
 public:
  explicit Arena(std::size_t threads);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  [[nodiscard]] std::size_t threads() const { return threads_; }

  /// Runs `work` inside the arena and returns when it has returned. Exceptions come out as themselves.
  template <class Work>
  void run(Work&& work) {  // no std::function: a step goes through here and may not allocate
    run_erased([](void* w) { (*static_cast<std::remove_reference_t<Work>*>(w))(); }, &work);
  }

  /// Calls body(i) for every i in [0, count), in any order, on any of the arena's threads; returns when all are done.
  /// The first exception comes out as itself; remaining calls may then be left out.
  void for_each(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  void run_erased(void (*call)(void*), void* work);

  struct Impl;
  std::size_t threads_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gradloom
