// Reading and writing float32 or bfloat16 as float32, several at a time where they lie side by side.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace rnm::cuda {

struct Floats4 {
  float value[4];
};

__device__ inline void store(float* target, float value) { *target = value; }
__device__ inline void store(__nv_bfloat16* target, float value) {
  *target = __float2bfloat16(value);
}

__device__ inline float load(const float* source) { return *source; }
__device__ inline float load(const __nv_bfloat16* source) { return __bfloat162float(*source); }

// The address has to be a multiple of four elements.
__device__ inline Floats4 load4(const float* source) {
  const float4 packed = *reinterpret_cast<const float4*>(source);
  return {{packed.x, packed.y, packed.z, packed.w}};
}

__device__ inline void store4(float* target, const Floats4& floats) {
  *reinterpret_cast<float4*>(target) =
      make_float4(floats.value[0], floats.value[1], floats.value[2], floats.value[3]);
}

// Four bfloat16 travel as 8 bytes.
struct alignas(8) Bfloats4 {
  __nv_bfloat162 low, high;
};

__device__ inline Floats4 load4(const __nv_bfloat16* source) {
  const Bfloats4 packed = *reinterpret_cast<const Bfloats4*>(source);
  return {{__low2float(packed.low), __high2float(packed.low), __low2float(packed.high),
           __high2float(packed.high)}};
}

__device__ inline void store4(__nv_bfloat16* target, const Floats4& floats) {
  const Bfloats4 packed = {__floats2bfloat162_rn(floats.value[0], floats.value[1]),
                           __floats2bfloat162_rn(floats.value[2], floats.value[3])};
  *reinterpret_cast<Bfloats4*>(target) = packed;
}

// As many elements as a thread reads at once at best, at an address that is a multiple of it.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kCount = 16 / sizeof(T);
  T value[kCount];
};

template <typename T>
__device__ Pack<T> loadPack(const T* source) {
  return *reinterpret_cast<const Pack<T>*>(source);
}

template <typename T>
__device__ void storePack(T* target, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(target) = pack;
}

}  // namespace rnm::cuda
