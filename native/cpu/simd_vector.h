// The vectors of one instruction set, for the sources that are compiled once for each (RNM_LANES floats
// in a vector). In an anonymous namespace: see simd_kernels.cpp.
#pragma once

#include "cpu/kernels.h"

namespace rnm::cpu {
namespace {

constexpr int kLanes = RNM_LANES;
constexpr int kVectors = kTile / kLanes;  // vectors of one feature of a tile

typedef float Vector __attribute__((vector_size(kLanes * 4)));
// Row starts of weight arrays are not aligned to a vector.
typedef float LooseVector __attribute__((vector_size(kLanes * 4), aligned(4)));

inline Vector broadcast(float value) { return Vector{} + value; }
inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }
inline Vector loadLoose(const float* p) { return *reinterpret_cast<const LooseVector*>(p); }
inline void storeLoose(float* p, Vector v) { *reinterpret_cast<LooseVector*>(p) = v; }

}  // namespace
}  // namespace rnm::cpu
