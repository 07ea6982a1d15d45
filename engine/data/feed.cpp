#include "engine/data/feed.hpp"

#include <algorithm>

#include "engine/data/gather.hpp"

namespace gradloom {
namespace {

// Rows in a group: enough that handing one over is small beside gathering it. Where every core has a worker, the thread
// that gathers takes the place of one, and the fewer times the better.
constexpr std::uint64_t kGroupRows = 32768;
// Wider rows are enough work in fewer, and are to be found in the cache still.
constexpr std::uint64_t kGroupBytes = 1 << 20;
constexpr std::uint64_t kBytesAhead = 16 << 20;
// What one of several threads that gather a group together takes at once: work of some microseconds.
constexpr std::uint64_t kPieceBytes = 16 << 10;

template <class T>
std::uint64_t row_bytes(const Dataset<T>& data) {
  return (data.x.cols() + data.y.cols()) * sizeof(T);
}

}  // namespace

FeedPlan plan_feed(std::uint64_t rows, std::uint64_t row_bytes, const FeedOptions& options) {
  FeedPlan plan;
  if (options.shuffle == Shuffle::kNone || options.batch_size >= rows) return plan;
  const std::uint64_t bytes_a_row = row_bytes + sizeof(std::uint64_t);  // with its number
  const std::uint64_t group_rows = std::min(kGroupRows, kGroupBytes / bytes_a_row);
  plan.steps = std::max<std::uint64_t>(1, group_rows / options.batch_size);
  plan.rows = std::min(rows, plan.steps * options.batch_size);
  const std::uint64_t group_bytes = plan.rows * bytes_a_row;
  plan.groups = 1 + std::min<std::uint64_t>(options.groups_ahead, kBytesAhead / group_bytes);
  plan.bytes = plan.groups * group_bytes;
  return plan;
}

template <class T>
MinibatchFeed<T>::MinibatchFeed(const Dataset<T>& data, const FeedOptions& options)
    : data_(data),
      options_(options),
      steps_per_epoch_((data.rows() + options.batch_size - 1) / options.batch_size),
      plan_(plan_feed(data.rows(), row_bytes(data), options)),
      piece_rows_(std::max<std::uint64_t>(1, kPieceBytes / row_bytes(data))),
      position_{options.first_epoch, options.first_epoch_step},
      gather_position_(position_),
      ring_(plan_.groups) {
  for (Group& group : ring_) {
    group.x = Matrix<T>(plan_.rows, data_.x.cols());
    group.y = Matrix<T>(plan_.rows, data_.y.cols());
    group.numbers.resize(plan_.rows);
  }
  if (plan_.groups > 1) thread_ = std::thread([this] { gather_ahead(); });
}

template <class T>
MinibatchFeed<T>::~MinibatchFeed() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_relaxed);
  ++released_;
  released_.notify_one();
  thread_.join();
}

template <class T>
std::size_t MinibatchFeed<T>::rows_at(std::uint64_t step) const {
  return std::min<std::uint64_t>(options_.batch_size, data_.rows() - step * options_.batch_size);
}

template <class T>
std::optional<Minibatch<T>> MinibatchFeed<T>::next() {
  if (position_.step == steps_per_epoch_) position_ = {position_.epoch + 1, 0};
  if (position_.epoch >= options_.epochs) return std::nullopt;
  const Position at = position_;
  ++position_.step;
  const std::size_t rows = rows_at(at.step);
  if (plan_.groups == 0) {
    const std::size_t first = at.step * options_.batch_size;
    return Minibatch<T>{data_.x.view().row_range(first, rows), data_.y.view().row_range(first, rows), at.epoch, at.step,
                        RowNumbers{first, nullptr}};
  }
  if (current_ == nullptr || current_->epoch != at.epoch || at.step >= current_->first_step + current_->steps)
    advance_group();
  const std::size_t in_group = (at.step - current_->first_step) * options_.batch_size;
  return Minibatch<T>{current_->x.view().row_range(in_group, rows), current_->y.view().row_range(in_group, rows),
                      at.epoch, at.step, RowNumbers{0, current_->numbers.data() + in_group}};
}

// The group of the minibatches from gather_position_ on, as many as it holds and the epoch has.
template <class T>
void MinibatchFeed<T>::begin_next(Group& group) {
  const Position at = gather_position_;
  if (!group.order || group.epoch != at.epoch) group.order.emplace(data_.rows(), options_.seed, at.epoch);
  group.epoch = at.epoch;
  group.first_step = at.step;
  group.steps = std::min(plan_.steps, steps_per_epoch_ - at.step);
  group.rows = std::min(group.steps * options_.batch_size, data_.rows() - at.step * options_.batch_size);
  const std::uint64_t next = at.step + group.steps;
  gather_position_ = next == steps_per_epoch_ ? Position{at.epoch + 1, 0} : Position{at.epoch, next};
}

// Rows [first, first + rows) of the group.
template <class T>
void MinibatchFeed<T>::gather(Group& group, std::uint64_t first, std::uint64_t rows) const {
  const std::span<std::uint64_t> numbers = std::span(group.numbers).subspan(first, rows);
  group.order->fill(group.first_step * options_.batch_size + first, numbers);
  gather_rows<T>(data_.x.view(), data_.y.view(), numbers, group.x.view().row_range(first, rows),
                 group.y.view().row_range(first, rows));
}

template <class T>
void MinibatchFeed<T>::gather_together(Group& group) const {
  const std::uint64_t pieces = (group.rows + piece_rows_ - 1) / piece_rows_;
  if (options_.arena == nullptr || pieces == 1) return gather(group, 0, group.rows);
  options_.arena->for_each(pieces, [this, &group](std::size_t p) {
    const std::uint64_t first = p * piece_rows_;
    gather(group, first, std::min(piece_rows_, group.rows - first));
  });
}

template <class T>
void MinibatchFeed<T>::advance_group() {
  if (!thread_.joinable()) {
    begin_next(ring_.front());
    gather_together(ring_.front());
    current_ = &ring_.front();
    return;
  }
  if (current_ != nullptr) {
    ++released_;
    released_.notify_one();
  }
  gathered_.wait(taken_, std::memory_order_acquire);
  ++taken_;
  current_ = &ring_[next_slot_];
  next_slot_ = (next_slot_ + 1) % ring_.size();
}

// False where the feed is being destroyed.
template <class T>
bool MinibatchFeed<T>::wait_for_room(std::uint32_t gathered) const {
  while (true) {
    const std::uint32_t released = released_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return false;
    if (gathered - released < ring_.size()) return true;
    released_.wait(released, std::memory_order_acquire);
  }
}

template <class T>
void MinibatchFeed<T>::gather_ahead() {
  std::size_t slot = 0;
  for (std::uint32_t gathered = 0; gather_position_.epoch < options_.epochs;) {
    if (!wait_for_room(gathered)) return;
    begin_next(ring_[slot]);
    gather(ring_[slot], 0, ring_[slot].rows);
    slot = (slot + 1) % ring_.size();
    gathered_ = ++gathered;
    gathered_.notify_one();
  }
}

template <class T>
std::vector<std::uint64_t> MinibatchFeed<T>::source_rows(const Minibatch<T>& minibatch, std::size_t most) const {
  std::vector<std::uint64_t> rows;
  for (std::size_t i = 0; i < std::min(most, minibatch.rows()); ++i)
    rows.push_back(data_.source_row(minibatch.numbers[i]));
  return rows;
}

template class MinibatchFeed<float>;
template class MinibatchFeed<double>;

}  // namespace gradloom
