#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gradloom/work_progress.hpp"

namespace gradloom {

struct RepackOptions {
  static constexpr std::uint64_t kLeastMemory = 16ULL << 20;
  static constexpr std::uint64_t kMostShards = 1000;

  std::vector<std::string> sources;  ///< each as data.train: a file, several separated by spaces, or a glob
  std::string output;                ///< FILE.h5; with several shards FILE.000-of-NNN.h5 and so on
  std::string features = "x";
  std::string targets = "y";            ///< empty: none
  std::string weights;                  ///< empty: none
  std::size_t chunk_rows = 0;           ///< rows of a chunk; 0: about 1 MiB
  int deflate = 0;                      ///< 0: none, to 9
  bool shuffle_rows = false;            ///< else the source's order
  std::uint64_t seed = 1;               ///< decides the order where rows are shuffled
  std::uint64_t shards = 1;             ///< files that the rows are split over
  std::uint64_t memory = 256ULL << 20;  ///< bytes that the work may take; the outputs do not depend on it
  std::function<void(const WorkProgress&)> on_progress;  ///< called often; may be empty
};

/// A data set that was kept.
struct RepackedSet {
  std::string name;       ///< with its slash
  std::size_t cols = 1;   ///< numbers in a row
  std::string type;       ///< "float32"
  std::string from_type;  ///< "" where it is the stored one, in either byte order; else that one
};

struct RepackedFile {
  std::string path;
  std::uint64_t rows = 0;
};

struct RepackReport {
  std::uint64_t rows = 0;
  std::vector<RepackedSet> sets;      ///< features, targets, weights
  std::vector<RepackedFile> files;    ///< in the order of their rows
  std::string train;                  ///< what data.train must be to train all files: the file, or a glob
  std::vector<std::string> left_out;  ///< what else stands at the top of the sources
};

/// Rewrites a data set of one or several files for fast streaming: chunks of whole rows, one behind the other. Elements
/// keep their type (little-endian) and every bit, sets their rank and their attributes `names` and `classes`. With
/// shuffle_rows the rows stand in a pseudo-random order that is a function of (seed, number of rows) alone. Memory is
/// bounded whatever the sources' sizes and layouts; what does not fit goes to unnamed temporary files beside the
/// output. Outputs appear together and whole, or not at all. ConfigError, DataError, FileError.
RepackReport repack(const RepackOptions& options);

}  // namespace gradloom
