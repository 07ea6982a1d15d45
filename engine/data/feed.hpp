#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/core/row_numbers.hpp"
#include "engine/data/sampler.hpp"
#include "gradloom/dataset.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// The rows of one step. The views stay valid until the feed's next call of next().
template <class T>
struct Minibatch {
  MatrixView<const T> x;         ///< (rows, features)
  MatrixView<const T> y;         ///< (rows, target columns)
  std::uint64_t epoch = 0;       ///< counted from 0
  std::uint64_t epoch_step = 0;  ///< counted from 0
  RowNumbers numbers;            ///< of the rows in the data set
  [[nodiscard]] std::size_t rows() const { return x.rows; }
};

struct FeedOptions {
  std::size_t batch_size = 0;
  Shuffle shuffle = Shuffle::kFull;
  std::uint64_t seed = 1;
  std::size_t groups_ahead = 2;  ///< groups of minibatches gathered ahead; 0: gathered when asked for
  std::uint64_t first_epoch = 0, first_epoch_step = 0;  ///< where to start
  std::uint64_t epochs = 0;                             ///< where to end (not included)
};

/// Hands out the minibatches of a data set in memory, in an order that is a function of (seed, epoch) alone. The last
/// minibatch of an epoch holds the rows that are left.
///
/// With shuffle `none` minibatches are views of the data set. Otherwise rows are gathered into groups of consecutive
/// minibatches by a thread that runs beside the steps; it holds at most groups_ahead groups beside the one in use, so
/// memory is bounded by group_bytes() * (groups_ahead + 1).
template <class T>
class MinibatchFeed {
 public:
  /// `data` must outlive the feed and stay unchanged.
  MinibatchFeed(const Dataset<T>& data, const FeedOptions& options);
  ~MinibatchFeed();
  MinibatchFeed(const MinibatchFeed&) = delete;
  MinibatchFeed& operator=(const MinibatchFeed&) = delete;

  [[nodiscard]] std::uint64_t steps_per_epoch() const { return steps_per_epoch_; }

  /// The next minibatch; nothing after the last epoch. Called from one thread. Rethrows what stopped the gathering.
  std::optional<Minibatch<T>> next();

  /// Source rows of a minibatch, in its order (for messages): at most `most` of them.
  [[nodiscard]] std::vector<std::uint64_t> source_rows(const Minibatch<T>& minibatch, std::size_t most) const;

 private:
  struct Group {
    Matrix<T> x, y;
    std::vector<std::uint64_t> numbers;  ///< (x.rows())
    std::uint64_t epoch = 0, first_step = 0, steps = 0;
  };
  struct Position {
    std::uint64_t epoch = 0, step = 0;
  };

  [[nodiscard]] std::size_t rows_at(std::uint64_t step) const;
  void gather(Group& group, Position at) const;
  void advance_group();
  void gather_ahead(const std::stop_token& stop);
  [[nodiscard]] Position after(const Group& group) const;

  // Constant after construction.
  const Dataset<T>& data_;
  const FeedOptions options_;
  const std::uint64_t steps_per_epoch_;
  const std::uint64_t group_steps_;

  // Owned by the thread that calls next().
  Position position_;
  Group current_;

  // Owned by the gathering thread (by the caller of next() without one).
  Position gather_position_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Group> full_;
  std::vector<Group> empty_;
  std::exception_ptr failure_;

  std::jthread thread_;  // last: stops before anything it uses is destroyed
};

}  // namespace gradloom
