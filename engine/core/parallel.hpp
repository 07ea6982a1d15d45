#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace gradloom {

/// Cores that this process may run on (its affinity mask), at least 1.
std::size_t allowed_cores();

/// The library's version at run time, "oneTBB 2021.8".
std::string tbb_version();

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
  void run(const std::function<void()>& work);

  /// Calls body(i) for every i in [0, count), in any order, on any of the arena's threads; returns when all are done.
  /// The first exception comes out as itself; remaining calls may then be left out.
  void for_each(std::size_t count, const std::function<void(std::size_t)>& body);

 private:
  struct Impl;
  std::size_t threads_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gradloom
