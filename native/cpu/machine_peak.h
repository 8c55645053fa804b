// What this machine can do at best, measured: the yardstick that benchmarks hold kernels against.
#pragma once

#include <string>

namespace rnm::cpu {

struct MachinePeak {
  double flops = 0;         // float32 multiply-adds per second, counted as two operations each
  double l2BytesPerSecond = 0;  // bytes read per second from buffers that fit the L2 caches
};

// Measures with the vectors that kernels of this instruction set use ("avx512", "avx2", "sse4",
// "baseline" or "plain"), on so many threads at once, for about so many seconds each; the fastest
// of many short runs counts. Throws std::invalid_argument for an instruction set this CPU lacks.
MachinePeak measureMachinePeak(const std::string& isa, int threads, double seconds);

}  // namespace rnm::cpu
