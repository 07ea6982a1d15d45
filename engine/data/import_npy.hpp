#pragma once

#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for NPY: an array of features (more than two dimensions are flattened to rows) and, where there is a
/// second one, an array of targets. Features keep their type, or the next larger one that data sets are written in;
/// scaled, they become floats. Memory holds a block of rows and, with a split, a byte per row.
ImportReport import_npy(const ImportOptions& options);

}  // namespace gradloom
