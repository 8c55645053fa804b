// A batch in device memory: row-major, rows padded to 64 bytes.
#pragma once

#include "core/backend.h"
#include "cuda/kernels.h"
#include "cuda/memory.h"

namespace rnm::cuda {

// Elements from row to row of anything that matrix products read or write: what sparse products
// take in bfloat16, and more than others ask for.
constexpr int64_t paddedWidth(int64_t width) { return (width + 15) / 16 * 16; }
// Rows of activations and their gradients, likewise.
constexpr int paddedRows(int rows) { return (rows + 7) / 8 * 8; }

class CudaMatrix : public Matrix {
 public:
  CudaMatrix(Context& context, int rows, int columns)
      : Matrix(rows, columns),
        context_(context),
        data_(context, static_cast<size_t>(rows) * paddedWidth(columns)) {}

  void upload(const float* source, int first, int count) override {
    context_.upload(data_.data() + first, pitch(), source, count * sizeof(float), rows());
  }
  void download(float* target, int first, int count) const override {
    context_.download(target, data_.data() + first, pitch(), count * sizeof(float), rows());
  }

  DeviceView view(int first, int count) const {
    return {data_.data() + first, paddedWidth(columns()), rows(), count};
  }

 private:
  size_t pitch() const { return paddedWidth(columns()) * sizeof(float); }
  Context& context_;
  DeviceArray<float> data_;
};

// Checks that it is a view of this device's and lies within its matrix; `name` is for the error.
DeviceView deviceView(const MatrixView& view, const char* name);
// The same, with exactly this shape.
DeviceView deviceView(const MatrixView& view, const char* name, int rows, int columns);

}  // namespace rnm::cuda
