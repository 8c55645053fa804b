// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
//
// Counter-based: a number depends on (seed, stream, position) alone, so that every backend and
// every number of threads draws the same ones, and nothing but a counter has to be saved.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/shared_code.h"

namespace rnm {

struct Philox4 {
  uint32_t value[4];
};

RNM_SHARED_CODE inline Philox4 philox(uint64_t seed, uint64_t stream, uint64_t position) {
  uint32_t c0 = static_cast<uint32_t>(position), c1 = static_cast<uint32_t>(position >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1) with 24 bits.
RNM_SHARED_CODE inline float uniformFrom(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

// The stream of a replay buffer's indices; network initialisation and noise use others.
constexpr uint64_t kIndexStream = 0x1d5u;

// Uniform integer in [0, bound) by multiplication (bound < 2^32; bias below bound / 2^32).
RNM_SHARED_CODE inline uint32_t indexFrom(uint32_t bits, uint32_t bound) {
  return static_cast<uint32_t>((static_cast<uint64_t>(bits) * bound) >> 32);
}

// Of an angle in turns from 0 to 1. A GPU's sine of radians has a slow way for large angles, which takes room
// even where there are none.
RNM_SHARED_CODE inline void cosineAndSine(float turns, float* cosine, float* sine) {
#if defined(__CUDA_ARCH__)
  sincospif(2.0f * turns, sine, cosine);
#else
  const float angle = 6.283185307179586f * turns;
  *cosine = std::cos(angle);
  *sine = std::sin(angle);
#endif
}

// Two standard normals by Box-Muller; the first uniform is in (0, 1] so that its log is finite.
RNM_SHARED_CODE inline void normalsFrom(uint32_t a, uint32_t b, float* first,
                                         float* second) {
  const float radius = std::sqrt(-2.0f * std::log(static_cast<float>((a >> 8) + 1) * 0x1p-24f));
  float cosine, sine;
  cosineAndSine(uniformFrom(b), &cosine, &sine);
  *first = radius * cosine;
  *second = radius * sine;
}

}  // namespace rnm
