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

// A group of at most 32 neighbouring weights of a row.
struct Group {
  int64_t first;  // its place among the weights
  int size, keep;
};

__device__ inline Group groupOf(const MaskedLayer& layer, int member, int row, int group) {
  const int size = min(layer.m, layer.inputs - group * layer.m);
  return {placeOf(layer, member, row, group * layer.m), size, min(layer.n, size)};
}

__device__ inline uint32_t groupBits(const uint8_t* mask, const Group& group) {
  uint32_t bits = 0;
  for (int i = 0; i < group.size; ++i) {
    const int64_t at = group.first + i;
    bits |= (static_cast<uint32_t>(mask[at / 8]) >> (at % 8) & 1u) << i;
  }
  return bits;
}

// The second moment of a weight of the row that becomes active. `means`: see averageMoments().
__device__ inline float newMomentOf(const MaskedLayer& layer, const float* means, int member, int row) {
  return means ? means[layer.rows + static_cast<int64_t>(member) * layer.outputs + row] : 0.0f;
}

// A layer's rows, `perRow` threads for each, of all members.
inline Grid gridOfRows(const MaskedLayer& layer, int64_t rows, int64_t perRow) {
  Grid grid = gridOf(perRow * rows);
  grid.blocks.y = static_cast<unsigned>(layer.members);
  return grid;
}

}  // namespace rnm::cuda
