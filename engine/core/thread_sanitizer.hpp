#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace gradloom {

// ThreadSanitizer cannot see how a library that it did not instrument orders threads; these two tell it. What a thread
// did before hand_over(place) comes before what another does after its later take_over(place). Nothing in other builds.
#if defined(__SANITIZE_THREAD__)
inline void hand_over(void* place) { __tsan_release(place); }
inline void take_over(void* place) { __tsan_acquire(place); }
#else
inline void hand_over(void* /*place*/) {}
inline void take_over(void* /*place*/) {}
#endif

}  // namespace gradloom
