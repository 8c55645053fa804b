// Elements of the types that the emulated libraries take, as floats and back.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cuda_bf16.h"
#include "library_types.h"

namespace rnm::emulator {

inline bool isFloatType(int type) { return type == CUDA_R_32F || type == CUDA_R_16BF || type == CUDA_R_16F; }
inline size_t sizeOf(int type) { return type == CUDA_R_32F ? 4 : 2; }

// tf32 has 10 bits of mantissa: rounds to nearest, ties away from zero, as cvt.rna does.
inline float toTf32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (!std::isfinite(value)) return value;
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}

inline float halfToFloat(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa ? std::nanf("") : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                               : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25));
}

inline uint16_t floatToHalf(float value) {
  if (std::isnan(value)) return 0x7fff;
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(size, &exponent);
  // The unit in the last place; nearbyint rounds to even.
  const int unit = std::max(exponent - 11, -24);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, -unit)));
  return steps < 1024 ? sign | steps : static_cast<uint16_t>(sign | (((unit + 24) << 10) + steps));
}

inline float loadElement(const void* base, size_t index, int type) {
  if (type == CUDA_R_32F) {
    float value;
    std::memcpy(&value, static_cast<const char*>(base) + 4 * index, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char*>(base) + 2 * index, 2);
  return type == CUDA_R_16F ? halfToFloat(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline void storeElement(void* base, size_t index, int type, float value) {
  if (type == CUDA_R_32F) {
    std::memcpy(static_cast<char*>(base) + 4 * index, &value, 4);
    return;
  }
  const uint16_t bits = type == CUDA_R_16F ? floatToHalf(value) : __bfloat16_as_ushort(__float2bfloat16(value));
  std::memcpy(static_cast<char*>(base) + 2 * index, &bits, 2);
}

}  // namespace rnm::emulator
