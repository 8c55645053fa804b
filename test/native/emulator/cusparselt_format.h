// The emulated compressed format: a header, then blocks of values with their positions behind them,
// in an order that depends on the algorithm, unless it is straight. Nothing outside may rely on it, as with the
// real one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "numbers.h"

namespace rnm::emulator {

// A structured operand as op(A) or op(B)^T: rows along which k runs.
struct SparseShape {
  int type;
  int64_t rows, k;
  uint32_t algorithm;

  int group() const { return type == CUDA_R_32F ? 2 : 4; }
  int kept() const { return type == CUDA_R_32F ? 1 : 2; }
};

// A value as it is compressed, and what tensor cores read of it. Like the real library it adds half a unit
// of the bits that they read of a float32; under RNM_EMULATOR_TF32=unrounded the product does the rounding.
float toStore(const SparseShape& shape, float value);
float asRead(const SparseShape& shape, float value);

// Under RNM_EMULATOR_FORMAT=straight, as cuSPARSELt 0.8 has it on Hopper: all values as they lie in the matrix, and
// what else there is behind them. Under RNM_EMULATOR_FORMAT=gaps the same, but that groups of zeros have no values:
// what lies in their place is the library's.
bool straight();

size_t compressedBytes(const SparseShape& shape);
// `dense` is [rows, k]. Returns what is wrong with it, or an empty string.
std::string compress(const SparseShape& shape, const std::vector<float>& dense, void* compressed);
// The same matrix as it was before, or what is wrong with the buffer.
std::string decompress(const SparseShape& shape, const void* compressed, std::vector<float>* dense);

bool isPruned(const SparseShape& shape, const std::vector<float>& dense);
// Keeps the largest magnitudes: of each group of a row, or of each square tile as many per row and
// column, such that their sum is greatest.
void pruneStrips(const SparseShape& shape, std::vector<float>& dense);
void pruneTiles(const SparseShape& shape, std::vector<float>& dense);

}  // namespace rnm::emulator
