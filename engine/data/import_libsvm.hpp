#pragma once

#include <cstddef>
#include <vector>

#include "engine/data/import_sources.hpp"
#include "engine/io/text_blocks.hpp"
#include "gradloom/import.hpp"

namespace gradloom {

/// import_data for sparse LIBSVM (SVMlight) text: a line is a label, then INDEX:VALUE with ascending indices, then
/// perhaps a comment behind #. What is not named is 0: /x is dense, and deflated where less than an eighth of it is
/// named. Indices begin at 1, or at 0 where one is 0 or the options say so. A pass to find the largest one, one to
/// write; memory as of import_csv.
ImportReport import_libsvm(const ImportOptions& options, const std::vector<ImportSource>& sources,
                           std::size_t block_bytes = 512 << 10);

/// Whether a file that begins so is LIBSVM: up to 100 lines are labels with INDEX:VALUE behind them, one pair at least
/// in all.
bool looks_like_libsvm(const TextBlock& beginning);

}  // namespace gradloom
