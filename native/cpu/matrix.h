// The CPU's batch matrix: tiles of 32 samples, [tile][column][32]. Lanes beyond the last row are
// padding; gradients are zero there, so that sums over the batch need no special case.
#pragma once

#include <climits>

#include "core/backend.h"
#include "cpu/aligned.h"
#include "cpu/kernels.h"

namespace rnm::cpu {

// For at least one row, and as many as an int holds.
inline int tilesOf(int rows) { return (rows - 1) / kTile + 1; }

// A number's place in a tile is an int.
constexpr int kMaxColumns = 1 << 26;
static_assert(int64_t{kMaxColumns} * kTile - 1 <= INT_MAX);

class CpuMatrix : public Matrix {
 public:
  CpuMatrix(int rows, int columns)
      : Matrix(rows, columns), data_(static_cast<size_t>(tilesOf(rows)) * columns * kTile) {}

  void upload(const float* source, int first, int count) override {
    for (int row = 0; row < rows(); ++row) {
      for (int c = 0; c < count; ++c) *at(row, first + c) = source[static_cast<size_t>(row) * count + c];
    }
  }
  void download(float* target, int first, int count) const override {
    for (int row = 0; row < rows(); ++row) {
      for (int c = 0; c < count; ++c) target[static_cast<size_t>(row) * count + c] = *at(row, first + c);
    }
  }

  float* tile(int t, int column) {
    return data_.data() + (static_cast<size_t>(t) * columns() + column) * kTile;
  }
  size_t tileStride() const { return static_cast<size_t>(columns()) * kTile; }

 private:
  float* at(int row, int column) { return tile(row / kTile, column) + row % kTile; }
  const float* at(int row, int column) const {
    return const_cast<CpuMatrix*>(this)->at(row, column);
  }
  AlignedArray<float> data_;
};

// A view as the kernels need it: where its first column's tile lies, and how far apart tiles are.
struct TileView {
  float* data = nullptr;
  size_t stride = 0;
  int rows = 0, tiles = 0, columns = 0;
  float* tile(int t) const { return data + t * stride; }
  float* column(int t, int c) const { return tile(t) + static_cast<size_t>(c) * kTile; }
  // Samples in tile t.
  int lanes(int t) const { return t + 1 < tiles ? kTile : rows - t * kTile; }
};

// Checks that the view lies within its matrix; `name` is for the error message.
TileView tileView(const MatrixView& view, const char* name);
// The same, with exactly this shape.
TileView tileView(const MatrixView& view, const char* name, int rows, int columns);

}  // namespace rnm::cpu
