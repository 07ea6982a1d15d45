#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "gradloom/matrix.hpp"

namespace gradloom {

/// What is wrong with a row's weight, in words that follow the place where it stands; empty where it is 0, or from
/// 1e-100 to 1e100: whatever is added and multiplied of those stays within the range of doubles.
std::string fault_of_weight(double weight);

/// DataError unless all weights are as they must be: they are rows of data set `set` of the file `file`, from
/// `first_row` on.
void require_weights(const std::string& file, const std::string& set, std::uint64_t first_row,
                     std::span<const double> weights);

/// One column, as h5::File reads it.
inline MatrixView<double> column_of(std::span<double> values) { return {values.data(), values.size(), 1}; }

}  // namespace gradloom
