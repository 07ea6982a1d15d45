#pragma once

namespace gradloom {

/// Asks for the cache line at `at` to become this core's own, for a store to come; nothing waits for it, and nothing
/// happens where `at` is no memory. Where it was asked for early enough, a store to a line that another core has read
/// does not wait; without, the line comes after up to some hundred nanoseconds, and few stores are under way at a time.
inline void fetch_to_write(const void* at) {
#if defined(__x86_64__)  // a compiler takes the built-in function as a fetch to read, unless told of newer processors
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  constexpr int kToWrite = 1, kAllLevels = 3;
  __builtin_prefetch(at, kToWrite, kAllLevels);
#endif
}

}  // namespace gradloom
