#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/data/import_parts.hpp"
#include "engine/data/pending_files.hpp"
#include "engine/io/hdf5.hpp"

namespace gradloom {

/// What the files of an import hold beside their rows.
struct ImportLayout {
  std::vector<std::string> features;  ///< names of the columns of /x
  std::vector<std::string> targets;   ///< names of the columns of /y; empty: no /y
  std::vector<std::string> classes;   ///< not empty: /y holds class indices, (rows)
  int deflate = 0;                    ///< of /x: 0 none, else level 1..9
  bool weighted = false;              ///< there is a /weight, (rows)
};

/// DataError beyond 10,000,000 columns of /x, as many as a layer can take.
void require_feature_count(const std::string& source, std::uint64_t features);

/// Writes the parts of an import in blocks of rows; they appear together when finish() is called, or never.
/// X: the element type of /x. /y is float64 (rows, targets), or int32 (rows) for classes;
/// /weight float64.
template <class X>
class ImportWriter {
 public:
  ImportWriter(const PartPlan& plan, ImportLayout layout);

  /// The next row, numbered from 0; y holds the targets or the class index. `weight` counts where the layout has one.
  void append(std::span<const X> x, std::span<const double> y, double weight = 1);
  [[nodiscard]] std::uint64_t rows() const { return next_row_; }
  std::vector<ImportedFile> finish();

 private:
  struct Part {
    std::string path;
    h5::File file;
    std::uint64_t rows = 0;
    std::vector<X> x;
    std::vector<double> y, weights;
  };
  void create(Part& part) const;
  void flush(Part& part);

  const PartPlan& plan_;  ///< must outlive the writer
  ImportLayout layout_;
  PendingFiles pending_;
  std::vector<Part> parts_;         ///< those that have rows
  std::vector<std::size_t> index_;  ///< part of the plan -> place in parts_
  std::uint64_t next_row_ = 0;
  std::vector<std::int32_t> labels_;
};

}  // namespace gradloom
