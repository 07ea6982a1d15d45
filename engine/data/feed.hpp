#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/core/row_numbers.hpp"
#include "engine/core/side_work.hpp"
#include "engine/data/epoch_rows.hpp"
#include "gradloom/dataset.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// The rows of one step. The views stay valid until the feed's next call of next().
template <class T>
struct Minibatch {
  MatrixView<const T> x;            ///< (rows, features)
  MatrixView<const T> y;            ///< (rows, target columns)
  const double* weights = nullptr;  ///< (rows); null: they count alike
  std::uint64_t epoch = 0;          ///< counted from 0
  std::uint64_t epoch_step = 0;     ///< counted from 0
  RowNumbers numbers;               ///< of the rows in the data set
  [[nodiscard]] std::size_t rows() const { return x.rows; }
};

struct FeedOptions {
  std::size_t batch_size = 0;
  Shuffle shuffle = Shuffle::kFull;
  std::uint64_t seed = 1;
  std::size_t groups_ahead = 2;  ///< groups of minibatches gathered ahead, at most; 0: gathered when asked for
  std::uint64_t first_epoch = 0, first_epoch_step = 0;  ///< where to start
  std::uint64_t epochs = 0;                             ///< where to end (not included)
  Arena* arena = nullptr;     ///< whose threads together gather what was not gathered ahead; none: the caller of next()
  bool beside_steps = false;  ///< one group is gathered ahead as side_work(); groups_ahead is 0 then
};

/// What a feed holds beside the data: `groups` groups of `steps` minibatches each.
struct FeedPlan {
  std::uint64_t steps = 0;   ///< minibatches in a group; 0: minibatches are views
  std::uint64_t rows = 0;    ///< in a group
  std::uint64_t groups = 0;  ///< the one in use included; 1: gathered when asked for
  std::uint64_t bytes = 0;   ///< of all groups
  bool beside_steps = false;
};

/// The plan for a set of `rows` rows of `row_bytes` bytes, targets included.
/// Groups gathered ahead take at most 16 MiB: where minibatches are larger there are fewer ahead, down to none.
FeedPlan plan_feed(std::uint64_t rows, std::uint64_t row_bytes, const FeedOptions& options);

/// Hands out the minibatches of a training set, epoch after epoch. The last minibatch of an epoch holds the rows that
/// are left.
///
/// Of a data set in memory, with shuffle `none` and where one minibatch holds the whole set, minibatches are views.
/// Otherwise rows are gathered into groups of consecutive minibatches by a thread that runs beside the steps, into a
/// ring of groups that are allocated once. Nobody takes a lock: the ring is two counters, and a thread sleeps only
/// where the other one is a whole ring behind or ahead. Where no core is free for such a thread, it would only keep one
/// of the steps' waiting: then groups_ahead is better 0, and all threads of the steps gather a group when it is asked
/// for. Better still they gather it before, beside the steps, piece by piece: what is left of it when it is asked for
/// is gathered then.
template <class T>
class MinibatchFeed final : private SideWork {
 public:
  /// `data` must outlive the feed and stay unchanged.
  MinibatchFeed(const Dataset<T>& data, const FeedOptions& options);
  /// options.shuffle is not looked at: `rows` have an order.
  MinibatchFeed(std::unique_ptr<EpochRows<T>> rows, const FeedOptions& options);
  ~MinibatchFeed() override;
  MinibatchFeed(const MinibatchFeed&) = delete;
  MinibatchFeed& operator=(const MinibatchFeed&) = delete;

  [[nodiscard]] std::uint64_t steps_per_epoch() const { return steps_per_epoch_; }

  /// The next minibatch; nothing after the last epoch. Called from one thread. Allocates nothing. Throws what reading
  /// its rows threw, whoever read them.
  std::optional<Minibatch<T>> next();

  /// Pieces of the next group, as many as its share of this minibatch's step: to be done, or not, before the next call
  /// of next(). None unless FeedOptions::beside_steps, or where groups are too large to have two.
  [[nodiscard]] SideWork* side_work() { return plan_.beside_steps ? this : nullptr; }

  /// Source rows of a minibatch, in its order (for messages): at most `most` of them.
  [[nodiscard]] std::vector<std::uint64_t> source_rows(const Minibatch<T>& minibatch, std::size_t most) const;

 private:
  struct Group {
    Matrix<T> x, y;
    std::vector<double> weights;         ///< (x.rows()), or empty
    std::vector<std::uint64_t> numbers;  ///< (x.rows())
    std::uint64_t epoch = 0, first_step = 0, steps = 0;
    std::exception_ptr error;  ///< why there is no such group
  };
  struct Position {
    std::uint64_t epoch = 0, step = 0;
  };

  MinibatchFeed(const Dataset<T>* data, std::unique_ptr<EpochRows<T>> rows, const FeedOptions& options);
  [[nodiscard]] std::size_t rows_at(std::uint64_t step) const;
  Minibatch<T> rows_of(MatrixView<const T> x, MatrixView<const T> y, const std::vector<double>& weights,
                       std::size_t first, Position at) const;
  std::uint64_t begin_group(Group& group);
  void gather_next(Group& group);
  void gather_part(Group& group, std::uint64_t first, std::uint64_t rows);
  void gather_together(Group& group, std::uint64_t first, std::uint64_t rows);
  void begin_ahead();
  void share_ahead(std::uint64_t steps);
  void finish_ahead();
  [[nodiscard]] bool has_pieces() const noexcept override;
  bool do_piece() noexcept override;
  void advance_group();
  void gather_ahead();
  bool wait_for_room(std::uint32_t gathered) const;

  // Constant after construction.
  const Dataset<T>* const data_;  ///< where minibatches may be views of it
  const std::unique_ptr<EpochRows<T>> rows_;
  const FeedOptions options_;
  const std::uint64_t steps_per_epoch_;
  const FeedPlan plan_;
  const std::uint64_t piece_rows_;  ///< that a thread takes at once where several gather together

  // Owned by the thread that calls next().
  Position position_;
  std::uint32_t taken_ = 0;         ///< groups so far, counted as gathered_ is
  std::size_t next_slot_ = 0;       ///< of ring_, where the next group will be
  const Group* current_ = nullptr;  ///< in ring_; none before the first call

  // Owned by the gathering thread (by the caller of next() without one).
  Position gather_position_;

  // With beside_steps: the group at next_slot_, which is being gathered. Written between steps, but for what has begun.
  std::uint64_t ahead_rows_ = 0;                ///< 0: it has not been begun
  std::uint64_t ahead_share_ = 0;               ///< pieces up to this one may be begun
  std::atomic<std::uint64_t> ahead_begun_ = 0;  ///< pieces; may pass the share, where there was none left

  // A group belongs to the caller of next() from when gathered_ counts it until released_ does, else to the gathering
  // thread. The counters wrap around; they differ by at most the ring's size. They change in the one order that all
  // threads see: after a mere release, notify_one() may miss a thread that is about to sleep.
  std::vector<Group> ring_;
  std::atomic<std::uint32_t> gathered_{0};
  std::atomic<std::uint32_t> released_{0};
  std::atomic<bool> stopping_{false};  ///< set before released_ changes for the last time

  std::thread thread_;  // joined by the destructor, before anything that it uses goes
};

}  // namespace gradloom
