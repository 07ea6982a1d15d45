#include "engine/data/streamed_set.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <utility>

#include "engine/core/ordered_stream.hpp"
#include "engine/data/finite.hpp"
#include "engine/data/row_weights.hpp"
#include "engine/io/hdf5.hpp"
#include "gradloom/errors.hpp"

namespace gradloom {
namespace {

// Each file that is open has a process, and two descriptors, by each reader.
constexpr std::size_t kMostOpenFiles = 64;

std::vector<std::uint64_t> rows_of(const std::vector<SourceFile>& files) {
  std::vector<std::uint64_t> rows;
  rows.reserve(files.size());
  for (const SourceFile& file : files) rows.push_back(file.rows());
  return rows;
}

template <class T>
StreamPlan plan_of(const std::vector<SourceFile>& files, const DataSource& source, const SourceShape& shape,
                   const StreamOptions& options) {
  const RowBytes row{shape.features * sizeof(T), shape.outputs * sizeof(T), shape.weighted ? sizeof(double) : 0};
  if (!options.windows) return plan_pass(files, source, row, options.memory);
  return options.again ? plan_stream_again(files, source, row, options.memory, *options.again)
                       : plan_stream(files, source, row, options.memory);
}

}  // namespace

/// What tells that a file is still the one that was opened.
template <class T>
struct StreamedSet<T>::Stamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t bytes = 0;
  timespec changed{};

  static std::optional<Stamp> of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return std::nullopt;
    return Stamp{status.st_dev, status.st_ino, status.st_size, status.st_mtim};
  }
  friend bool operator==(const Stamp& a, const Stamp& b) {
    return a.device == b.device && a.inode == b.inode && a.bytes == b.bytes && a.changed.tv_sec == b.changed.tv_sec &&
           a.changed.tv_nsec == b.changed.tv_nsec;
  }
};

/// Files that one thread reads from.
template <class T>
class StreamedSet<T>::Reader {
 public:
  Reader(std::size_t files, std::size_t most_open, h5::External external)
      : most_open_(most_open), external_(external), files_(files) {}

  /// The file, opened if it is not.
  const h5::File& file(std::size_t f, const std::string& path) {
    Slot& slot = files_[f];
    slot.used = ++clock_;
    if (!slot.file) {
      if (open_ == most_open_) close_latest(f);
      slot.file = h5::File::open(path, external_);
      ++open_;
    }
    return *slot.file;
  }

  Matrix<T> x, y;               ///< room for a block of which not all rows are kept
  std::vector<double> weights;  ///< the same

 private:
  struct Slot {
    std::optional<h5::File> file;
    std::uint64_t used = 0;
  };
  // Files come in the order of their rows, or in none: the one that was used last is not needed again for longest.
  void close_latest(std::size_t opening) {
    Slot* latest = nullptr;
    for (Slot& slot : files_)
      if (slot.file && &slot != &files_[opening] && (latest == nullptr || slot.used > latest->used)) latest = &slot;
    latest->file.reset();
    --open_;
  }

  std::size_t most_open_;
  h5::External external_;
  std::vector<Slot> files_;
  std::size_t open_ = 0;
  std::uint64_t clock_ = 0;
};

template <class T>
StreamedSet<T>::StreamedSet(const DataSource& source, const StreamOptions& options)
    : source_(normalized(source)),
      memory_(options.memory.bytes),
      rules_(options.rules),
      name_(source_name(source)),
      files_(source_files(source_)),
      shape_(source_shape(files_)),
      plan_(plan_of<T>(files_, source_, shape_, options)),
      blocks_(rows_of(files_), plan_.block_rows),
      kept_(blocks_) {
  if (rules_) check_target_columns(shape_.outputs, name_, rules_->loss, rules_->outputs);
  for (const SourceFile& file : files_) {
    const auto stamp = Stamp::of(file.path);
    if (!stamp) throw DataError(file.path + ": went away while it was opened");
    stamps_.push_back(*stamp);
  }
  SourceNames names;
  const std::size_t most_open = kMostOpenFiles / plan_.readers;
  for (std::size_t r = 0; r < plan_.readers; ++r) {
    readers_.push_back(std::make_unique<Reader>(files_.size(), most_open, source_.external));
    for (std::size_t f = 0; f < files_.size() && (r == 0 || f < most_open); ++f) {
      const h5::File& file = readers_[r]->file(f, files_[f].path);
      if (r == 0) merge_names(file, source_, shape_.features, names);
    }
  }
  feature_names_ = std::move(names.features);
  class_names_ = std::move(names.classes);
  if (plan_.targets_in_memory) read_targets();
  if (plan_.weights_in_memory) read_weights();
}

