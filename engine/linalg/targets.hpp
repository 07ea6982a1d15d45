#pragma once

// Instruction sets that kernels are compiled for: the baseline, SSE4, AVX2 and AVX3. The others would only repeat
// these: nothing here uses what they add. Include before hwy/foreach_target.h.
// Sanitizers look at a short and a long vector, or at the short one alone: what they find does not hang on the
// instructions.
#if defined(__SANITIZE_THREAD__)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL)
#elif defined(__SANITIZE_ADDRESS__)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL)
#else
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif
