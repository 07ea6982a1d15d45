#pragma once

#include <string>
#include <vector>

#include "engine/data/import_sources.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for NPY, and for arrays of NPZ that were unpacked: an array of features (more than two dimensions are
/// flattened to rows) and, where there is a second one, an array of targets. Features keep their type, or the next
/// larger one that data sets are written in; scaled, they become floats. `format`: "NPY" or "NPZ", for messages. Memory
/// holds a block of rows.
ImportReport import_npy(const ImportOptions& options, const std::vector<ImportSource>& sources,
                        const std::string& format);

}  // namespace gradloom
