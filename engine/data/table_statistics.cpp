#include "engine/data/table_statistics.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "engine/core/rounding.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

constexpr std::uint64_t kUnitBytes = 8 << 20;     // read at once by each thread
constexpr std::uint64_t kBandBytes = 32 << 20;    // chunks that a reader process keeps to read on in them
constexpr std::uint64_t kBandsBytes = 512 << 20;  // of all of them
constexpr std::size_t kMostPending = 1 << 17;     // moments that a thread holds back

std::uint64_t columns_of(const h5::DatasetInfo& info) { return info.shape.size() == 1 ? 1 : info.shape[1]; }

// How often each whole number stands in a column; given up where there are others, or too many.
class ValueCounts {
 public:
  explicit ValueCounts(std::size_t most)
      : most_(most), given_up_(most == 0), small_(std::min<std::size_t>(most, 1024)) {}

  template <class T>
  void add(MatrixView<const T> column) {
    for (std::size_t r = 0; r < column.rows && !given_up_; ++r) add(static_cast<double>(column(r, 0)));
  }
  void merge(const ValueCounts& other) {
    given_up_ = given_up_ || other.given_up_;
    for (std::size_t v = 0; v < small_.size(); ++v) small_[v] += other.small_[v];
    for (const auto& [value, count] : other.others_) others_[value] += count;
  }
  [[nodiscard]] std::optional<std::map<std::int64_t, std::uint64_t>> result() const {
    std::map<std::int64_t, std::uint64_t> counts = others_;
    for (std::size_t v = 0; v < small_.size(); ++v)
      if (small_[v] != 0) counts[static_cast<std::int64_t>(v)] = small_[v];
    if (given_up_ || counts.empty() || counts.size() > most_) return std::nullopt;
    return counts;
  }

 private:
  void add(double value) {
    constexpr double kLargest = 1e15;  // whole numbers below it are exact
    if (value >= 0 && value < static_cast<double>(small_.size()) && value == static_cast<double>(std::size_t(value))) {
      ++small_[static_cast<std::size_t>(value)];
    } else if (std::abs(value) < kLargest && value == std::floor(value)) {
      ++others_[static_cast<std::int64_t>(value)];
      given_up_ = others_.size() > most_;
    } else if (!std::isnan(value)) {
      given_up_ = true;
    }
  }

  std::size_t most_;
  bool given_up_;
  std::vector<std::uint64_t> small_;  // by value
  std::map<std::int64_t, std::uint64_t> others_;
};

// Takes the mark from columns with a fraction in them.
template <class T>
void unmark_fractions(MatrixView<const T> rows, std::uint8_t* whole) {
  constexpr double kRounder = 0x1.8p52;  // whose sum with a smaller number has no fraction
  const auto is_fraction = [](double value) {
    return std::abs(value) < 0x1p51 && (value + kRounder) - kRounder != value;  // not NaN
  };
  for (std::size_t c = 0; c < rows.cols; ++c)
    for (std::size_t r = 0; r < rows.rows && whole[c] != 0; ++r)
      if (is_fraction(static_cast<double>(rows(r, c)))) whole[c] = 0;
}

// One pass over a set, T being what its numbers are read as. Workers take tasks, in the order of their numbers: a span
// of rows or a group of columns. What is added to one group's statistics is added in row order: a worker holds its
// moments back until the spans before its own are in.
template <class T>
class TablePass {
 public:
  TablePass(std::string path, const TablePlan& plan, const h5::DatasetInfo& info, std::size_t most_counts)
      : path_(std::move(path)),
        plan_(plan),
        set_columns_(columns_of(info)),
        may_have_fractions_(info.type_class == h5::TypeClass::kFloat) {
    for (std::uint64_t g = 0; g < plan_.groups(); ++g) builders_.emplace_back(group_columns(g));
    for (std::size_t w = 0; w < plan_.workers; ++w)
      workers_.push_back({std::vector<std::uint8_t>(plan_.columns, 1), ValueCounts(most_counts)});
  }

  // `files`: one for each worker.
  TableStatistics run(const std::vector<const h5::File*>& files) {
    {
      std::vector<std::jthread> threads;
      for (std::size_t w = 1; w < files.size(); ++w) try {
          threads.emplace_back([this, &files, w] { work(*files[w], workers_[w]); });
        } catch (const std::system_error&) {
          break;  // the others do it all
        }
      work(*files.front(), workers_.front());
    }
    if (failure_) std::rethrow_exception(failure_);
    return result();
  }

