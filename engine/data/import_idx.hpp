#pragma once

#include <vector>

#include "engine/data/import_sources.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for IDX: a file of images (or of anything else, flattened to rows) and, where there is a second one, a
/// file of labels. Bytes stay bytes unless they are scaled.
ImportReport import_idx(const ImportOptions& options, const std::vector<ImportSource>& sources);

}  // namespace gradloom
