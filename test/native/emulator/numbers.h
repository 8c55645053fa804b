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
inline bool isIntegerType(int type) { return type == CUDA_R_8I || type == CUDA_R_32I; }
inline size_t sizeOf(int type) { return type == CUDA_R_32F || type == CUDA_R_32I ? 4 : type == CUDA_R_8I ? 1 : 2; }

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

template <typename Value>
Value loadAs(const void* base, size_t index) {
  Value value;
  std::memcpy(&value, static_cast<const char*>(base) + sizeof(Value) * index, sizeof(Value));
  return value;
}

template <typename Value>
void storeAs(void* base, size_t index, Value value) {
  std::memcpy(static_cast<char*>(base) + sizeof(Value) * index, &value, sizeof(Value));
}

inline float loadElement(const void* base, size_t index, int type) {
  if (type == CUDA_R_32F) return loadAs<float>(base, index);
  if (type == CUDA_R_8I) return loadAs<int8_t>(base, index);
  if (type == CUDA_R_32I) return static_cast<float>(loadAs<int32_t>(base, index));
  const auto bits = loadAs<uint16_t>(base, index);
  return type == CUDA_R_16F ? halfToFloat(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline void storeElement(void* base, size_t index, int type, float value) {
  if (type == CUDA_R_32F) return storeAs(base, index, value);
  if (type == CUDA_R_8I) return storeAs(base, index, static_cast<int8_t>(value));
  if (type == CUDA_R_32I) return storeAs(base, index, static_cast<int32_t>(value));
  const uint16_t bits = type == CUDA_R_16F ? floatToHalf(value) : __bfloat16_as_ushort(__float2bfloat16(value));
  storeAs(base, index, bits);
}

}  // namespace rnm::emulator
