#include "engine/core/ordered_stream.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace gradloom {
namespace {

template <class Call>
std::exception_ptr error_of(const Call& call) {
  try {
    call();
  } catch (...) {
    return std::current_exception();  // passed on in the item's turn
  }
  return nullptr;
}

class Stream {
 public:
  Stream(std::size_t slots, const StreamStages& stages) : stages_(stages), slots_(slots) {}

  struct Duties {
    bool reads = true, writes = true;
  };
  /// What each thread does until the stream has ended.
  void serve(Duties duties) {
    std::unique_lock lock(mutex_);
    while (!over()) {
      if (duties.writes && may_write())
        write_next(lock);
      else if (duties.reads && may_read())
        read_next(lock);
      else
        changed_.wait(lock);
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  struct Slot {
    bool ready = false;        ///< worked on, not written yet
    std::exception_ptr error;  ///< of read or work
  };
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] bool over() const { return failure_ || (last_read_ && !reading_ && written_ == read_); }
  [[nodiscard]] bool may_write() const { return !writing_ && written_ < read_ && slots_[place(written_)].ready; }
  [[nodiscard]] bool may_read() const { return !last_read_ && !reading_ && read_ - written_ < slots_.size(); }
  [[nodiscard]] std::size_t place(std::uint64_t item) const { return static_cast<std::size_t>(item % slots_.size()); }

  void write_next(Lock& lock) {
    const std::size_t i = place(written_);
    std::exception_ptr error = slots_[i].error;
    writing_ = true;
    if (!error) {
      lock.unlock();
      error = error_of([&] { stages_.write(i); });
      lock.lock();
    }
    writing_ = false;
    slots_[i].ready = false;
    ++written_;
    failure_ = error;
    changed_.notify_all();
  }

  void read_next(Lock& lock) {
    const std::size_t i = place(read_);
    bool more = false;
    reading_ = true;
    lock.unlock();
    std::exception_ptr error = error_of([&] { more = stages_.read(i); });
    lock.lock();
    reading_ = false;
    last_read_ = last_read_ || !more;
    if (more || error) ++read_;
    changed_.notify_all();
    if (more) {
      lock.unlock();
      error = error_of([&] { stages_.work(i); });
      lock.lock();
    }
    if (!more && !error) return;
    slots_[i] = {true, error};
    last_read_ = last_read_ || error;
    changed_.notify_all();
  }

  const StreamStages& stages_;  ///< must outlive the stream
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::vector<Slot> slots_;
  std::uint64_t read_ = 0, written_ = 0;  ///< items
  bool reading_ = false, writing_ = false, last_read_ = false;
  std::exception_ptr failure_;
};

}  // namespace

void run_in_order(std::size_t threads, const StreamStages& stages) {
  Stream stream(stream_slots(threads), stages);
  {
    std::vector<std::jthread> others;
    try {
      const Stream::Duties duties{true, !stages.caller_writes};
      while (others.size() + 1 < threads) others.emplace_back([&, duties] { stream.serve(duties); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those that are there do the work.
    }
    stream.serve({!stages.caller_writes || others.empty(), true});
  }
  stream.rethrow();
}

}  // namespace gradloom
