#include "cpu/machine_peak.h"

#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/kernel_choice.h"

// The measured loops exist once per instruction set. They are not part of the kernel sources, which
// are compiled with an instruction set's flags as a whole: here only these functions are.
#if defined(__x86_64__)
#define RNM_AVX512 __attribute__((target("avx512f,avx512vl,fma,prefer-vector-width=512")))
#define RNM_AVX2 __attribute__((target("avx2,fma")))
#define RNM_SSE4 __attribute__((target("sse4.2")))
#endif
#define RNM_BASE
#define RNM_INLINE inline __attribute__((always_inline))

namespace rnm::cpu {
namespace {

constexpr int kRepeats = 4096;
constexpr double kRunSeconds = 1e-3;

template <int kLanes>
struct Vec {
  typedef float Type __attribute__((vector_size(kLanes * 4)));
};

// Independent chains hide the latency of a multiply-add; all of them stay in registers.
template <int kLanes, int kChains>
RNM_INLINE void multiplyAdds(float* lanes) {
  using Vector = typename Vec<kLanes>::Type;
  Vector sum[kChains];
  const Vector scale = Vector{} + lanes[0], shift = Vector{} + lanes[1];
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) sum[c] = Vector{} + lanes[c];
  for (int i = 0; i < kRepeats; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) sum[c] = sum[c] * scale + shift;
  }
  Vector total = {};
#pragma GCC unroll 16
  for (int c = 0; c < kChains; ++c) total += sum[c];
  lanes[2] = total[0];
}

template <int kLanes>
RNM_INLINE float readAll(const float* data, size_t count) {
  using Vector = typename Vec<kLanes>::Type;
  constexpr int kChains = 8;
  Vector sum[kChains] = {};
  for (size_t i = 0; i + kChains * kLanes <= count; i += kChains * kLanes) {
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) {
      sum[c] += *reinterpret_cast<const Vector*>(data + i + c * kLanes);
    }
  }
  Vector total = {};
#pragma GCC unroll 8
  for (int c = 0; c < kChains; ++c) total += sum[c];
  return total[0];
}

struct Loops {
  const char* isa;
  double flopsPerCall;
  void (*multiplyAdds)(float*);
  float (*read)(const float*, size_t);
};

#define RNM_LOOPS(name, attributes, lanes, chains)                                          \
  attributes void multiplyAdds_##name(float* data) { multiplyAdds<lanes, chains>(data); }   \
  attributes float read_##name(const float* data, size_t n) { return readAll<lanes>(data, n); } \
  constexpr Loops loops_##name = {#name, 2.0 * lanes * chains * kRepeats, multiplyAdds_##name, read_##name};

#if defined(__x86_64__)
RNM_LOOPS(avx512, RNM_AVX512, 16, 16)
RNM_LOOPS(avx2, RNM_AVX2, 8, 12)
RNM_LOOPS(sse4, RNM_SSE4, 4, 12)
#else
RNM_LOOPS(baseline, RNM_BASE, 4, 16)
#endif
RNM_LOOPS(plain, RNM_BASE, 4, 12)

const Loops& loopsOf(const std::string& isa) {
  static const Loops* const all[] = {
#if defined(__x86_64__)
      &loops_avx512, &loops_avx2, &loops_sse4,
#else
      &loops_baseline,
#endif
      &loops_plain};
  const auto usable = availableIsas();
  if (std::find(usable.begin(), usable.end(), isa) != usable.end()) {
    for (const Loops* loops : all) {
      if (isa == loops->isa) return *loops;
    }
  }
  throw std::invalid_argument("Expected an instruction set that this CPU has but received \"" + isa + "\"");
}

// Half of a core's L2 cache: what was read last is still there, and far more than the L1 holds.
size_t l2Floats() {
  long bytes = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  if (bytes < 128 * 1024) bytes = 512 * 1024;
  return std::min<size_t>(bytes, 2u << 20) / 2 / sizeof(float) / 128 * 128;
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Calls `work(thread)` over and over on all threads at once. Returns calls per second, all threads
// together, in the best of many short runs.
template <typename Work>
double bestRate(int threads, double seconds, const Work& work) {
  const auto first = Clock::now();
  work(0);
  const int calls = std::max(1, static_cast<int>(kRunSeconds / std::max(since(first), 1e-9)));
  const int runs = std::max(3, static_cast<int>(seconds / kRunSeconds));
  std::barrier meet(threads);
  std::vector<std::vector<double>> times(threads, std::vector<double>(runs));
  const auto one = [&](int thread) {
    for (int r = 0; r < runs; ++r) {
      meet.arrive_and_wait();
      const auto start = Clock::now();
      for (int c = 0; c < calls; ++c) work(thread);
      times[thread][r] = since(start);
    }
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(one, t);
  one(0);
  for (std::thread& other : others) other.join();
  double best = 0;
  for (int r = 0; r < runs; ++r) {
    double slowest = 0;  // a run counts as what its slowest thread took
    for (int t = 0; t < threads; ++t) slowest = std::max(slowest, times[t][r]);
    best = std::max(best, threads * calls / slowest);
  }
  return best;
}

}  // namespace

MachinePeak measureMachinePeak(const std::string& isa, int threads, double seconds) {
  const Loops& loops = loopsOf(isa);
  if (threads < 1 || threads > 256) throw std::invalid_argument("Expected 1 to 256 threads");
  std::vector<AlignedArray<float>> data;
  for (int t = 0; t < threads; ++t) {
    data.emplace_back(l2Floats());
    // Values that stay finite and normal however often they are multiplied and added.
    std::fill(data[t].data(), data[t].data() + data[t].size(), 0.5f);
  }
  MachinePeak peak;
  peak.flops = loops.flopsPerCall *
               bestRate(threads, seconds, [&](int t) { loops.multiplyAdds(data[t].data()); });
  peak.l2BytesPerSecond =
      static_cast<double>(l2Floats() * sizeof(float)) *
      bestRate(threads, seconds, [&](int t) { loops.read(data[t].data(), data[t].size()); });
  return peak;
}

}  // namespace rnm::cpu