 private:
  struct Worker {
    std::vector<std::uint8_t> whole;  // (columns)
    ValueCounts counts;
  };
  // Moments of blocks that were not yet added, one block's columns after the other's.
  struct Pending {
    std::uint64_t block = 0;  // the first of them
    std::vector<ColumnMoments> moments;
  };

  [[nodiscard]] std::size_t group_columns(std::uint64_t group) const {
    return std::min(plan_.group_columns, plan_.columns - group * plan_.group_columns);
  }

  void work(const h5::File& file, Worker& worker) {
    const std::uint64_t tasks = plan_.spans() * plan_.groups();
    try {
      Matrix<T> unit(std::min(plan_.unit_rows, plan_.rows), plan_.group_columns);
      for (std::uint64_t task = next_task_++; task < tasks && task < failed_task_; task = next_task_++) try {
          do_task(task, file, worker, unit);
        } catch (...) {
          fail(task);
        }
    } catch (...) {
      fail(0);
    }
  }

  // Of several failures the first one in the set is told, as with one thread: tasks before it are still done.
  void fail(std::uint64_t task) {
    const std::lock_guard lock(mutex_);
    if (task >= failed_task_) return;
    failure_ = std::current_exception();
    failed_task_ = task;
    turn_changed_.notify_all();
  }

  void do_task(std::uint64_t task, const h5::File& file, Worker& worker, Matrix<T>& unit) {
    const std::uint64_t group = task / plan_.spans(), span = task % plan_.spans();
    const std::size_t cols = group_columns(group);
    const std::uint64_t end = std::min(plan_.rows, (span + 1) * plan_.span_rows);
    Pending pending{span * plan_.span_rows / plan_.block_rows, {}};
    for (std::uint64_t row = span * plan_.span_rows; row < end; row += plan_.unit_rows) {
      const MatrixView<T> rows{unit.data(), std::min(plan_.unit_rows, end - row), cols};
      file.read_columns<T>(path_, row, group * plan_.group_columns, rows);
      measure(rows, worker.whole.data() + group * plan_.group_columns, pending);
      worker.counts.template add<T>(rows);
      if (pending.moments.size() < kMostPending && !is_turn(task)) continue;
      if (!wait_for_turn(task)) return;
      flush(group, pending);
    }
    if (!wait_for_turn(task)) return;
    flush(group, pending);
    end_turn(task);
  }

  void measure(MatrixView<const T> unit, std::uint8_t* whole, Pending& pending) const {
    for (std::size_t first = 0; first < unit.rows; first += plan_.block_rows) {
      const auto block = unit.row_range(first, std::min<std::uint64_t>(plan_.block_rows, unit.rows - first));
      const std::size_t at = pending.moments.size();
      pending.moments.resize(at + unit.cols);
      column_moments(block, set_columns_, std::span(pending.moments).subspan(at));
      if (may_have_fractions_) unmark_fractions(block, whole);
    }
  }

  void flush(std::uint64_t group, Pending& pending) {
    const std::size_t cols = group_columns(group);
    for (std::size_t at = 0; at < pending.moments.size(); at += cols)
      builders_[group].add_block(pending.block++, std::span<const ColumnMoments>(pending.moments).subspan(at, cols));
    pending.moments.clear();
  }

  // Groups of columns are apart from each other: only spans of one have turns.
  bool is_turn(std::uint64_t task) {
    const std::lock_guard lock(mutex_);
    return plan_.spans() == 1 || turn_ == task;
  }
  bool wait_for_turn(std::uint64_t task) {
    std::unique_lock lock(mutex_);
    turn_changed_.wait(lock, [&] { return plan_.spans() == 1 || turn_ == task || failed_task_ < task; });
    return plan_.spans() == 1 || turn_ == task;
  }
  void end_turn(std::uint64_t task) {
    const std::lock_guard lock(mutex_);
    turn_ = task + 1;
    turn_changed_.notify_all();
  }

  TableStatistics result() {
    TableStatistics table;
    for (const StatisticsBuilder& builder : builders_) table.columns.append(builder.finish());
    Worker all = std::move(workers_.front());
    for (std::size_t w = 1; w < workers_.size(); ++w) {
      for (std::size_t c = 0; c < all.whole.size(); ++c) all.whole[c] &= workers_[w].whole[c];
      all.counts.merge(workers_[w].counts);
    }
    table.whole = std::move(all.whole);
    table.counts = all.counts.result();
    return table;
  }

