// The tables that this build holds, and the choice among them.
#pragma once

#include "cpu/kernels.h"

namespace rnm::cpu {

extern const KernelTable kPlainKernels;
#if defined(__x86_64__)
extern const KernelTable kSimdKernelsV2;  // SSE4.2
extern const KernelTable kSimdKernelsV3;  // AVX2 and FMA
extern const KernelTable kSimdKernelsV4;  // AVX-512
#else
extern const KernelTable kSimdKernelsBaseline;  // NEON on arm64
#endif

}  // namespace rnm::cpu
