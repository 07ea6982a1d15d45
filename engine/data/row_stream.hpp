#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/row_table.hpp"
#include "engine/io/hdf5.hpp"
#include "engine/io/scratch_file.hpp"

namespace gradloom {

/// How a chunked set is read whose bands (the chunks that share their rows) are larger than memory: a band at a time,
/// strip after strip of its columns, into a scratch file from which its rows come group after group.
struct BandPlan {
  std::uint64_t band_rows = 0;   ///< as a chunk has
  std::uint64_t group_rows = 0;  ///< that are in memory at once
  std::uint64_t strip_cols = 0;  ///< whole chunks, but for the last strip
};

/// The plan that a set needs to be read within `memory`; nothing where it can be read row by row. ConfigError, naming
/// `file` and the memory that is needed, where single chunks are too large.
std::optional<BandPlan> plan_bands(const std::string& file, const RowSet& set, const h5::DatasetInfo& info,
                                   std::uint64_t memory);

/// A data set of an open file, read from its first row to its last, each of its bytes once.
class RowStream {
 public:
  /// `file` must outlive the stream; `set` is copied. Scratch files stand beside `beside`.
  RowStream(const h5::File& file, const RowSet& set, const h5::DatasetInfo& info, std::uint64_t memory,
            const std::string& beside);

  /// The next `rows` rows, of those that are left, in the type of the set.
  void next(std::size_t rows, std::byte* out);

 private:
  struct Strip {
    std::uint64_t col, cols;
  };
  void turn_band();
  void load_group();
  void copy_from_group(std::uint64_t rows, std::byte* out) const;
  [[nodiscard]] std::uint64_t rows_of_band() const;
  [[nodiscard]] std::uint64_t rows_of_group(std::uint64_t group_first) const;

  const h5::File& file_;
  RowSet set_;
  std::uint64_t rows_;
  std::uint64_t memory_;
  std::uint64_t next_ = 0;  // row

  // Where it is read by bands.
  std::optional<BandPlan> plan_;
  std::vector<Strip> strips_;
  std::optional<ScratchFile> scratch_;  // the band: groups one behind the other, in each of them strips, row by row
  std::vector<std::byte> group_;        // as it is in the scratch file
};

}  // namespace gradloom
