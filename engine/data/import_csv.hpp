#pragma once

#include <cstddef>
#include <vector>

#include "engine/data/import_sources.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for text tables: a pass to learn what the columns are, one for categories and means where there are
/// any, one to write. Each parses blocks of the text on all threads. Memory holds some blocks for each thread and facts
/// about columns. What comes out depends on `block_bytes` only in the last digits of means.
ImportReport import_csv(const ImportOptions& options, const std::vector<ImportSource>& sources,
                        std::size_t block_bytes = 512 << 10);

}  // namespace gradloom
