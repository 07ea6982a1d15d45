#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gradloom/work_progress.hpp"

namespace gradloom {

enum class MissingCells { kError, kMean, kDrop };
enum class HeaderMode { kDetect, kPresent, kAbsent };
/// kTable: CSV and TSV.
enum class SourceFormat { kDetect, kTable, kLibsvm, kIdx, kNpy, kNpz };

struct ImportOptions {
  /// CSV, TSV or LIBSVM files (one table); a file of features and one of targets, IDX or NPY; or one NPZ file. "-" is
  /// standard input.
  std::vector<std::string> sources;
  std::string output;  ///< FILE.h5; with a split FILE.train.h5, FILE.valid.h5, FILE.test.h5
  SourceFormat format = SourceFormat::kDetect;
  // CSV and TSV
  std::vector<std::string> targets;  ///< column names, or indices from 0 (negative: from the end)
  std::string weight;                ///< column of the rows' weights, named likewise, for /weight; empty: none
  HeaderMode header = HeaderMode::kDetect;
  std::vector<std::string> categorical;  ///< columns to one-hot even though they look numeric
  MissingCells missing = MissingCells::kError;
  // LIBSVM
  std::optional<std::uint64_t> features;  ///< columns of /x; by default the largest index decides
  bool zero_based = false;                ///< indices begin at 0 even though none is 0
  // NPZ
  std::vector<std::string> arrays;  ///< of features and of targets
  // IDX, NPY and NPZ
  double scale = 1;  ///< factor on every feature
  // all
  bool classify = false;  ///< targets become class indices, labels are stored; in NPY they are class indices already
  // splitting
  std::vector<double> split;  ///< empty, or fractions of train, valid, test that add up to 1
  std::uint64_t seed = 1;
  // how, which does not change what comes out
  std::size_t threads = 0;                               ///< 0: all cores allowed to the process
  std::function<void(const WorkProgress&)> on_progress;  ///< called often, by one thread at a time; may be empty
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
/// that do not fit the sources. Outputs appear whole or not at all. Text is parsed on all threads, in blocks; memory
/// does not grow with the sources' length.
ImportReport import_data(const ImportOptions& options);

/// Removes what import_data, generate and repack have begun to write and not finished. Async-signal-safe: for the
/// handler of a signal that ends the process.
void remove_unfinished_outputs() noexcept;

}  // namespace gradloom
