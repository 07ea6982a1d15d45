#include "engine/data/feed.hpp"

#include <algorithm>

#include "engine/core/rounding.hpp"
#include "engine/data/memory_rows.hpp"

namespace gradloom {
namespace {

// Rows in a group: enough that handing one over is small beside gathering it. Where every core has a worker, the thread
// that gathers takes the place of one, and the fewer times the better.
constexpr std::uint64_t kGroupRows = 32768;
// Wider rows are enough work in fewer, and are to be found in the cache still.
constexpr std::uint64_t kGroupBytes = 1 << 20;
constexpr std::uint64_t kBytesAhead = 16 << 20;
// What one of several threads that gather a group together takes at once: work of some microseconds, and enough rows
// to ask for the next ones in memory meanwhile.
constexpr std::uint64_t kPieceBytes = 48 << 10;
// Pieces that a step is offered at least, or none: to look for the time to do them costs some microseconds, too.
constexpr std::uint64_t kFewestPieces = 3;

template <class T>
std::uint64_t row_bytes(const EpochRows<T>& rows) {
  return (rows.features() + rows.targets()) * sizeof(T) + (rows.weighted() ? sizeof(double) : 0);
}

}  // namespace

FeedPlan plan_feed(std::uint64_t rows, std::uint64_t row_bytes, const FeedOptions& options) {
  FeedPlan plan;
  const std::uint64_t bytes_a_row = row_bytes + sizeof(std::uint64_t);  // with its number
  const std::uint64_t group_rows = std::min(kGroupRows, kGroupBytes / bytes_a_row);
  plan.steps = std::max<std::uint64_t>(1, group_rows / options.batch_size);
  plan.rows = std::min(rows, plan.steps * options.batch_size);
  const std::uint64_t group_bytes = plan.rows * bytes_a_row;
  const std::uint64_t ahead = options.beside_steps ? 1 : options.groups_ahead;
  plan.groups = 1 + std::min<std::uint64_t>(ahead, kBytesAhead / group_bytes);
  plan.beside_steps = options.beside_steps && plan.groups > 1;
  plan.bytes = plan.groups * group_bytes;
  return plan;
}

template <class T>
MinibatchFeed<T>::MinibatchFeed(const Dataset<T>& data, const FeedOptions& options)
    : MinibatchFeed(&data, std::make_unique<MemoryRows<T>>(data, options.seed), options) {}

template <class T>
MinibatchFeed<T>::MinibatchFeed(std::unique_ptr<EpochRows<T>> rows, const FeedOptions& options)
    : MinibatchFeed(nullptr, std::move(rows), options) {}

template <class T>
MinibatchFeed<T>::MinibatchFeed(const Dataset<T>* data, std::unique_ptr<EpochRows<T>> rows, const FeedOptions& options)
    : data_(data != nullptr && (options.shuffle == Shuffle::kNone || options.batch_size >= data->rows()) ? data
                                                                                                         : nullptr),
      rows_(std::move(rows)),
      options_(options),
      steps_per_epoch_(divide_up(rows_->rows(), options.batch_size)),
      plan_(data_ != nullptr ? FeedPlan{} : plan_feed(rows_->rows(), row_bytes(*rows_), options)),
      piece_rows_(std::max<std::uint64_t>(1, kPieceBytes / row_bytes(*rows_))),
      position_{options.first_epoch, options.first_epoch_step},
      gather_position_(position_),
      ring_(plan_.groups) {
  for (Group& group : ring_) {
    group.x = Matrix<T>(plan_.rows, rows_->features());
    group.y = Matrix<T>(plan_.rows, rows_->targets());
    if (rows_->weighted()) group.weights.resize(plan_.rows);
    group.numbers.resize(plan_.rows);
  }
  if (plan_.groups > 1 && !plan_.beside_steps) thread_ = std::thread([this] { gather_ahead(); });
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
  return std::min<std::uint64_t>(options_.batch_size, rows_->rows() - step * options_.batch_size);
}

template <class T>
std::optional<Minibatch<T>> MinibatchFeed<T>::next() {
  if (position_.step == steps_per_epoch_) position_ = {position_.epoch + 1, 0};
  if (position_.epoch >= options_.epochs) return std::nullopt;
  const Position at = position_;
  ++position_.step;
  if (data_ != nullptr) {
    const std::size_t first = at.step * options_.batch_size;
    Minibatch<T> minibatch = rows_of(data_->x.view(), data_->y.view(), data_->weights, first, at);
    minibatch.numbers = {first, nullptr};
    return minibatch;
  }
  if (current_ == nullptr || current_->epoch != at.epoch || at.step >= current_->first_step + current_->steps)
    advance_group();
  if (plan_.beside_steps) share_ahead(current_->first_step + current_->steps - at.step);
  const std::size_t in_group = (at.step - current_->first_step) * options_.batch_size;
  Minibatch<T> minibatch = rows_of(current_->x.view(), current_->y.view(), current_->weights, in_group, at);
  minibatch.numbers = {0, current_->numbers.data() + in_group};
  return minibatch;
}

// The minibatch of a step, which begins with row `first`.
template <class T>
Minibatch<T> MinibatchFeed<T>::rows_of(MatrixView<const T> x, MatrixView<const T> y, const std::vector<double>& weights,
                                       std::size_t first, Position at) const {
  const std::size_t rows = rows_at(at.step);
  Minibatch<T> minibatch;
  minibatch.x = x.row_range(first, rows);
  minibatch.y = y.row_range(first, rows);
  if (!weights.empty()) minibatch.weights = weights.data() + first;
  minibatch.epoch = at.epoch;
  minibatch.epoch_step = at.step;
  return minibatch;
}

// Places in the group for the minibatches from gather_position_ on, as many as it holds and the epoch has. Returns
// their rows.
template <class T>
std::uint64_t MinibatchFeed<T>::begin_group(Group& group) {
  const Position at = gather_position_;
  group.epoch = at.epoch;
  group.first_step = at.step;
  group.steps = std::min(plan_.steps, steps_per_epoch_ - at.step);
  const std::uint64_t next = at.step + group.steps;
  gather_position_ = next == steps_per_epoch_ ? Position{at.epoch + 1, 0} : Position{at.epoch, next};
  return std::min(group.steps * options_.batch_size, rows_->rows() - at.step * options_.batch_size);
}

template <class T>
void MinibatchFeed<T>::gather_next(Group& group) {
  const std::uint64_t rows = begin_group(group);
  const std::uint64_t most = rows_->most_at_once();
  for (std::uint64_t done = 0; done < rows; done += most) {
    const std::uint64_t part = std::min(most, rows - done);
    rows_->require(group.epoch, group.first_step * options_.batch_size + done, part);
    if (plan_.groups > 1)  // then this is the gathering thread
      gather_part(group, done, part);
    else
      gather_together(group, done, part);
  }
}

// Rows [first, first + rows) of the group.
template <class T>
void MinibatchFeed<T>::gather_part(Group& group, std::uint64_t first, std::uint64_t rows) {
  rows_->gather(group.first_step * options_.batch_size + first, std::span(group.numbers).subspan(first, rows),
                group.x.view().row_range(first, rows), group.y.view().row_range(first, rows),
                group.weights.empty() ? nullptr : group.weights.data() + first);
}

template <class T>
void MinibatchFeed<T>::gather_together(Group& group, std::uint64_t first, std::uint64_t rows) {
  const std::uint64_t pieces = divide_up(rows, piece_rows_);
  if (options_.arena == nullptr || pieces == 1) return gather_part(group, first, rows);
  const struct {
    MinibatchFeed* feed;
    Group* group;
    std::uint64_t first, rows;
  } work{this, &group, first, rows};
  options_.arena->for_each(pieces, [&work](std::size_t p) {  // one reference: no memory is asked for
    const std::uint64_t done = p * work.feed->piece_rows_;
    work.feed->gather_part(*work.group, work.first + done, std::min(work.feed->piece_rows_, work.rows - done));
  });
}

template <class T>
void MinibatchFeed<T>::begin_ahead() {
  Group& group = ring_[next_slot_];
  ahead_rows_ = begin_group(group);
  ahead_begun_.store(0, std::memory_order_relaxed);
  ahead_share_ = 0;
  rows_->require(group.epoch, group.first_step * options_.batch_size, ahead_rows_);
}

// Offers what is left of the next group to the steps of this one, so many of which are to come.
template <class T>
void MinibatchFeed<T>::share_ahead(std::uint64_t steps) {
  if (ahead_rows_ == 0) {
    if (gather_position_.epoch >= options_.epochs) return;
    begin_ahead();
  }
  const std::uint64_t begun = std::min(ahead_share_, ahead_begun_.load(std::memory_order_relaxed));
  ahead_begun_.store(begun, std::memory_order_relaxed);
  const std::uint64_t left = divide_up(ahead_rows_, piece_rows_) - begun;
  ahead_share_ = begun + std::min(left, std::max(kFewestPieces, divide_up(left, steps)));
}

template <class T>
bool MinibatchFeed<T>::has_pieces() const noexcept {
  return ahead_begun_.load(std::memory_order_relaxed) < ahead_share_;
}

template <class T>
bool MinibatchFeed<T>::do_piece() noexcept {
  const std::uint64_t piece = ahead_begun_.fetch_add(1, std::memory_order_relaxed);
  if (piece >= ahead_share_) return false;
  const std::uint64_t first = piece * piece_rows_;
  gather_part(ring_[next_slot_], first, std::min(piece_rows_, ahead_rows_ - first));
  return true;
}

// Gathers what steps have left of the next group.
template <class T>
void MinibatchFeed<T>::finish_ahead() {
  if (ahead_rows_ == 0) begin_ahead();
  const std::uint64_t begun = std::min(ahead_share_, ahead_begun_.load(std::memory_order_relaxed));
  const std::uint64_t first = std::min(ahead_rows_, begun * piece_rows_);
  if (first < ahead_rows_) gather_together(ring_[next_slot_], first, ahead_rows_ - first);
  current_ = &ring_[next_slot_];
  next_slot_ = (next_slot_ + 1) % ring_.size();
  ahead_rows_ = ahead_share_ = 0;
}

template <class T>
void MinibatchFeed<T>::advance_group() {
  if (plan_.beside_steps) return finish_ahead();
  if (!thread_.joinable()) {
    gather_next(ring_.front());
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
  if (current_->error) std::rethrow_exception(current_->error);
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
    Group& group = ring_[slot];
    try {
      gather_next(group);
    } catch (...) {
      group.error = std::current_exception();
    }
    slot = (slot + 1) % ring_.size();
    gathered_ = ++gathered;
    gathered_.notify_one();
    if (group.error) return;
  }
}

template <class T>
std::vector<std::uint64_t> MinibatchFeed<T>::source_rows(const Minibatch<T>& minibatch, std::size_t most) const {
  std::vector<std::uint64_t> rows;
  for (std::size_t i = 0; i < std::min(most, minibatch.rows()); ++i)
    rows.push_back(rows_->source_row(minibatch.numbers[i]));
  return rows;
}

template class MinibatchFeed<float>;
template class MinibatchFeed<double>;

}  // namespace gradloom