template <class T>
StreamedSet<T>::~StreamedSet() = default;

template <class T>
std::uint64_t StreamedSet<T>::piece_rows(std::uint64_t block_rows) const {
  constexpr std::uint64_t kMostBytes = 8 << 20;
  constexpr std::uint64_t kMemoryShare = 16;
  const std::uint64_t block_bytes = std::max<std::uint64_t>(1, block_rows * row_bytes_in_memory(shape_, sizeof(T)));
  return block_rows * std::max<std::uint64_t>(1, std::min(kMostBytes, memory_ / kMemoryShare) / block_bytes);
}

template <class T>
void StreamedSet<T>::keep_rows(const RowSplit& split, RowUse use) {
  kept_ = KeptRows(blocks_, split, use);
  name_ = split.name_of(name_, use);
}

template <class T>
void StreamedSet<T>::read_targets() {
  targets_ = Matrix<T>(shape_.rows, shape_.outputs);
  std::uint64_t first = 0;
  for (std::size_t f = 0; f < files_.size(); ++f) {
    const std::uint64_t rows = files_[f].rows();
    readers_[0]
        ->file(f, files_[f].path)
        .template read_rows<T>(source_.targets, 0, targets_.view().row_range(first, rows));
    first += rows;
  }
}

template <class T>
void StreamedSet<T>::read_weights() {
  weights_.resize(shape_.rows);
  std::uint64_t first = 0;
  for (std::size_t f = 0; f < files_.size(); ++f) {
    const std::uint64_t rows = files_[f].rows();
    readers_[0]
        ->file(f, files_[f].path)
        .template read_rows<double>(source_.weights, 0, column_of(std::span(weights_).subspan(first, rows)));
    first += rows;
  }
}

template <class T>
void StreamedSet<T>::require_unchanged(std::size_t f) const {
  const auto now = Stamp::of(files_[f].path);
  if (now && *now == stamps_[f]) return;
  throw DataError(fmt::format("{}: {} while it was read; a run must see the same data to its end", files_[f].path,
                              now ? "was changed" : "was removed"));
}

// All rows of a block, as they stand in the file, checked.
template <class T>
void StreamedSet<T>::read_rows(const RowBlock& block, std::size_t reader, MatrixView<T> x, MatrixView<T> y,
                               double* weights) const {
  const h5::File& file = readers_[reader]->file(block.file, files_[block.file].path);
  file.read_rows<T>(source_.features, block.file_row, x);
  if (shape_.outputs != 0) {
    if (plan_.targets_in_memory)
      std::copy_n(targets_.row(block.row).data(), block.rows * shape_.outputs, y.data);
    else
      file.read_rows<T>(source_.targets, block.file_row, y);
  }
  const std::span<double> row_weights(weights, shape_.weighted ? block.rows : 0);
  if (plan_.weights_in_memory)
    std::copy_n(weights_.data() + block.row, block.rows, weights);
  else if (shape_.weighted)
    file.read_rows<double>(source_.weights, block.file_row, column_of(row_weights));
  require_unchanged(block.file);
  require_finite<T>(file, source_.features, block.file_row, x, feature_names_);
  if (shape_.outputs != 0) require_finite<T>(file, source_.targets, block.file_row, y, {});
  require_weights(file.name(), source_.weights, block.file_row, row_weights);
  if (rules_) check_labels<T>(y, files_[block.file].path, block.file_row, rules_->loss, rules_->outputs);
}

template <class T>
void StreamedSet<T>::standardize(MatrixView<T> x, MatrixView<T> y) const {
  if (standardization_.features()) standardize_features<T>(standardization_, x);
  if (standardization_.targets() && shape_.outputs != 0) standardize_targets<T>(standardization_, y);
}

template <class T>
void StreamedSet<T>::read(std::uint64_t b, std::size_t reader, MatrixView<T> x, MatrixView<T> y,
                          double* weights) const {
  const RowBlock block = blocks_[b];
  if (kept_.in(b) == block.rows) {
    read_rows(block, reader, x, y, weights);
  } else {
    Reader& own = *readers_[reader];
    if (own.x.rows() < block.rows) {
      own.x = Matrix<T>(plan_.block_rows, shape_.features);
      own.y = Matrix<T>(plan_.block_rows, shape_.outputs);
      if (shape_.weighted) own.weights.resize(plan_.block_rows);
    }
    read_rows(block, reader, own.x.view().row_range(0, block.rows), own.y.view().row_range(0, block.rows),
              own.weights.data());
    std::size_t to = 0;
    for (std::uint64_t r = 0; r < block.rows; ++r) {
      if (!kept_.keeps(block.row + r)) continue;
      std::copy_n(own.x.row(r).data(), shape_.features, x.row(to).data());
      std::copy_n(own.y.row(r).data(), shape_.outputs, y.row(to).data());
      if (shape_.weighted) weights[to] = own.weights[r];
      ++to;
    }
  }
  standardize(x, y);
}

