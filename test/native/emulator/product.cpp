#include "product.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace rnm::emulator {

std::vector<float> loadMatrix(const Matrix& matrix, const void* data, int64_t batch, bool transpose, bool tf32) {
  const int64_t rows = transpose ? matrix.cols : matrix.rows, cols = transpose ? matrix.rows : matrix.cols;
  std::vector<float> values(static_cast<size_t>(rows) * cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      const size_t index = batch * matrix.stride + (transpose ? matrix.at(c, r) : matrix.at(r, c));
      const float value = loadElement(data, index, matrix.type);
      values[r * cols + c] = tf32 ? toTf32(value) : value;
    }
  }
  return values;
}

std::vector<float> multiply(const std::vector<float>& a, const std::vector<float>& b, int64_t m, int64_t n, int64_t k) {
  std::vector<float> product(static_cast<size_t>(m) * n);
  for (int64_t row = 0; row < m; ++row) {
    float* const out = product.data() + row * n;
    for (int64_t i = 0; i < k; ++i) {
      const float factor = a[row * k + i];
      const float* const in = b.data() + i * n;
      for (int64_t col = 0; col < n; ++col) out[col] += factor * in[col];
    }
  }
  return product;
}

float relu(float value, float threshold) {
  static const bool dropsNan = [] {
    const char* kind = std::getenv("RNM_EMULATOR_RELU");
    return kind && std::strcmp(kind, "fmax") == 0;
  }();
  if (std::isnan(value)) return dropsNan ? 0 : value;
  return value <= threshold ? 0 : value;
}

}  // namespace rnm::emulator
