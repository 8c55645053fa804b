// What a kernel sees of its place in the grid, and how its threads meet.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "../vector_types.h"

namespace rnm::emulator {

// Where a kernel calls a barrier: threads that wait in different places have diverged.
using Site = std::source_location;

enum class Collective { kBarrier, kSyncWarp, kShuffle, kVote };

void blockBarrier(const Site& site);
int laneOfThread();
// All lanes named in `mask` meet and see each other's `bits`. Returns those of lane `source`, or a
// garbage pattern if that lane takes no part: its value is undefined on a device.
uint64_t warpExchange(Collective what, unsigned mask, uint64_t bits, int source, const Site& site);
// The lanes of `mask` whose predicate is true.
unsigned warpVote(unsigned mask, bool predicate, const Site& site);

template <typename T>
T shuffle(unsigned mask, T value, int source, const Site& site) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warpExchange(Collective::kShuffle, mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace rnm::emulator

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

inline void __syncthreads(const std::source_location site = std::source_location::current()) {
  rnm::emulator::blockBarrier(site);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const std::source_location site = std::source_location::current()) {
  rnm::emulator::warpExchange(rnm::emulator::Collective::kSyncWarp, mask, 0, rnm::emulator::laneOfThread(), site);
}

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32,
                     const std::source_location site = std::source_location::current()) {
  const int lane = rnm::emulator::laneOfThread();
  return rnm::emulator::shuffle(mask, value, (lane & ~(width - 1)) + (source & (width - 1)), site);
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int laneMask, int width = 32,
                         const std::source_location site = std::source_location::current()) {
  const int lane = rnm::emulator::laneOfThread(), source = lane ^ laneMask;
  return rnm::emulator::shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : lane, site);
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                          const std::source_location site = std::source_location::current()) {
  const int lane = rnm::emulator::laneOfThread(), source = lane + static_cast<int>(delta);
  return rnm::emulator::shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : lane, site);
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                        const std::source_location site = std::source_location::current()) {
  const int lane = rnm::emulator::laneOfThread(), source = lane - static_cast<int>(delta);
  return rnm::emulator::shuffle(mask, value, source >= (lane & ~(width - 1)) ? source : lane, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const std::source_location site = std::source_location::current()) {
  return rnm::emulator::warpVote(mask, predicate != 0, site);
}
inline int __any_sync(unsigned mask, int predicate,
                      const std::source_location site = std::source_location::current()) {
  return rnm::emulator::warpVote(mask, predicate != 0, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      const std::source_location site = std::source_location::current()) {
  return rnm::emulator::warpVote(mask, predicate == 0, site) == 0;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
inline T __ldg(const T* pointer) {
  return *pointer;
}
template <typename T>
inline T __ldcs(const T* pointer) {
  return *pointer;
}
template <typename T>
inline void __stcs(T* pointer, T value) {
  *pointer = value;
}

// One thread runs at a time and none is interrupted, so plain arithmetic is atomic.
#define RNM_EMULATOR_ATOMIC(name, type, result) \
  inline type name(type* address, type value) { \
    const type old = *address;                  \
    *address = result;                          \
    return old;                                 \
  }
#define RNM_EMULATOR_INTEGER_ATOMICS(type)                         \
  RNM_EMULATOR_ATOMIC(atomicAdd, type, static_cast<type>(old + value)) \
  RNM_EMULATOR_ATOMIC(atomicMax, type, old < value ? value : old)  \
  RNM_EMULATOR_ATOMIC(atomicMin, type, value < old ? value : old)  \
  RNM_EMULATOR_ATOMIC(atomicOr, type, old | value)                 \
  RNM_EMULATOR_ATOMIC(atomicAnd, type, old& value)                 \
  RNM_EMULATOR_ATOMIC(atomicExch, type, value)                     \
  inline type atomicCAS(type* address, type compare, type value) { \
    const type old = *address;                                     \
    if (old == compare) *address = value;                          \
    return old;                                                    \
  }
RNM_EMULATOR_INTEGER_ATOMICS(int)
RNM_EMULATOR_INTEGER_ATOMICS(unsigned int)
RNM_EMULATOR_INTEGER_ATOMICS(unsigned long long)
RNM_EMULATOR_ATOMIC(atomicAdd, float, old + value)
RNM_EMULATOR_ATOMIC(atomicAdd, double, old + value)
RNM_EMULATOR_ATOMIC(atomicExch, float, value)
#undef RNM_EMULATOR_INTEGER_ATOMICS
#undef RNM_EMULATOR_ATOMIC
