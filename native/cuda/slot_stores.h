// How kernels write weights to their slots.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <type_traits>

#include "cuda/pack.h"
#include "cuda/slots.h"

namespace rnm::cuda {

// A float32 as tensor cores are to find it. They leave out the lower 13 bits; cuSPARSELt adds half of
// what those can hold, so that the product's factors are rounded and not cut off.
__device__ inline float compressedValue(float value, bool rounded) {
  // A NaN must not overflow to a number.
  return rounded && value == value ? __uint_as_float(__float_as_uint(value) + 0x1000u) : value;
}

// Which of four are active, where one or two are: the lowest, and the highest.
__device__ inline int lowest(unsigned bits) { return bits & 1u ? 0 : bits & 2u ? 1 : bits & 4u ? 2 : 3; }
__device__ inline int highest(unsigned bits) { return bits & 8u ? 3 : bits & 4u ? 2 : bits & 2u ? 1 : 0; }

// A register cannot be chosen by a number that is not known when compiling.
template <typename T>
__device__ inline T pick(const T* of, int k) {
  return k == 0 ? of[0] : k == 1 ? of[1] : k == 2 ? of[2] : of[3];
}

template <typename T>
__device__ inline void storeSlot(const Slots& slots, uint32_t slot, float weight) {
  if (slot == kNoSlot) return;
  if constexpr (std::is_same_v<T, float>) weight = compressedValue(weight, slots.rounded);
  store(static_cast<T*>(slots.compressed) + slot, weight);
}

// The values of a group of four: two as one word. Beside a single one may lie another group's.
__device__ inline void storeGroup(const Slots& slots, uint32_t slot, unsigned bits,
                                  const float* weights, __nv_bfloat16*) {
  const int low = lowest(bits), high = highest(bits);
  const float first = pick(weights, low), second = pick(weights, high);
  if (low == high) return storeSlot<__nv_bfloat16>(slots, slot, first);
  if (slot == kNoSlot) return;
  const bool swapped = slot & 1u;
  static_cast<__nv_bfloat162*>(slots.compressed)[slot / 2] =
      __floats2bfloat162_rn(swapped ? second : first, swapped ? first : second);
}

// Both values of a group of four where the format is straight.
__device__ inline __nv_bfloat162 pairOf(const Slots& slots, unsigned bits, const float* weights) {
  if (bits == 0) return __floats2bfloat162_rn(0.0f, 0.0f);
  const int low = lowest(bits), high = highest(bits);
  const bool single = low == high, second = slots.singles >> low & 1u;
  return __floats2bfloat162_rn(single && second ? 0.0f : pick(weights, low),
                               single && !second ? 0.0f : pick(weights, high));
}

__device__ inline void storePair(const Slots& slots, int64_t slot, unsigned bits, const float* weights) {
  static_cast<__nv_bfloat162*>(slots.compressed)[slot / 2] = pairOf(slots, bits, weights);
}

// Where the pair of the four weights around the i-th lies; -1 if they are in no buffer.
__device__ inline int64_t straightSlot(const Slots& slots, int64_t i) {
#pragma unroll
  for (int r = 0; r < kStraightRanges; ++r) {
    const StraightRange& range = slots.ranges[r];
    if (r < slots.straight && i >= range.first && i < range.first + range.count) {
      return range.begin + (i - range.first) / 4 * 2;
    }
  }
  return -1;
}

// The value of a group of two.
__device__ inline void storeGroup(const Slots& slots, uint32_t slot, unsigned bits,
                                  const float* weights, float*) {
  storeSlot<float>(slots, slot, bits & 1u ? weights[0] : weights[1]);
}

}  // namespace rnm::cuda
