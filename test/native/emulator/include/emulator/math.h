// Arithmetic that CUDA gives to kernels and the host's <cmath> lacks.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>

// Intrinsics that round once each, in a given way. `volatile` keeps the compiler from contracting
// or reassociating what has been asked for step by step.
inline float __fadd_rn(float a, float b) {
  volatile float result = a + b;
  return result;
}
inline float __fsub_rn(float a, float b) {
  volatile float result = a - b;
  return result;
}
inline float __fmul_rn(float a, float b) {
  volatile float result = a * b;
  return result;
}
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return std::exp(a); }
inline float __logf(float a) { return std::log(a); }
inline float rsqrtf(float a) { return 1.0f / std::sqrt(a); }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }
inline float sinpif(float a) { return static_cast<float>(std::sin(static_cast<double>(a) * M_PI)); }
inline float cospif(float a) { return static_cast<float>(std::cos(static_cast<double>(a) * M_PI)); }
inline void sincospif(float a, float* sine, float* cosine) {
  *sine = sinpif(a);
  *cosine = cospif(a);
}

inline float __uint_as_float(unsigned int a) { return std::bit_cast<float>(a); }
inline unsigned int __float_as_uint(float a) { return std::bit_cast<unsigned int>(a); }
inline float __int_as_float(int a) { return std::bit_cast<float>(a); }
inline int __float_as_int(float a) { return std::bit_cast<int>(a); }

inline int __popc(unsigned int a) { return std::popcount(a); }
inline int __popcll(unsigned long long a) { return std::popcount(a); }
inline int __ffs(int a) { return a == 0 ? 0 : std::countr_zero(static_cast<unsigned int>(a)) + 1; }
inline int __clz(int a) { return std::countl_zero(static_cast<unsigned int>(a)); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>((static_cast<uint64_t>(a) * b) >> 32);
}

// Like fminf and fmaxf, those of floats return the other operand if one is NaN.
inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline unsigned int min(unsigned int a, unsigned int b) { return b < a ? b : a; }
inline unsigned int max(unsigned int a, unsigned int b) { return a < b ? b : a; }
inline long long min(long long a, long long b) { return b < a ? b : a; }
inline long long max(long long a, long long b) { return a < b ? b : a; }
inline unsigned long long min(unsigned long long a, unsigned long long b) { return b < a ? b : a; }
inline unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline long min(long a, long b) { return b < a ? b : a; }
inline long max(long a, long b) { return a < b ? b : a; }
inline unsigned long min(unsigned long a, unsigned long b) { return b < a ? b : a; }
inline unsigned long max(unsigned long a, unsigned long b) { return a < b ? b : a; }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
