#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/hdf5.hpp"
#include "gradloom/matrix.hpp"

namespace gradloom {

/// DataError where one of `values` is NaN or Inf: they are rows of data set `set` of `file`, from `first_row` on. Names
/// file, data set, row and column, with the column's name where `names` has them, and what stands in the file.
template <class T>
void require_finite(const h5::File& file, const std::string& set, std::uint64_t first_row, MatrixView<const T> values,
                    const std::vector<std::string>& names);

}  // namespace gradloom
