// Row-wise N:M masks: projection, taking over another mask, what follows from a change, and counting
// differences.
#include "cuda/kernels.h"
#include "cuda/masks.h"

namespace rnm::cuda {
namespace {

// The largest magnitudes; strict comparison gives ties to the lower column.
__device__ uint32_t largestOf(const float* weights, const Group& group) {
  uint32_t chosen = 0;
  for (int round = 0; round < group.keep; ++round) {
    int best = 0;
    float most = -1.0f;
    for (int i = 0; i < group.size; ++i) {
      if (chosen >> i & 1u) continue;
      const float candidate = magnitude(weights[group.first + i]);
      if (candidate > most) {
        best = i;
        most = candidate;
      }
    }
    chosen |= 1u << best;
  }
  return chosen;
}

// A thread takes a group; those of tiles come chosen.
__global__ void chooseKernel(WeightArrays arrays, MaskedLayer layer, const uint8_t* wanted, uint32_t* chosen) {
  const int64_t i = RNM_THREAD;
  const int row = static_cast<int>(i / layer.groups), index = static_cast<int>(i % layer.groups);
  if (row >= layer.outputs) return;
  const int member = static_cast<int>(blockIdx.y);
  const Group group = groupOf(layer, member, row, index);
  uint32_t& choice = chosen[choiceOf(layer, member, row, index)];
  if (wanted) {
    choice = groupBits(wanted, group);
  } else if (!inTile(layer, row, index)) {
    choice = largestOf(arrays.weights, group);
  }
}

// Where the places and the moments of a row's active weights begin, after the layer's first.
__device__ int64_t entryOf(const MaskedLayer& layer, int member, int row) {
  return member * layer.placeStride + static_cast<int64_t>(row) * layer.perRow;
}

// A thread takes a row, and adds in double precision from left to right, as the CPU does. Dense moments are in
// the order of weights.
__global__ void averageMomentsKernel(WeightArrays arrays, MaskedLayer layer, float* means) {
  const int64_t i = RNM_THREAD;
  const int row = static_cast<int>(i), member = static_cast<int>(blockIdx.y);
  if (i >= layer.outputs) return;
  double sum = 0.0;
  if (layer.places >= 0) {
    const float* moments = arrays.moment2 + layer.moments + entryOf(layer, member, row);
    for (int k = 0; k < layer.perRow; ++k) sum += moments[k];
  } else {
    const int64_t first = placeOf(layer, member, row, 0);
    const float* moments = arrays.moment2 + layer.moments + first - layer.first;
    for (int column = 0; column < layer.inputs; ++column) {
      const int64_t at = first + column;
      if (arrays.mask[at / 8] >> (at % 8) & 1u) sum += moments[column];
    }
  }
  means[layer.rows + static_cast<int64_t>(member) * layer.outputs + row] =
      static_cast<float>(sum / layer.perRow);
}

// A weight that goes dormant loses its moment, one that becomes active begins with `newMoment`. A group's
// moments lie in the order of its columns.
__device__ void moveMoments(float* moments, const Group& group, uint32_t before, uint32_t after,
                            float newMoment) {
  float kept[kMaxGroup];
  for (int k = 0; k < __popc(before); ++k) kept[k] = moments[k];
  for (int i = 0, k = 0; i < group.size; ++i) {
    if (!(after >> i & 1u)) continue;
    const uint32_t lower = before & ((1u << i) - 1u);
    moments[k++] = before >> i & 1u ? kept[__popc(lower)] : newMoment;
  }
}

__device__ void storePlaces(uint32_t* places, const Group& group, uint32_t chosen) {
  for (int i = 0; i < group.size; ++i) {
    if (chosen >> i & 1u) *places++ = static_cast<uint32_t>(group.first + i);
  }
}

// A thread takes a group. The mask itself is stored by another kernel, since groups share bytes.
__global__ void changeKernel(WeightArrays arrays, MaskedLayer layer, const uint32_t* chosen, const float* means,
                             unsigned long long* changed) {
  const int64_t i = RNM_THREAD;
  const int row = static_cast<int>(i / layer.groups), index = static_cast<int>(i % layer.groups);
  if (row >= layer.outputs) return;
  const int member = static_cast<int>(blockIdx.y);
  const Group group = groupOf(layer, member, row, index);
  const uint32_t before = groupBits(arrays.mask, group);
  const uint32_t after = chosen[choiceOf(layer, member, row, index)];
  if (before != after) atomicAdd(changed, static_cast<unsigned long long>(__popc(before ^ after)));
  if (layer.places < 0) return;
  const int64_t entry = entryOf(layer, member, row) + index * layer.n;
  if (before != after) {
    moveMoments(arrays.moment1 + layer.moments + entry, group, before, after, 0.0f);
    moveMoments(arrays.moment2 + layer.moments + entry, group, before, after,
                newMomentOf(layer, means, member, row));
  }
  storePlaces(arrays.places + layer.places + entry, group, after);
}

// A thread takes a byte of the mask; bits of padding columns are 0.
__global__ void storeMaskKernel(uint8_t* mask, MaskedLayer layer, const uint32_t* chosen) {
  const int64_t i = RNM_THREAD;
  const int bytesPerRow = layer.ld / 8;
  const int row = static_cast<int>(i / bytesPerRow), byte = static_cast<int>(i % bytesPerRow);
  if (row >= layer.outputs) return;
  const int member = static_cast<int>(blockIdx.y);
  const uint32_t* groups = chosen + choiceOf(layer, member, row, 0);
  unsigned bits = 0;
  for (int k = 0; k < 8; ++k) {
    const int column = byte * 8 + k;
    if (column >= layer.inputs) break;
    bits |= (groups[column / layer.m] >> (column % layer.m) & 1u) << k;
  }
  mask[(layer.first + member * layer.stride) / 8 + static_cast<int64_t>(row) * bytesPerRow + byte] =
      static_cast<uint8_t>(bits);
}

__global__ void differencesKernel(const uint8_t* a, const uint8_t* b, int64_t bytes,
                                  unsigned long long* different) {
  unsigned count = 0;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = RNM_THREAD; i < bytes; i += threads) {
    count += static_cast<unsigned>(__popc(static_cast<unsigned>(a[i] ^ (b ? b[i] : 0))));
  }
  if (count > 0) atomicAdd(different, static_cast<unsigned long long>(count));
}

}  // namespace

