#pragma once

#include <cstdint>

namespace gradloom::testing {

/// Calls of malloc and its kin, and so of operator new, that the process has made so far, on any of its threads and in
/// any of its libraries. Counted where allocation_count.cpp is linked into the program: it stands in for malloc, and
/// keeps oneTBB from an allocator of its own. OpenBLAS maps a buffer for each thread by itself, which is not counted.
std::uint64_t allocations();

/// Notes where the allocations from here on are made; the first few are kept.
void watch_allocations();
/// Ends that, and prints the call stacks kept to standard error.
void print_watched_allocations();

}  // namespace gradloom::testing
