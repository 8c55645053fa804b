// Row-wise N:M masks: projection, taking over another mask, and counting differences.
#include "cuda/kernels.h"
#include "cuda/masks.h"

namespace rnm::cuda {
namespace {

constexpr int kMaxGroup = 32;

// A group of at most 32 neighbouring weights of a row.
struct Group {
  int64_t first;  // its place among the weights
  int size, keep;
};

__device__ Group groupOf(const MaskedLayer& layer, int member, int row, int group) {
  const int size = min(layer.m, layer.inputs - group * layer.m);
  return {placeOf(layer, member, row, group * layer.m), size, min(layer.n, size)};
}

__device__ uint32_t groupBits(const uint8_t* mask, const Group& group) {
  uint32_t bits = 0;
  for (int i = 0; i < group.size; ++i) {
    const int64_t at = group.first + i;
    bits |= (static_cast<uint32_t>(mask[at / 8]) >> (at % 8) & 1u) << i;
  }
  return bits;
}

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

// A newly active weight begins with a zero moment, one that goes dormant loses its own. A group's
// moments lie in the order of its columns.
__device__ void moveMoments(float* moments, const Group& group, uint32_t before, uint32_t after) {
  float kept[kMaxGroup];
  for (int k = 0; k < __popc(before); ++k) kept[k] = moments[k];
  for (int i = 0, k = 0; i < group.size; ++i) {
    if (!(after >> i & 1u)) continue;
    const uint32_t lower = before & ((1u << i) - 1u);
    moments[k++] = before >> i & 1u ? kept[__popc(lower)] : 0.0f;
  }
}

__device__ void storePlaces(uint32_t* places, const Group& group, uint32_t chosen) {
  for (int i = 0; i < group.size; ++i) {
    if (chosen >> i & 1u) *places++ = static_cast<uint32_t>(group.first + i);
  }
}

// A thread takes a group; those of tiles come chosen. The mask itself is stored by another kernel, since groups share bytes.
__global__ void chooseKernel(WeightArrays arrays, MaskedLayer layer, const uint8_t* wanted,
                             uint32_t* chosen, unsigned long long* changed) {
  const int64_t i = RNM_THREAD;
  const int row = static_cast<int>(i / layer.groups), index = static_cast<int>(i % layer.groups);
  if (row >= layer.outputs) return;
  const int member = static_cast<int>(blockIdx.y);
  const Group group = groupOf(layer, member, row, index);
  const uint32_t before = groupBits(arrays.mask, group);
  uint32_t& choice = chosen[choiceOf(layer, member, row, index)];
  if (wanted) {
    choice = groupBits(wanted, group);
  } else if (!inTile(layer, row, index)) {
    choice = largestOf(arrays.weights, group);
  }
  const uint32_t after = choice;
  if (before != after && changed) {
    atomicAdd(changed, static_cast<unsigned long long>(__popc(before ^ after)));
  }
  if (layer.places < 0) return;
  const int64_t entry =
      member * layer.placeStride + static_cast<int64_t>(row) * layer.perRow + index * layer.n;
  if (before != after) {
    moveMoments(arrays.moment1 + layer.moments + entry, group, before, after);
    moveMoments(arrays.moment2 + layer.moments + entry, group, before, after);
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

void changeMask(Context& context, const WeightArrays& arrays, const MaskedLayer& layer,
                const uint8_t* wanted, uint32_t* chosen, unsigned long long* changed) {
  if (layer.transposable && !wanted) projectTiles(context, arrays.weights, layer, chosen);
  launch(context, "choose active weights", chooseKernel,
         gridOfRows(layer, layer.outputs, layer.groups), arrays, layer, wanted,
         chosen + layer.chosen, changed);
  launch(context, "store a mask", storeMaskKernel,
         gridOfRows(layer, layer.outputs, layer.ld / 8), arrays.mask, layer,
         static_cast<const uint32_t*>(chosen + layer.chosen));
}

void countDifferences(Context& context, const uint8_t* a, const uint8_t* b, int64_t bytes,
                      unsigned long long* different) {
  // Each thread counts some bytes, so that few of them meet at the counter.
  launch(context, "compare masks", differencesKernel, gridOf((bytes + 15) / 16), a, b, bytes,
         different);
}

}  // namespace rnm::cuda
