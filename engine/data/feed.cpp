#include "engine/data/feed.hpp"

#include <algorithm>
#include <cstring>

namespace gradloom {
namespace {

// Rows in a group: enough that handing one over (a few microseconds) is small beside gathering it.
constexpr std::uint64_t kGroupRows = 4096;

template <class T>
void copy_row(std::span<const T> from, T* to) {
  std::memcpy(to, from.data(), from.size() * sizeof(T));
}

}  // namespace

template <class T>
MinibatchFeed<T>::MinibatchFeed(const Dataset<T>& data, const FeedOptions& options)
    : data_(data),
      options_(options),
      steps_per_epoch_((data.rows() + options.batch_size - 1) / options.batch_size),
      group_steps_(std::max<std::uint64_t>(1, kGroupRows / options.batch_size)),
      position_{options.first_epoch, options.first_epoch_step},
      gather_position_(position_) {
  if (options_.shuffle == Shuffle::kNone || options_.groups_ahead == 0) return;
  empty_.resize(options_.groups_ahead + 1);
  thread_ = std::jthread([this](const std::stop_token& stop) { gather_ahead(stop); });
}

template <class T>
MinibatchFeed<T>::~MinibatchFeed() = default;

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
  const std::size_t first = at.step * options_.batch_size;
  if (options_.shuffle == Shuffle::kNone)
    return Minibatch<T>{data_.x.view().row_range(first, rows_at(at.step)),
                        data_.y.view().row_range(first, rows_at(at.step)),
                        at.epoch,
                        at.step,
                        {first, nullptr}};
  if (current_.epoch != at.epoch || at.step >= current_.first_step + current_.steps) advance_group();
  const std::size_t in_group = (at.step - current_.first_step) * options_.batch_size;
  const Group& group = current_;
  return Minibatch<T>{group.x.view().row_range(in_group, rows_at(at.step)),
                      group.y.view().row_range(in_group, rows_at(at.step)),
                      at.epoch,
                      at.step,
                      {0, group.numbers.data() + in_group}};
}

template <class T>
void MinibatchFeed<T>::gather(Group& group, Position at) const {
  const std::uint64_t first = at.step * options_.batch_size;
  group.epoch = at.epoch;
  group.first_step = at.step;
  group.steps = std::min(group_steps_, steps_per_epoch_ - at.step);
  const std::uint64_t rows = std::min<std::uint64_t>(group.steps * options_.batch_size, data_.rows() - first);
  if (group.x.rows() < rows) {
    group.x = Matrix<T>(rows, data_.x.cols());
    group.y = Matrix<T>(rows, data_.y.cols());
    group.numbers.resize(rows);
  }
  const KeyedPermutation order(data_.rows(), options_.seed, at.epoch);
  for (std::uint64_t i = 0; i < rows; ++i) {
    const std::uint64_t row = group.numbers[i] = order(first + i);
    copy_row(data_.x.row(row), group.x.row(i).data());
    copy_row(data_.y.row(row), group.y.row(i).data());
  }
}

template <class T>
typename MinibatchFeed<T>::Position MinibatchFeed<T>::after(const Group& group) const {
  const std::uint64_t step = group.first_step + group.steps;
  return step == steps_per_epoch_ ? Position{group.epoch + 1, 0} : Position{group.epoch, step};
}

template <class T>
void MinibatchFeed<T>::advance_group() {
  if (!thread_.joinable()) {
    gather(current_, gather_position_);
    gather_position_ = after(current_);
    return;
  }
  std::unique_lock lock(mutex_);
  if (current_.x.rows() != 0) empty_.push_back(std::move(current_));
  changed_.notify_one();
  changed_.wait(lock, [&] { return !full_.empty() || failure_; });
  if (full_.empty()) std::rethrow_exception(failure_);
  current_ = std::move(full_.front());
  full_.pop_front();
}

template <class T>
void MinibatchFeed<T>::gather_ahead(const std::stop_token& stop) {
  try {
    while (gather_position_.epoch < options_.epochs) {
      Group group;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !empty_.empty() && full_.size() < options_.groups_ahead; })) return;
        group = std::move(empty_.back());
        empty_.pop_back();
      }
      gather(group, gather_position_);
      gather_position_ = after(group);
      const std::lock_guard lock(mutex_);
      full_.push_back(std::move(group));
      changed_.notify_one();
    }
  } catch (...) {  // handed to the thread that waits for the rows: see advance_group
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_one();
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
