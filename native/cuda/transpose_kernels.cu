// Masks with an eye to the transpose of W: transposable ones, and what the data gradient keeps of
// others.
#include "cuda/kernels.h"
#include "cuda/masks.h"
#include "cuda/pack.h"

namespace rnm::cuda {
namespace {

// A tile of 4 rows and 4 columns as core/mask_shape.cpp sees it, in reading order; rows that it
// lacks are zero. A mask's highest bit is its first place.
struct Tile {
  double magnitude[16];  // finite ones
  unsigned unbounded;    // NaN and infinity
};

__device__ unsigned bitOf(int place) { return 1u << (15 - place); }

__device__ Tile readTile(const float* weights, int64_t ld, int rows) {
  Tile tile{};
#pragma unroll
  for (int row = 0; row < 4; ++row) {
    Floats4 values = {};
    if (row < rows) values = load4(weights + row * ld);
#pragma unroll
    for (int column = 0; column < 4; ++column) {
      const float size = magnitude(values.value[column]);
      const bool finite = size < INFINITY;
      tile.magnitude[4 * row + column] = finite ? size : 0.0f;
      if (!finite) tile.unbounded |= bitOf(4 * row + column);
    }
  }
  return tile;
}

// Row by row, and from left to right in a row: the CPU's sums to the last bit.
__device__ double totalOf(const Tile& tile, unsigned mask) {
  double total = 0.0;
#pragma unroll
  for (int row = 0; row < 4; ++row) {
    double sum = 0.0;
#pragma unroll
    for (int column = 0; column < 4; ++column) {
      const int place = 4 * row + column;
      if (mask & bitOf(place)) sum += tile.magnitude[place];
    }
    total += sum;
  }
  return total;
}

__device__ unsigned largestMask(const Tile& tile, const uint16_t* masks, int count) {
  int most = 0;
  for (int k = 0; tile.unbounded && k < count; ++k) {
    most = max(most, __popc(masks[k] & tile.unbounded));
  }
  unsigned best = 0;
  double bestTotal = -1.0;
  for (int k = 0; k < count; ++k) {
    const unsigned mask = masks[k];
    if (__popc(mask & tile.unbounded) < most) continue;
    const double total = totalOf(tile, mask);
    // Strict: the first of equals stays.
    if (total > bestTotal) {
      best = mask;
      bestTotal = total;
    }
  }
  return best;
}

// A thread takes a tile.
__global__ void projectTilesKernel(const float* weights, MaskedLayer layer, uint32_t* chosen) {
  const int64_t i = RNM_THREAD;
  const int row = static_cast<int>(i / layer.groups) * 4;
  const int group = static_cast<int>(i % layer.groups);
  if (row >= layer.outputs || !inTile(layer, row, group)) return;
  const int member = static_cast<int>(blockIdx.y), rows = bandRows(layer, row);
  const TileMasks masks = rows == 4 ? layer.tiles[0] : layer.tiles[1];
  const Tile tile = readTile(weights + placeOf(layer, member, row, 4 * group), layer.ld, rows);
  const unsigned best = largestMask(tile, masks.masks, masks.count);
  for (int r = 0; r < rows; ++r) {
    uint32_t columns = 0;  // the lowest bit is a group's first
    for (int c = 0; c < 4; ++c) columns |= (best & bitOf(4 * r + c) ? 1u : 0u) << c;
    chosen[choiceOf(layer, member, row + r, group)] = columns;
  }
}

// A thread takes a byte of the mask in each of the rows that share a budget. Of a column's active
// weights there the largest stay; ties go to the upper row.
template <int kRows>
__global__ void pruneTransposeKernel(const float* weights, const uint8_t* mask, MaskedLayer layer,
                                     uint8_t* kept) {
  constexpr int kBudget = kRows / 2;
  const int64_t i = RNM_THREAD;
  const int bytesPerRow = layer.ld / 8;
  const int top = static_cast<int>(i / bytesPerRow) * kRows;
  if (top >= layer.outputs) return;
  const int64_t first = placeOf(layer, static_cast<int>(blockIdx.y), top,
                                static_cast<int>(i % bytesPerRow) * 8);
  unsigned active[kRows] = {}, result[kRows] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (top + r < layer.outputs) active[r] = mask[(first + r * layer.ld) / 8];
  }
  for (int k = 0; k < 8; ++k) {
    float size[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      size[r] = active[r] >> k & 1u ? magnitude(weights[first + r * layer.ld + k]) : -1.0f;
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      int larger = 0;
#pragma unroll
      for (int other = 0; other < kRows; ++other) {
        larger += size[other] > size[r] || (size[other] == size[r] && other < r);
      }
      if (size[r] >= 0.0f && larger < kBudget) result[r] |= 1u << k;
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (top + r < layer.outputs) kept[(first + r * layer.ld) / 8] = static_cast<uint8_t>(result[r]);
  }
}

}  // namespace

void projectTiles(Context& context, const float* weights, const MaskedLayer& layer,
                  uint32_t* chosen) {
  launch(context, "project tiles", projectTilesKernel,
         gridOfRows(layer, (layer.outputs + 3) / 4, layer.groups), weights, layer,
         chosen + layer.chosen);
}

void pruneTranspose(Context& context, const float* weights, const uint8_t* mask,
                    const MaskedLayer& layer, uint8_t* kept) {
  const bool bf16 = context.precision() == Precision::bf16;
  const int rows = bf16 ? 4 : 2;
  launch(context, "prune a transpose", bf16 ? pruneTransposeKernel<4> : pruneTransposeKernel<2>,
         gridOfRows(layer, (layer.outputs + rows - 1) / rows, layer.ld / 8), weights, mask, layer,
         kept);
}

}  // namespace rnm::cuda
