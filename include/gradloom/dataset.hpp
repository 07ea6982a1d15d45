#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gradloom/matrix.hpp"

namespace gradloom {

/// A data set in memory, in the precision that the network computes in.
template <class T>
struct Dataset {
  Matrix<T> x;  ///< (rows, features)
  Matrix<T> y;  ///< (rows, outputs); one column of class indices for categorical cross-entropy; (0, 0): no targets
  std::vector<double> weights;  ///< empty: all rows count alike; else one for each row, as train() takes them
  std::vector<std::string> feature_names;  ///< empty, or one for each feature
  std::vector<std::string> class_names;    ///< empty, or one for each class
  std::vector<std::uint64_t> source_rows;  ///< row i came from that row of the source; empty: from row i
  std::string name = "data in memory";     ///< for messages

  [[nodiscard]] std::size_t rows() const { return x.rows(); }
  [[nodiscard]] std::size_t features() const { return x.cols(); }
  [[nodiscard]] std::size_t outputs() const { return y.cols(); }
  [[nodiscard]] std::uint64_t source_row(std::size_t row) const { return source_rows.empty() ? row : source_rows[row]; }
};

}  // namespace gradloom
