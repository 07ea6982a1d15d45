#include "engine/data/stream_statistics.hpp"

#include <algorithm>
#include <vector>

namespace gradloom {
namespace {

// Cuts the rows of one side into a StatisticsBuilder's blocks, in whatever portions they come.
template <class T>
class SideStatistics {
 public:
  explicit SideStatistics(std::size_t columns)
      : builder_(columns), block_(StatisticsBuilder::block_rows(columns), columns) {}

  void add(MatrixView<const T> rows, std::span<const std::uint8_t> counts) {
    for (std::size_t done = 0; done < rows.rows;) {
      const std::size_t count = std::min(rows.rows - done, block_.rows() - counts_.size());
      std::copy_n(rows.row(done).data(), count * rows.cols, block_.row(counts_.size()).data());
      const auto portion = counts.subspan(done, count);
      counts_.insert(counts_.end(), portion.begin(), portion.end());
      done += count;
      if (counts_.size() == block_.rows()) end_block();
    }
  }
  Statistics finish() {
    if (!counts_.empty()) end_block();
    return builder_.finish();
  }

 private:
  void end_block() {
    const MatrixView<const T> rows = std::as_const(block_).view().row_range(0, counts_.size());
    builder_.template add_block<T>(next_block_++, rows, counts_);
    counts_.clear();
  }

  StatisticsBuilder builder_;
  Matrix<T> block_;
  std::vector<std::uint8_t> counts_;  // of the block's rows that are there
  std::uint64_t next_block_ = 0;
};

}  // namespace

template <class T>
DataStatistics statistics_of(const StreamedSet<T>& set, Standardize what, std::span<std::uint64_t> class_rows) {
  const bool of_x = what == Standardize::kFeatures || what == Standardize::kBoth;
  const bool of_y = what == Standardize::kTargets || what == Standardize::kBoth;
  SideStatistics<T> x(set.shape().features), y(set.shape().outputs);
  std::vector<std::uint8_t> counts;
  set.for_each_piece_of_all(StatisticsBuilder::block_rows(set.shape().features),
                            [&](std::uint64_t first, MatrixView<T> piece_x, MatrixView<T> piece_y, const double*) {
                              counts.resize(piece_x.rows);
                              for (std::size_t r = 0; r < counts.size(); ++r)
                                counts[r] = set.kept().keeps(first + r) ? 1 : 0;
                              if (of_x) x.add(piece_x, counts);
                              if (of_y) y.add(piece_y, counts);
                              for (std::size_t r = 0; r < counts.size() && !class_rows.empty(); ++r)
                                if (counts[r] != 0) count_classes<T>(piece_y.row_range(r, 1), class_rows);
                            });
  DataStatistics statistics;
  if (of_x) statistics.x = x.finish();
  if (of_y) statistics.y = y.finish();
  return statistics;
}

template DataStatistics statistics_of(const StreamedSet<float>&, Standardize, std::span<std::uint64_t>);
template DataStatistics statistics_of(const StreamedSet<double>&, Standardize, std::span<std::uint64_t>);

}  // namespace gradloom