/// Going over the rows in order: blocks are read side by side, and cut into pieces one after the other.
template <class T>
class StreamedSet<T>::Pass {
 public:
  Pass(const StreamedSet& set, std::uint64_t piece_rows, bool all_rows, const Use& use)
      : set_(set),
        use_(use),
        all_rows_(all_rows || set.kept_.all()),
        threads_(set.plan_.reads_aside ? set.plan_.readers + 1 : 1),
        slots_(stream_slots(threads_)),
        idle_(set.plan_.readers),
        rows_(all_rows_ ? set.shape_.rows : set.kept_.count()),
        x_(std::min(piece_rows, rows_), set.shape_.features),
        y_(x_.rows(), set.shape_.outputs),
        weights_(set.shape_.weighted ? x_.rows() : 0) {
    std::iota(idle_.begin(), idle_.end(), 0);
  }

  void run() {
    if (rows_ == 0) return;
    StreamStages stages;
    stages.caller_writes = true;
    stages.read = [&](std::size_t i) {
      if (next_ == set_.blocks_.count()) return false;
      slots_[i].block = set_.blocks_[next_++];
      return true;
    };
    stages.work = [&](std::size_t i) { read(slots_[i]); };
    stages.write = [&](std::size_t i) { use(slots_[i]); };
    run_in_order(threads_, stages);
  }

 private:
  struct Slot {
    RowBlock block;
    Matrix<T> x, y;
    std::vector<double> weights;
  };

  void read(Slot& slot) {
    const std::size_t rows = slot.block.rows;
    if (slot.x.rows() < rows) {
      slot.x = Matrix<T>(rows, set_.shape_.features);
      slot.y = Matrix<T>(rows, set_.shape_.outputs);
      if (set_.shape_.weighted) slot.weights.resize(rows);
    }
    const MatrixView<T> x = slot.x.view().row_range(0, rows), y = slot.y.view().row_range(0, rows);
    const std::size_t reader = take_reader();
    set_.read_rows(slot.block, reader, x, y, slot.weights.data());  // whose failure ends the pass
    give_back(reader);
    set_.standardize(x, y);
  }

  std::size_t take_reader() {
    const std::lock_guard lock(mutex_);
    const std::size_t reader = idle_.back();
    idle_.pop_back();
    return reader;
  }
  void give_back(std::size_t reader) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(reader);
  }

  void use(const Slot& slot) {
    if (all_rows_) return use_rows(slot, 0, slot.block.rows);
    for (std::size_t r = 0; r < slot.block.rows; ++r)
      if (set_.kept_.keeps(slot.block.row + r)) use_rows(slot, r, 1);
  }

  // Rows [from, from + count) of a block.
  void use_rows(const Slot& slot, std::size_t from, std::size_t count) {
    while (count > 0) {
      const std::size_t some = std::min(count, x_.rows() - filled_);
      std::copy_n(slot.x.row(from).data(), some * x_.cols(), x_.row(filled_).data());
      if (y_.cols() != 0) std::copy_n(slot.y.row(from).data(), some * y_.cols(), y_.row(filled_).data());
      if (!weights_.empty()) std::copy_n(slot.weights.data() + from, some, weights_.data() + filled_);
      from += some;
      count -= some;
      filled_ += some;
      if (filled_ < x_.rows() && first_ + filled_ < rows_) continue;
      use_(first_, x_.view().row_range(0, filled_), y_.view().row_range(0, filled_),
           weights_.empty() ? nullptr : weights_.data());
      first_ += filled_;
      filled_ = 0;
    }
  }

  const StreamedSet& set_;
  const Use& use_;
  const bool all_rows_;
  const std::size_t threads_;
  std::vector<Slot> slots_;
  std::uint64_t next_ = 0;  // block
  std::mutex mutex_;
  std::vector<std::size_t> idle_;  // readers; guarded by mutex_
  const std::uint64_t rows_;
  Matrix<T> x_, y_;  // a piece
  std::vector<double> weights_;
  std::size_t filled_ = 0;   // rows of it
  std::uint64_t first_ = 0;  // its first row, of rows_
};

template <class T>
void StreamedSet<T>::pass(std::uint64_t piece_rows, bool all_rows, const Use& use) const {
  Pass(*this, piece_rows, all_rows, use).run();
}

template class StreamedSet<float>;
template class StreamedSet<double>;

}  // namespace gradloom
