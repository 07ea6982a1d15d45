#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/random.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// (key, row): a row's place in the order that (seed, row) decides; equal keys fall to the row.
using RowKey = std::pair<std::uint64_t, std::uint64_t>;

/// Which output file every row goes to. The first part is the one to train on.
struct PartPlan {
  std::vector<std::string> paths;
  std::vector<std::uint64_t> rows;  ///< of each part; a part without rows has no file
  std::vector<RowKey> ends;         ///< of each part but the last: the first key that is not in it any more
  CounterRandom random{0, RandomUse::kImportSplit};
  [[nodiscard]] std::size_t part(std::uint64_t row) const;
};

/// ConfigError where the fractions are not two (train, test) or three (train, valid, test) that add up to 1, or where
/// an output would replace a source.
void require_sound_outputs(const ImportOptions& options);

/// Cuts `rows` rows by the fractions, exactly: part k ends at round((f0 + ... + fk) * rows) of an order that (seed,
/// row) decides. Rows keep their order inside a part. Memory does not grow with the rows. DataError where a part with a
/// fraction gets no rows.
PartPlan plan_parts(const ImportOptions& options, std::uint64_t rows);

}  // namespace gradloom
