#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gradloom/import.hpp"

namespace gradloom {

/// Which output file every row goes to. The first part is the one to train on.
struct PartPlan {
  std::vector<std::string> paths;
  std::vector<std::uint64_t> rows;    ///< of each part; a part without rows has no file
  std::vector<std::uint8_t> part_of;  ///< of each row; empty: all rows go to part 0
  [[nodiscard]] std::size_t part(std::uint64_t row) const { return part_of.empty() ? 0 : part_of[row]; }
};

/// ConfigError where the fractions are not two (train, test) or three (train, valid, test) that add up to 1, or where
/// an output would replace a source.
void require_sound_outputs(const ImportOptions& options);

/// Cuts `rows` rows by the fractions, exactly: part k ends at round((f0 + ... + fk) * rows) of an order that (seed,
/// row) decides. Rows keep their order inside a part. DataError where a part with a fraction gets no rows.
PartPlan plan_parts(const ImportOptions& options, std::uint64_t rows);

}  // namespace gradloom
