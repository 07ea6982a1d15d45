#include "engine/data/streamed_rows.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/data/gather.hpp"

namespace gradloom {
namespace {

// The rows of the window that has the fewest, in whatever epoch; at least 1.
std::uint64_t fewest_rows(const RowBlocks& blocks, const KeptRows& kept, std::uint64_t window_blocks) {
  if (window_blocks >= blocks.count()) return kept.count();
  std::vector<std::uint64_t> rows;
  for (std::uint64_t b = 0; b < blocks.count(); ++b)
    if (const std::uint64_t in = kept.in(b); in < blocks.block_rows()) rows.push_back(in);
  const auto smallest = rows.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(rows.size(), window_blocks));
  std::nth_element(rows.begin(), smallest, rows.end());
  const std::uint64_t of_smaller = std::accumulate(rows.begin(), smallest, std::uint64_t{0});
  const std::uint64_t full = window_blocks - static_cast<std::uint64_t>(smallest - rows.begin());
  return std::max<std::uint64_t>(1, of_smaller + full * blocks.block_rows());
}

}  // namespace

template <class T>
StreamedRows<T>::StreamedRows(const StreamedSet<T>& set, Shuffle shuffle, std::uint64_t seed, std::uint64_t epoch,
                              std::uint64_t first)
    : set_(set),
      shuffle_(shuffle),
      seed_(seed),
      most_at_once_(fewest_rows(set.blocks(), set.kept(), set.plan().window_blocks)) {
  const StreamPlan& plan = set.plan();
  const std::uint64_t most = std::min(plan.window_blocks * plan.block_rows, set.shape().rows);
  for (Window& window : windows_) {
    window.x = Matrix<T>(most, set.shape().features);
    window.y = Matrix<T>(most, set.shape().outputs);
    if (set.shape().weighted) window.weights.resize(most);
  }
  last_order_ = order_of(epoch);
  begin(windows_[0], last_order_, last_order_->window_of(first));
  begin_next(windows_[1]);
  for (std::size_t r = 0; r < plan.readers; ++r) threads_.emplace_back([this, r] { read_blocks(r); });
}

template <class T>
StreamedRows<T>::~StreamedRows() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

template <class T>
auto StreamedRows<T>::order_of(std::uint64_t epoch) const -> Order {
  return std::make_shared<WindowOrder>(set_.blocks(), set_.kept(), set_.plan().window_blocks, shuffle_, seed_, epoch);
}

template <class T>
std::size_t StreamedRows<T>::Window::block_at(std::uint64_t place) const {
  // Blocks are mostly of one size: the guess is right, or nearly.
  std::size_t b = static_cast<std::size_t>(place * blocks.size() / starts.back());
  while (starts[b] > place) --b;
  while (starts[b + 1] <= place) ++b;
  return b;
}

template <class T>
void StreamedRows<T>::begin(Window& window, const Order& order, std::uint64_t number) {
  window.order = order;
  window.number = number;
  window.blocks = window.order->blocks(number);
  window.starts.assign(1, 0);
  for (const std::uint64_t b : window.blocks) window.starts.push_back(window.starts.back() + set_.kept().in(b));
  window.begun = window.done = 0;
  last_order_ = window.order;
  last_number_ = number;
}

// The window behind the one that was begun last; the first of the next epoch behind the last.
template <class T>
void StreamedRows<T>::begin_next(Window& window) {
  if (last_number_ + 1 < last_order_->windows()) return begin(window, last_order_, last_number_ + 1);
  begin(window, order_of(last_order_->epoch() + 1), 0);
}

// Windows that hold nothing from there on are read anew.
template <class T>
void StreamedRows<T>::free_before(std::uint64_t epoch, std::uint64_t first) {
  for (std::size_t n = 0; n < windows_.size(); ++n) {
    Window* oldest = nullptr;
    for (Window& window : windows_)
      if (window.ready() &&
          (window.order->epoch() < epoch || (window.order->epoch() == epoch && window.end() <= first)))
        if (oldest == nullptr || window.age() < oldest->age()) oldest = &window;
    if (oldest == nullptr) return;
    begin_next(*oldest);
    changed_.notify_all();
  }
}

template <class T>
auto StreamedRows<T>::window_at(std::uint64_t epoch, std::uint64_t position) -> Window* {
  for (Window& window : windows_)
    if (window.order->epoch() == epoch && window.first() <= position && position < window.end()) return &window;
  return nullptr;
}

template <class T>
void StreamedRows<T>::require(std::uint64_t epoch, std::uint64_t first, std::uint64_t count) {
  std::unique_lock lock(mutex_);
  for (const std::uint64_t position : {first, first + count - 1}) {
    changed_.wait(lock, [&] {
      if (error_) return true;
      free_before(epoch, first);
      const Window* const window = window_at(epoch, position);
      return window != nullptr && window->ready();
    });
    if (error_) std::rethrow_exception(error_);
  }
  epoch_ = epoch;
}

template <class T>
void StreamedRows<T>::gather(std::uint64_t first, std::span<std::uint64_t> numbers, MatrixView<T> x, MatrixView<T> y,
                             double* weights) const {
  std::size_t done = 0;
  while (done < numbers.size()) {
    const std::uint64_t position = first + done;
    const auto window = std::ranges::find_if(windows_, [&](const Window& w) {
      return w.order->epoch() == epoch_ && w.first() <= position && position < w.end();
    });
    const std::size_t count = std::min<std::uint64_t>(numbers.size() - done, window->end() - position);
    gather_from(*window, position, numbers.subspan(done, count), x.row_range(done, count), y.row_range(done, count),
                weights != nullptr ? weights + done : nullptr);
    done += count;
  }
}

template <class T>
void StreamedRows<T>::gather_from(const Window& window, std::uint64_t first, std::span<std::uint64_t> numbers,
                                  MatrixView<T> x, MatrixView<T> y, double* weights) const {
  window.order->places(window.number, first, numbers);
  gather_rows<T>(window.x.view(), window.y.view(), numbers, x, y);
  gather_weights(window.weights, numbers, weights);
  for (std::uint64_t& number : numbers) {
    const std::size_t b = window.block_at(number);
    number = set_.kept().before(window.blocks[b]) + (number - window.starts[b]);
  }
}

// A window with blocks that nobody reads yet, the older one first.
template <class T>
auto StreamedRows<T>::next_to_read() -> Window* {
  Window* next = nullptr;
  for (Window& window : windows_) {
    if (window.begun == window.blocks.size()) continue;
    if (next == nullptr || window.age() < next->age()) next = &window;
  }
  return next;
}

template <class T>
void StreamedRows<T>::read_blocks(std::size_t reader) {
  std::unique_lock lock(mutex_);
  while (true) {
    Window* window = nullptr;
    changed_.wait(lock, [&] { return stopping_ || error_ || (window = next_to_read()) != nullptr; });
    if (stopping_ || error_) return;
    const std::size_t b = window->begun++;
    const std::uint64_t first = window->starts[b];
    const std::uint64_t rows = window->starts[b + 1] - first;
    const std::uint64_t block = window->blocks[b];
    lock.unlock();
    std::exception_ptr error;
    try {
      set_.read(block, reader, window->x.view().row_range(first, rows), window->y.view().row_range(first, rows),
                window->weights.empty() ? nullptr : window->weights.data() + first);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) error_ = error;
    if (++window->done == window->blocks.size() || error) changed_.notify_all();
  }
}

template class StreamedRows<float>;
template class StreamedRows<double>;

}  // namespace gradloom
