#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "gradloom/config.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// A data set that stands in one or several HDF5 files, not yet read.
struct DataSource {
  std::vector<std::string> files;  ///< read in this order as one
  std::string features = "x";
  std::string targets = "y";
  bool with_targets = true;                  ///< false: targets need not be present and are not read
  std::string weights = {};                  ///< of the rows, float64 in memory; empty: all rows count alike
  std::string weights_key = "data.weights";  ///< what names them, for messages
  h5::External external = h5::External::kRefuse;
};

/// Files named by `value`: one file, with spaces in its name or not; else paths separated by spaces, each of them may
/// be a glob (its matches sorted). ConfigError where one matches nothing; `where` (such as "c.ini:7: data.train")
/// starts the message.
std::vector<std::string> expand_files(const std::string& value, const std::string& where);

/// A file of a source, as its header describes it.
struct SourceFile {
  std::string path;
  h5::DatasetInfo x;
  h5::DatasetInfo y;        ///< of no shape where targets are not read
  h5::DatasetInfo weights;  ///< of no shape where there are none
  [[nodiscard]] std::uint64_t rows() const { return x.shape[0]; }
  /// Columns of y; 0: no targets.
  [[nodiscard]] std::size_t outputs() const { return y.shape.empty() ? 0 : y.shape.size() == 1 ? 1 : y.shape[1]; }
};

/// All files of the source. DataError where files disagree in columns or types, x is not (rows, features) with at least
/// one of each, rows of targets or weights differ from x's, or either is missing.
std::vector<SourceFile> source_files(const DataSource& source);

/// Shape of the whole source, from the files' headers alone. Throws what source_files() throws.
struct SourceShape {
  std::uint64_t rows = 0;
  std::size_t features = 0;
  std::size_t outputs = 0;  ///< 0: no targets
  bool weighted = false;    ///< rows have weights
};
SourceShape source_shape(const std::vector<SourceFile>& files);
SourceShape source_shape(const DataSource& source);

/// Names of features and classes that the files hold, the same in all that hold any.
struct SourceNames {
  std::vector<std::string> features, classes;
};
/// Adds those of a file that is open. DataError where it has others than the files before it.
void merge_names(const h5::File& file, const DataSource& source, std::size_t features, SourceNames& names);

/// What messages call the source: the first file, and how many more.
std::string source_name(const DataSource& source);

/// The source with names of data sets as h5::File takes them.
DataSource normalized(DataSource source);

/// Bytes that one row, or the whole source, takes in memory, read as numbers of `element_bytes` bytes.
std::uint64_t row_bytes_in_memory(const SourceShape& shape, std::size_t element_bytes);
std::uint64_t bytes_in_memory(const SourceShape& shape, std::size_t element_bytes);

/// Reads the whole source. Every element is checked: NaN or Inf is a DataError naming file, data set, row and column
/// (with the column's name where there is one), counted from 0; so is a weight that require_weights() refuses. A source
/// that takes over `memory_limit` bytes is a DataError that names both numbers and `data.memory`.
template <class T>
Dataset<T> read_dataset(const DataSource& source, std::uint64_t memory_limit);

/// By `data.allow-external`.
h5::External external_of(const Config& config);

/// The bytes that `data.memory` allows: its value, or a quarter of the machine's (or container's) RAM.
std::uint64_t memory_limit(const Config& config);

/// Bytes of RAM of the machine, or of the container where that is less.
std::uint64_t usable_memory();

}  // namespace gradloom
