// What the kernels of masks share.
#pragma once

#include <cuda_runtime.h>

#include "cuda/launch.h"
#include "cuda/weights.h"

namespace rnm::cuda {

// Bits of the four elements from `i` on, which is a multiple of four.
__device__ inline unsigned maskBits(const uint8_t* mask, int64_t i) {
  return mask ? static_cast<unsigned>(mask[i / 8]) >> (i % 8) & 15u : 15u;
}

__device__ inline int64_t placeOf(const MaskedLayer& layer, int member, int row, int column) {
  return layer.first + member * layer.stride + static_cast<int64_t>(row) * layer.ld + column;
}

// Where a group's choice lies in the scratch of mask changes, after that of the layer's first.
__device__ inline int64_t choiceOf(const MaskedLayer& layer, int member, int row, int group) {
  return (static_cast<int64_t>(member) * layer.outputs + row) * layer.groups + group;
}

// Of the four rows that are projected together.
__device__ inline int bandRows(const MaskedLayer& layer, int row) {
  return min(4, layer.outputs - row / 4 * 4);
}

// Whether a group is chosen with those above and below it: core/mask_shape.h says which are not.
__device__ inline bool inTile(const MaskedLayer& layer, int row, int group) {
  return layer.transposable && bandRows(layer, row) > layer.n && 4 * (group + 1) <= layer.inputs;
}

// A layer's rows, `perRow` threads for each, of all members.
inline Grid gridOfRows(const MaskedLayer& layer, int64_t rows, int64_t perRow) {
  Grid grid = gridOf(perRow * rows);
  grid.blocks.y = static_cast<unsigned>(layer.members);
  return grid;
}

}  // namespace rnm::cuda
