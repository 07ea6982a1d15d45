#pragma once

#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for text tables: a pass to learn what the columns are, one for categories and means where there are
/// any, one to write. Memory holds a block of rows, facts about columns, and with a split a byte per row.
ImportReport import_csv(const ImportOptions& options);

}  // namespace gradloom
