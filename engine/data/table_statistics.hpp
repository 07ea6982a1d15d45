#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/rounding.hpp"
#include "engine/data/statistics.hpp"
#include "engine/io/hdf5.hpp"

/// Statistics of a data set in an HDF5 file of any size and layout, read in blocks.
namespace gradloom {

struct TableStatistics {
  Statistics columns;  ///< of the first columns, at most kMostColumns
  /// (columns) 1 where every finite value is a whole number.
  std::vector<std::uint8_t> whole;
  /// Rows by value, of a set of one column that holds whole numbers alone, and few different ones.
  std::optional<std::map<std::int64_t, std::uint64_t>> counts;
};

struct TableOptions {
  std::size_t threads = 1;
  std::size_t most_counts = 0;  ///< different values that are counted; 0: none
};

constexpr std::size_t kMostColumns = 200'000;  ///< that are described: a small file can promise millions

/// Bytes of the chunks that any row lies in, as they are in memory; 0 where there are no chunks.
std::uint64_t bytes_of_band(const h5::DatasetInfo& info);

/// How a set is cut for reading. Whole rows in spans, each of which a thread reads in units; or, where the chunks of
/// all columns are too much at once, groups of columns, each of which a thread reads from the first row to the last.
struct TablePlan {
  std::uint64_t rows = 0, columns = 0;  ///< that are read
  std::uint64_t block_rows = 1;         ///< of the statistics
  std::uint64_t unit_rows = 1;          ///< read at once: some blocks
  std::uint64_t span_rows = 1;          ///< some units
  std::uint64_t group_columns = 1;
  std::size_t workers = 1;

  [[nodiscard]] std::uint64_t spans() const { return divide_up(rows, span_rows); }
  [[nodiscard]] std::uint64_t groups() const { return divide_up(columns, group_columns); }
};
/// For numbers that take `element_bytes` in memory. Each chunk is inflated once, or twice where a span ends in it; all
/// workers and their reader processes together hold about 64 MiB for each, and 512 MiB at most, or the chunks that one
/// row lies in.
TablePlan table_plan(const h5::DatasetInfo& info, std::size_t element_bytes, std::size_t threads);

/// Of a numeric set of one or two dimensions with a column at least. The same for any number of threads and any layout,
/// with the bits of statistics_of() the same rows in memory. DataError where it cannot be read.
TableStatistics table_statistics(const h5::File& file, const std::string& path, const TableOptions& options);

}  // namespace gradloom