  // Constant.
  const std::string path_;
  const TablePlan plan_;
  const std::size_t set_columns_;
  const bool may_have_fractions_;

  std::vector<StatisticsBuilder> builders_;  // by group; used by whose turn it is
  std::vector<Worker> workers_;              // each its own
  std::atomic<std::uint64_t> next_task_{0};
  std::atomic<std::uint64_t> failed_task_{~std::uint64_t{0}};  // written under mutex_

  std::mutex mutex_;
  std::condition_variable turn_changed_;
  std::uint64_t turn_ = 0;      // guarded by mutex_
  std::exception_ptr failure_;  // guarded by mutex_
};

template <class T>
TableStatistics statistics_as(const h5::File& file, const std::string& path, const h5::DatasetInfo& info,
                              const TableOptions& options) {
  const TablePlan plan = table_plan(info, sizeof(T), options.threads);
  TablePass<T> pass(path, plan, info, columns_of(info) == 1 ? options.most_counts : 0);
  std::vector<h5::File> opened;  // before there are threads: each forks
  for (std::size_t w = 1; w < plan.workers; ++w) {
    opened.push_back(h5::File::open(file.name()));
    if (opened.back().info(path).shape != info.shape) throw DataError(file.name() + ": changed while it was read");
  }
  std::vector<const h5::File*> files{&file};
  for (const h5::File& other : opened) files.push_back(&other);
  return pass.run(files);
}

}  // namespace

std::uint64_t bytes_of_band(const h5::DatasetInfo& info) {
  if (info.chunk.empty()) return 0;
  const std::uint64_t across = info.chunk.size() == 1 ? 1 : round_up(info.shape[1], info.chunk[1]);
  return times(times(info.chunk[0], across), info.type_bytes);
}

TablePlan table_plan(const h5::DatasetInfo& info, std::size_t element_bytes, std::size_t threads) {
  TablePlan plan;
  plan.rows = info.shape[0];
  plan.columns = std::min<std::uint64_t>(columns_of(info), kMostColumns);
  plan.group_columns = plan.columns;
  plan.block_rows = StatisticsBuilder::block_rows(columns_of(info));
  std::uint64_t band = bytes_of_band(info);
  if (band > kBandBytes && info.chunk.size() == 2) {
    const std::uint64_t chunk = times(times(info.chunk[0], info.chunk[1]), info.type_bytes);
    const std::uint64_t chunks = std::max<std::uint64_t>(kBandBytes / chunk, 1);
    plan.group_columns = std::min(plan.columns, times(chunks, info.chunk[1]));
    band = times(chunks, chunk);
  }
  const std::uint64_t row_bytes = plan.group_columns * element_bytes;
  plan.unit_rows = std::max<std::uint64_t>(kUnitBytes / row_bytes / plan.block_rows, 1) * plan.block_rows;
  // Spans of several bands: where one ends within a band, its chunks are inflated twice.
  const std::uint64_t bands = info.chunk.empty() ? 0 : times(4, info.chunk[0]);
  const std::uint64_t rows = std::max<std::uint64_t>(plan.rows, 1);
  plan.span_rows = plan.groups() > 1 ? round_up(rows, plan.unit_rows)
                                     : round_up(std::min(std::max(bands, plan.unit_rows), rows), plan.unit_rows);
  const std::uint64_t bearable = std::max<std::uint64_t>(kBandsBytes / std::max(band, kUnitBytes), 1);
  plan.workers = std::max<std::uint64_t>(std::min({std::uint64_t{threads}, plan.spans() * plan.groups(), bearable}), 1);
  return plan;
}

TableStatistics table_statistics(const h5::File& file, const std::string& path, const TableOptions& options) {
  const h5::DatasetInfo info = file.info(path);
  const bool integers = info.type_class != h5::TypeClass::kFloat;
  if (integers && info.type_bytes == 8)
    return info.is_signed ? statistics_as<std::int64_t>(file, path, info, options)
                          : statistics_as<std::uint64_t>(file, path, info, options);
  if (info.type_bytes <= (integers ? 2U : 4U)) return statistics_as<float>(file, path, info, options);
  return statistics_as<double>(file, path, info, options);
}

}  // namespace gradloom
