#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/prepare.hpp"
#include "engine/data/source.hpp"
#include "gradloom/config.hpp"

namespace gradloom {

/// What a pass over the training rows tells.
struct RunStatistics {
  Standardization standardization;
  std::vector<std::uint64_t> class_rows;  ///< of each class, where train.class-weights is balanced; else empty
};

/// Classes whose rows train.class-weights asks to count; 0: none.
std::size_t classes_to_count(const Config& config);

/// Statistics of streamed training rows, kept in a file of the run folder, so that a run that is resumed need
/// not read all its rows for them. They hold for the same files, unchanged by size and time, and the same rows of them.
class StatisticsCache {
 public:
  /// `path`: the file, which need not be there.
  StatisticsCache(std::string path, const Config& config, const DataSource& source, const SourceShape& shape);

  /// Nothing where there is no such file, it is of other data, or it does not hold what it should.
  [[nodiscard]] std::optional<RunStatistics> read() const;
  /// Replaces the file, durably; its folder is there. FileError where it cannot be written.
  void write(const RunStatistics& statistics) const;

 private:
  std::string path_;
  std::string data_;                   ///< what the statistics are of, as JSON
  std::size_t x_columns_, y_columns_;  ///< that are standardized
  std::size_t classes_;                ///< that are counted
};

}  // namespace gradloom
