#include "engine/data/row_weights.hpp"

#include <fmt/format.h>

#include <cmath>

#include "gradloom/errors.hpp"

namespace gradloom {

std::string fault_of_weight(double weight) {
  constexpr double kLeast = 1e-100, kMost = 1e100;
  if (weight == 0 || (weight >= kLeast && weight <= kMost)) return "";
  if (std::isfinite(weight) && weight > 0)
    return fmt::format("is {}; weights are 0, or from {} to {}: only their ratios matter, so scale all of them", weight,
                       kLeast, kMost);
  return fmt::format("is {}; a weight is a finite number >= 0: correct it, or give the row a weight of 0", weight);
}

void require_weights(const std::string& file, const std::string& set, std::uint64_t first_row,
                     std::span<const double> weights) {
  for (std::size_t r = 0; r < weights.size(); ++r)
    if (const std::string fault = fault_of_weight(weights[r]); !fault.empty())
      throw DataError(fmt::format("{}: /{} row {} {}", file, set, first_row + r, fault));
}

}  // namespace gradloom
