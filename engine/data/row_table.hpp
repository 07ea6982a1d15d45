#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/repack.hpp"

namespace gradloom {

/// A data set of a table, the same in all its files.
struct RowSet {
  std::string path;  ///< without the slash before it
  h5::NumberType type = h5::NumberType::kFloat32;
  std::string stored_type;  ///< of the first file, as people call it
  bool exact = true;        ///< `type` is the stored one, in either byte order
  std::size_t cols = 1;
  bool flat = false;                                                     ///< one-dimensional
  std::vector<std::pair<std::string, std::vector<std::string>>> labels;  ///< attributes: names, classes

  [[nodiscard]] std::size_t row_bytes() const { return cols * h5::bytes_of(type); }
};

/// Data sets of as many rows each, in one file or several that follow each other.
struct RowTable {
  std::vector<std::string> files;
  std::vector<std::uint64_t> file_rows;
  std::vector<RowSet> sets;
  std::vector<std::string> left_out;  ///< what else stands at the top of the files, by name
  std::uint64_t rows = 0;

  [[nodiscard]] std::size_t row_bytes() const;
};

/// Rows of all sets of a table.
struct TableBlock {
  std::uint64_t first = 0;  ///< row of the table
  std::size_t rows = 0;
  std::vector<const std::byte*> sets;  ///< the rows of each, one behind the other
};

/// Room for as many rows of every set.
class RowBuffer {
 public:
  RowBuffer(const std::vector<RowSet>& sets, std::size_t rows);
  [[nodiscard]] std::byte* set(std::size_t i) { return sets_[i].data(); }
  [[nodiscard]] TableBlock block(std::uint64_t first, std::size_t rows) const;

 private:
  std::vector<AlignedBuffer<std::byte>> sets_;
};

/// Looks at the headers of all sources. ConfigError where one is missing; DataError where files disagree or are not
/// what can be trained.
RowTable examine_rows(const RepackOptions& options);

/// Reads the rows of all files in order, a block at a time, in five eighths of `memory`. What layouts of the files
/// cannot be read by rows are turned in temporary files beside `beside`.
void for_each_block(const RowTable& table, std::uint64_t memory, const std::string& beside,
                    const std::function<void(const TableBlock&)>& use);

}  // namespace gradloom
