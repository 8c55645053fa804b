// Dense products as both libraries mean them, summed in fp32.
#pragma once

#include <cstdint>
#include <vector>

#include "numbers.h"

namespace rnm::emulator {

struct Matrix {
  int type = CUDA_R_32F;
  int64_t rows = 0, cols = 0, ld = 0;
  bool rowMajor = false;
  int64_t batches = 1, stride = 0;  // in elements

  size_t at(int64_t row, int64_t col) const { return rowMajor ? row * ld + col : col * ld + row; }
  bool fits() const { return rows > 0 && cols > 0 && ld >= (rowMajor ? cols : rows); }
  // Elements from the first to the last of all batches.
  size_t extent() const {
    const int64_t lines = rowMajor ? rows : cols, length = rowMajor ? cols : rows;
    return (lines - 1) * ld + length + (batches - 1) * (stride > 0 ? stride : 0);
  }
  size_t bytes() const { return extent() * sizeOf(type); }
};

// Rows of op(M) one after another, in tf32 if asked for.
std::vector<float> loadMatrix(const Matrix& matrix, const void* data, int64_t batch, bool transpose, bool tf32);
// a [m, k] times b [k, n].
std::vector<float> multiply(const std::vector<float>& a, const std::vector<float>& b, int64_t m, int64_t n, int64_t k);

// 0 up to the threshold. What real libraries make of NaN is not documented: it stays, or becomes 0 as
// by fmax() under RNM_EMULATOR_RELU=fmax.
float relu(float value, float threshold);

}  // namespace rnm::emulator
