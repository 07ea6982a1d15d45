#pragma once

#include "engine/data/prepare.hpp"
#include "engine/data/streamed_set.hpp"

namespace gradloom {

/// Statistics of the kept rows, for the sides that `what` names, by reading the set once: the bits that statistics_of()
/// gives for the same rows in memory. Counts their classes too where `class_rows` has places for them. Throws what
/// reading throws.
template <class T>
DataStatistics statistics_of(const StreamedSet<T>& set, Standardize what, std::span<std::uint64_t> class_rows = {});

}  // namespace gradloom
