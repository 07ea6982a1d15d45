#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/data/epoch_rows.hpp"
#include "engine/data/streamed_set.hpp"
#include "engine/data/window_order.hpp"

namespace gradloom {

/// Rows of a set that is streamed, window by window: while the rows of one are handed out, threads read the next one.
template <class T>
class StreamedRows final : public EpochRows<T> {
 public:
  /// Begins to read at once, from the row at position `first` of epoch `epoch` on. `set` must outlive this, and nobody
  /// else may read from it meanwhile.
  StreamedRows(const StreamedSet<T>& set, Shuffle shuffle, std::uint64_t seed, std::uint64_t epoch,
               std::uint64_t first);
  ~StreamedRows() override;

  [[nodiscard]] std::uint64_t rows() const override { return set_.kept().count(); }
  [[nodiscard]] std::size_t features() const override { return set_.shape().features; }
  [[nodiscard]] std::size_t targets() const override { return set_.shape().outputs; }
  [[nodiscard]] bool weighted() const override { return set_.shape().weighted; }
  /// As many lie in two windows, wherever they begin.
  [[nodiscard]] std::uint64_t most_at_once() const override { return most_at_once_; }
  void require(std::uint64_t epoch, std::uint64_t first, std::uint64_t count) override;
  void gather(std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x, MatrixView<T> y,
              double* weights) const override;
  [[nodiscard]] std::uint64_t source_row(std::uint64_t number) const override { return set_.kept().source_row(number); }

 private:
  using Order = std::shared_ptr<const WindowOrder>;

  /// A window in memory, or on its way there.
  struct Window {
    Matrix<T> x, y;               ///< room for the largest
    std::vector<double> weights;  ///< the same; empty where rows have none
    Order order;                  ///< of its epoch
    std::uint64_t number = 0;
    std::vector<std::uint64_t> blocks;
    std::vector<std::uint64_t> starts;  ///< [block], and the end: its rows in x and y
    std::size_t begun = 0, done = 0;    ///< blocks that somebody reads or has read; that stand in x and y
    [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> age() const { return {order->epoch(), number}; }
    [[nodiscard]] bool ready() const { return done == blocks.size(); }
    [[nodiscard]] std::uint64_t first() const { return order->first(number); }
    [[nodiscard]] std::uint64_t end() const { return order->first(number + 1); }
    /// The block whose rows hold row `place`.
    [[nodiscard]] std::size_t block_at(std::uint64_t place) const;
  };

  void begin(Window& window, const Order& order, std::uint64_t number);
  void begin_next(Window& window);
  void free_before(std::uint64_t epoch, std::uint64_t first);
  Window* window_at(std::uint64_t epoch, std::uint64_t position);
  void gather_from(const Window& window, std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x,
                   MatrixView<T> y, double* weights) const;
  [[nodiscard]] Order order_of(std::uint64_t epoch) const;
  Window* next_to_read();
  void read_blocks(std::size_t reader);

  // Constant after construction.
  const StreamedSet<T>& set_;
  const Shuffle shuffle_;
  const std::uint64_t seed_;
  const std::uint64_t most_at_once_;

  std::uint64_t epoch_ = 0;  ///< of the rows that were required last

  std::mutex mutex_;
  std::condition_variable changed_;
  // All below, but for the elements of x, y and weights, guarded by mutex_. What is in a window that is ready stays as
  // it is until require() frees it: gather() looks at it without a lock.
  std::array<Window, 2> windows_;
  Order last_order_;               ///< of the window that was begun last
  std::uint64_t last_number_ = 0;  ///< of that window
  std::exception_ptr error_;
  bool stopping_ = false;

  std::vector<std::thread> threads_;  // joined by the destructor
};

}  // namespace gradloom