void chooseMask(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const uint8_t* wanted,
                uint32_t* chosen) {
  if (layer.transposable && !wanted) projectTiles(context, arrays.weights, layer, chosen);
  launch(context, "choose active weights", chooseKernel, gridOfRows(layer, layer.outputs, layer.groups), arrays,
         layer, wanted, chosen + layer.chosen);
}

void averageMoments(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, float* means) {
  launch(context, "average moments", averageMomentsKernel, gridOfRows(layer, layer.outputs, 1), arrays, layer,
         means);
}

void changeMask(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const uint32_t* chosen,
                const float* means, unsigned long long* changed) {
  const uint32_t* own = chosen + layer.chosen;
  launch(context, "change a mask", changeKernel, gridOfRows(layer, layer.outputs, layer.groups), arrays, layer,
         own, means, changed);
  launch(context, "store a mask", storeMaskKernel, gridOfRows(layer, layer.outputs, layer.ld / 8), arrays.mask,
         layer, own);
}

void countDifferences(Context& context, const uint8_t* a, const uint8_t* b, int64_t bytes,
                      unsigned long long* different) {
  // Each thread counts some bytes, so that few of them meet at the counter.
  launch(context, "compare masks", differencesKernel, gridOf((bytes + 15) / 16), a, b, bytes,
         different);
}

}  // namespace rnm::cuda
