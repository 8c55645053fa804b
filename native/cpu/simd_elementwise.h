// What a tile's 32 samples of one column need besides products: the output's tanh, normal noise,
// normalisation, target policy smoothing, the TD target and the gradient of the squared error.
//
// tanh, logarithm, sine and cosine are polynomials fitted for the least relative error in float32
// (Lawson's iteration): within 2 units in the last place, where the C library's would be called one by
// one. Comparisons are written so that NaN passes through.
#pragma once

#include "cpu/simd_vector.h"

namespace rnm::cpu {
namespace {

typedef int IntVector __attribute__((vector_size(kLanes * 4)));

inline IntVector bitsOf(Vector v) { return reinterpret_cast<IntVector>(v); }
inline Vector fromBits(IntVector v) { return reinterpret_cast<Vector>(v); }
inline Vector toFloat(IntVector v) { return __builtin_convertvector(v, Vector); }

inline Vector clamp(Vector v, Vector low, Vector high) {
  const Vector raised = v < low ? low : v;
  return raised > high ? high : raised;
}

// Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
constexpr float kRounder = 12582912.0f;
constexpr int kRounderBits = 0x4b400000;

inline Vector horner(Vector, float c0) { return broadcast(c0); }
template <typename... Rest>
inline Vector horner(Vector x, float c0, Rest... rest) {
  return c0 + x * horner(x, rest...);
}

// exp(x) - 1 for x from 0 to 20: 2^n (exp(r) - 1) + (2^n - 1) with x = n ln 2 + r.
inline Vector exponentialMinus1(Vector x) {
  const Vector shifted = x * 1.44269504f + kRounder;
  const Vector n = shifted - kRounder;
  // ln 2 in two parts, of which the first times n is exact.
  const Vector r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  const Vector p = r + r * r * horner(r, 0.5f, 0.16666542f, 0.04166628f, 0.0083666444f, 0.0013946554f);
  const Vector power = fromBits((bitsOf(shifted) - kRounderBits + 127) << 23);
  return power * p + (power - 1.0f);
}

inline Vector tanhOf(Vector x) {
  const IntVector sign = bitsOf(x) & static_cast<int>(0x80000000u);
  const Vector size = fromBits(bitsOf(x) ^ sign);
  // From here on it rounds to 1.
  const Vector e = exponentialMinus1(2.0f * (size > 9.1f ? broadcast(9.1f) : size));
  return fromBits(bitsOf(e / (e + 2.0f)) | sign);
}

// Of a positive normal number: 2^e m with m from sqrt(1/2) to sqrt(2), and ln m = 2 atanh(s).
inline Vector logarithm(Vector x) {
  constexpr int kRootHalf = 0x3f3504f3;
  const IntVector e = (bitsOf(x) - kRootHalf) >> 23;
  const Vector m = fromBits(bitsOf(x) - (e << 23));
  const Vector s = (m - 1.0f) / (m + 1.0f), z = s * s;
  const Vector lnM = 2.0f * s + s * z * horner(z, 0.66666776f, 0.39977449f, 0.29874423f);
  return toFloat(e) * 0.693147181f + lnM;
}

inline Vector squareRoot(Vector v) {
  // The loop over lanes compiles to one square root instruction.
  Vector root;
  for (int i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
}

// Sine and cosine of `turns` (0 to 1) whole turns: at most an eighth from a quarter q.
inline void sineCosine(Vector turns, Vector& sine, Vector& cosine) {
  const Vector shifted = 4.0f * turns + kRounder;
  const IntVector q = bitsOf(shifted) - kRounderBits;
  const Vector f = turns - 0.25f * (shifted - kRounder), z = f * f;
  const Vector s = f * (6.28318531f + z * horner(z, -41.341675f, 81.593933f, -75.453392f));
  const Vector c = 1.0f + z * horner(z, -19.7392082f, 64.9393234f, -85.4437408f, 59.245964f);
  const IntVector odd = (q & 1) == 1;
  sine = fromBits(bitsOf(odd ? c : s) ^ ((q & 2) << 30));
  cosine = fromBits(bitsOf(odd ? s : c) ^ (((q + 1) & 2) << 30));
}

void squash(float* y, float* kept, const SquashArgs& a) {
  for (int b = 0; b < kTile; b += kLanes) {
    const Vector t = tanhOf(load(y + b));
    if (kept) store(kept + b, t);
    store(y + b, clamp(a.centre + a.half * t, broadcast(a.low), broadcast(a.high)));
  }
}

// Box-Muller as normalsFrom() in core/philox.h has it, of as many pairs as a vector holds.
void normals(const uint32_t* bits, float* values) {
  for (int b = 0; b < kTile; b += 2 * kLanes) {
    IntVector first, second;
    for (int i = 0; i < kLanes; ++i) {
      first[i] = static_cast<int>((bits[b + 2 * i] >> 8) + 1);
      second[i] = static_cast<int>(bits[b + 2 * i + 1] >> 8);
    }
    Vector sine, cosine;
    const Vector radius = squareRoot(-2.0f * logarithm(toFloat(first) * 0x1p-24f));
    sineCosine(toFloat(second) * 0x1p-24f, sine, cosine);
    const Vector x = radius * cosine, y = radius * sine;
    for (int i = 0; i < kLanes; ++i) {
      values[b + 2 * i] = x[i];
      values[b + 2 * i + 1] = y[i];
    }
  }
}

void normalize(float* x, float mean, float scale) {
  for (int b = 0; b < kTile; b += kLanes) store(x + b, (load(x + b) - mean) * scale);
}

void smooth(float* action, const float* noise, const SmoothArgs& a) {
  const float range = 0.5f * (a.high - a.low);
  for (int b = 0; b < kTile; b += kLanes) {
    const Vector draw = clamp(a.scale * load(noise + b), broadcast(-a.clip), broadcast(a.clip));
    store(action + b, clamp(load(action + b) + draw * range, broadcast(a.low), broadcast(a.high)));
  }
}

void tdTarget(const TdTargetArgs& a) {
  for (int b = 0; b < kTile; b += kLanes) {
    Vector least = load(a.q + b);
    for (int e = 1; e < a.critics; ++e) {
      const Vector other = load(a.q + e * kTile + b);
      // A NaN of any critic has to stay visible, as in PyTorch.
      least = (least <= other) | (least != least) ? least : other;
    }
    store(a.target + b, load(a.reward + b) + load(a.discount + b) * least);
  }
}

void mseGradient(const float* q, const float* target, float scale, float* gradient) {
  for (int b = 0; b < kTile; b += kLanes) {
    store(gradient + b, scale * (load(q + b) - load(target + b)));
  }
}

}  // namespace
}  // namespace rnm::cpu
