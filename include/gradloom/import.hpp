#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gradloom {

enum class MissingCells { kError, kMean, kDrop };
enum class HeaderMode { kDetect, kPresent, kAbsent };

struct ImportOptions {
  std::vector<std::string>
      sources;         ///< CSV/TSV files (one table); or a file of features and one of targets, IDX or NPY
  std::string output;  ///< FILE.h5; with a split FILE.train.h5, FILE.valid.h5, FILE.test.h5
  // CSV and TSV
  std::vector<std::string> targets;  ///< column names, or indices from 0 (negative: from the end)
  HeaderMode header = HeaderMode::kDetect;
  std::vector<std::string> categorical;  ///< columns to one-hot even though they look numeric
  MissingCells missing = MissingCells::kError;
  // IDX and NPY
  double scale = 1;  ///< factor on every feature
  // all
  bool classify = false;  ///< targets become class indices, labels are stored; in NPY they are class indices already
  // splitting
  std::vector<double> split;  ///< empty, or fractions of train, valid, test that add up to 1
  std::uint64_t seed = 1;
};

struct ImportedFile {
  std::string path;
  std::uint64_t rows = 0;
};

struct ImportReport {
  std::vector<ImportedFile> files;
  std::uint64_t source_rows = 0, dropped_rows = 0, filled_cells = 0;
  std::size_t features = 0, outputs = 0;
  std::vector<std::string> class_names;
};

/// Turns sources into data set files. DataError names file, line, column and what was found; ConfigError for options
/// that do not fit the sources. Outputs appear whole or not at all.
ImportReport import_data(const ImportOptions& options);

/// Removes what import_data and generate have begun to write and not finished. Async-signal-safe: for the handler of a
/// signal that ends the process.
void remove_unfinished_outputs() noexcept;

}  // namespace gradloom
