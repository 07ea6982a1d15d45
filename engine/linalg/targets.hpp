#pragma once

// Instruction sets that kernels are compiled for: the baseline, SSE4, AVX2 and AVX3. The others would only repeat
// these: nothing here uses what they add. Include before hwy/foreach_target.h.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
