#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/prepare.hpp"
#include "engine/data/row_blocks.hpp"
#include "engine/data/source.hpp"
#include "engine/data/stream_plan.hpp"
#include "gradloom/dataset.hpp"

namespace gradloom {

/// What targets have to be.
struct TargetRules {
  Loss loss = Loss::kMse;
  std::size_t outputs = 0;  ///< of the network
};

/// How a set is streamed.
struct StreamOptions {
  StreamMemory memory = 0;
  std::optional<TargetRules> rules = std::nullopt;
  bool windows = false;                              ///< rows are to be mixed; false: for_each_piece() alone
  std::optional<StreamWindow> again = std::nullopt;  ///< the window that a run began with
};

/// A set that is read block by block, each time that its rows are needed. Files were there and fitted together when it
/// was opened; what else may be wrong is found when a block is read.
template <class T>
class StreamedSet {
 public:
  /// Opens the files, for every reader: a file is open in a process of its own, which is best begun before there are
  /// threads and much memory. Throws what source_files(), plan_stream() and plan_pass() throw.
  StreamedSet(const DataSource& source, const StreamOptions& options);
  ~StreamedSet();
  StreamedSet(const StreamedSet&) = delete;
  StreamedSet& operator=(const StreamedSet&) = delete;

  [[nodiscard]] const SourceShape& shape() const { return shape_; }
  [[nodiscard]] const StreamPlan& plan() const { return plan_; }
  [[nodiscard]] const RowBlocks& blocks() const { return blocks_; }
  [[nodiscard]] const KeptRows& kept() const { return kept_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<std::string>& feature_names() const { return feature_names_; }
  [[nodiscard]] const std::vector<std::string>& class_names() const { return class_names_; }

  /// From here on the set is the rows that have this use.
  void keep_rows(const RowSplit& split, RowUse use);
  /// From here on read() standardizes.
  void set_standardization(const Standardization& standardization) { standardization_ = standardization; }

  /// Rows of some block that are kept, into x, y and, where they have some, weights (kept().in(b) rows each), by reader
  /// `reader` < plan().readers: not two threads with one reader. DataError where values are not finite, targets not by
  /// the rules, weights not by require_weights(), or the file is not what it was.
  void read(std::uint64_t b, std::size_t reader, MatrixView<T> x, MatrixView<T> y, double* weights) const;

  /// Rows of a piece that is some megabytes and a small part of the memory: a multiple of `block_rows`, at least one.
  [[nodiscard]] std::uint64_t piece_rows(std::uint64_t block_rows) const;
  /// Calls use(first row, x, y, weights or null) for rows in the order of the files, in pieces of `piece_rows` rows but
  /// the last: on the calling thread, while others read on. Checked as read() does. Values are standardized where that
  /// was set. Not beside read().
  using Use = std::function<void(std::uint64_t, MatrixView<T>, MatrixView<T>, const double*)>;
  /// Rows that are kept, counted without the others.
  void for_each_piece(std::uint64_t piece_rows, const Use& use) const { pass(piece_rows, false, use); }
  /// All rows.
  void for_each_piece_of_all(std::uint64_t piece_rows, const Use& use) const { pass(piece_rows, true, use); }

 private:
  class Reader;
  struct Stamp;
  class Pass;
  void pass(std::uint64_t piece_rows, bool all_rows, const Use& use) const;
  void read_targets();
  void read_weights();
  void require_unchanged(std::size_t f) const;
  void read_rows(const RowBlock& block, std::size_t reader, MatrixView<T> x, MatrixView<T> y, double* weights) const;
  void standardize(MatrixView<T> x, MatrixView<T> y) const;

  DataSource source_;
  std::uint64_t memory_;  ///< bytes
  std::optional<TargetRules> rules_;
  std::string name_;
  std::vector<SourceFile> files_;
  std::vector<Stamp> stamps_;  ///< [file]
  SourceShape shape_;
  std::vector<std::string> feature_names_, class_names_;
  StreamPlan plan_;
  RowBlocks blocks_;
  KeptRows kept_;
  Standardization standardization_;
  Matrix<T> targets_;            ///< (rows, outputs) where plan_.targets_in_memory
  std::vector<double> weights_;  ///< (rows) where plan_.weights_in_memory
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace gradloom
