#pragma once

#include <cstddef>
#include <cstdint>

namespace gradloom {

/// Which rows of the training set the rows of a minibatch are: consecutive ones, or listed. A view: what it looks at
/// must outlive it.
struct RowNumbers {
  std::uint64_t first = 0;                ///< number of row 0, where none are listed
  const std::uint64_t* listed = nullptr;  ///< (rows)

  std::uint64_t operator[](std::size_t row) const { return listed != nullptr ? listed[row] : first + row; }
  /// Without the first `rows` of them.
  [[nodiscard]] RowNumbers after(std::size_t rows) const {
    return {first + rows, listed != nullptr ? listed + rows : nullptr};
  }
};

}  // namespace gradloom
