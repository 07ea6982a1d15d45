#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/core/parallel.hpp"
#include "engine/io/scratch_file.hpp"
#include "gradloom/matrix.hpp"
#include "gradloom/options.hpp"

namespace gradloom {

/// The scores that areas under ROC curves are taken of: each output's probabilities, which at the end are walked in
/// their order, equal ones in that of their rows. So the bits depend neither on threads nor on memory.
///
/// Memory for a row: sizeof(T) for each output, 4 bytes (categorical) or 1 for each output for its labels, 8 for its
/// weight where rows have some; while scores are sorted, 8 (float) or 16 more for each thread. Where all rows would
/// take more than they may, as many as fit are sorted at a time and go to a file without a name, 16 bytes a score.
template <class T>
class RankedScores {
 public:
  /// `rows`: about to come; a file stands in for what is over `bytes`.
  RankedScores(Loss loss, std::size_t outputs, std::uint64_t rows, bool weighted, std::uint64_t bytes, Arena& arena);

  /// probabilities (rows, outputs), y (rows, target_columns), weights (rows) where there are some. FileError where the
  /// system's folder for temporary files has no room.
  void add(MatrixView<const T> probabilities, MatrixView<const T> y, const double* weights);

  /// Area of each output's curve: of its class against the rest (binary: of class 1 against 0), exact as
  /// scikit-learn's roc_auc_score. NaN where one side has no rows, or a probability is NaN. Nothing is left behind.
  [[nodiscard]] std::vector<double> areas();

 private:
  /// As the file holds them.
  struct Scored {
    T score;
    double weight;  ///< below 0 where the label is another
  };
  struct Place;
  struct Run {
    std::uint64_t place, rows;  ///< of the first output's scores in the file; the others' follow, each as long
  };
  class RunReader;

  [[nodiscard]] double signed_weight(std::size_t row, std::size_t output) const;
  [[nodiscard]] std::vector<Place> sorted(std::size_t output) const;
  void spill();
  void write_run(std::uint64_t place, std::size_t output) const;
  [[nodiscard]] double area_in_memory(std::size_t output) const;
  [[nodiscard]] double merged_area(std::size_t output) const;

  const bool categorical_;
  const std::size_t outputs_;
  std::size_t most_rows_;                 ///< held at once
  std::uint64_t bytes_;                   ///< that may be taken
  Arena& arena_;                          // must outlive this
  std::vector<std::vector<T>> scores_;    ///< [output][row]
  std::vector<std::uint32_t> classes_;    ///< [row], categorical
  std::vector<std::uint8_t> labels_;      ///< [row * outputs + output], binary
  std::vector<double> weights_;           ///< [row]; empty where rows count alike
  std::vector<std::uint8_t> undefined_;   ///< [output]: a probability was NaN
  std::unique_ptr<ScratchFile> scratch_;  ///< from the first run on
  std::vector<Run> runs_;
};

}  // namespace gradloom
