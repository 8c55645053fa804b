// Compressed transposes: groups of them lie across the rows of W, which is walked along tile by tile.
#include <cuda_bf16.h>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/masks.h"
#include "cuda/pack.h"
#include "cuda/slot_stores.h"

namespace rnm::cuda {
namespace {

// A tile of W whose groups lie across its rows: 64 columns of 32 groups. Eight neighbouring groups of a
// column are a sector of the compressed transpose.
constexpr int kTileColumns = 64, kTileGroups = 32, kSectorGroups = 8;

template <typename T>
constexpr int kGroupRows = sizeof(T) == 2 ? 4 : 2;

// Bits of a pack's elements, from `i` on.
template <typename T>
__device__ unsigned packBits(const uint8_t* mask, int64_t i) {
  return sizeof(T) == 2 ? mask[i / 8] : maskBits(mask, i);
}

// Reads whole lines of W, and writes whole sectors of the compressed transpose. What a thread reads it
// asks for at once, the slots among it: each waits for memory but once.
template <typename T>
__global__ void storeTransposeKernel(const T* effective, const uint8_t* mask, TransposedRows layer,
                                     Slots slots) {
  constexpr int kColumns = Pack<T>::kCount, kPacks = kTileColumns / kColumns;
  constexpr int kRows = kTileGroups * kGroupRows<T>;
  constexpr int kReads = kPacks * kRows / kThreads, kWrites = kTileColumns * kTileGroups / kThreads;
  __shared__ float values[kRows][kTileColumns + 1];
  __shared__ uint8_t active[kRows][kPacks];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t begin = layer.first + blockIdx.z * layer.stride;
  const int column = static_cast<int>(blockIdx.x) * kTileColumns;
  const int row = static_cast<int>(blockIdx.y) * kRows;
  // The k-th of a thread's groups: neighbouring threads have those of a sector.
  const auto columnOf = [thread](int k) { return (thread + k * kThreads) / kSectorGroups % kTileColumns; };
  const auto groupOf = [thread](int k) {
    return (thread + k * kThreads) / (kSectorGroups * kTileColumns) * kSectorGroups +
           thread % kSectorGroups;
  };
  uint32_t slot[kWrites];
#pragma unroll
  for (int k = 0; k < kWrites; ++k) {
    const int at = column + columnOf(k), top = row + groupOf(k) * kGroupRows<T>;
    slot[k] = kNoSlot;
    if (at >= layer.columns || top >= layer.rows) continue;
    const int group = top / kGroupRows<T>;
    slot[k] = slots.of[layer.entries + (blockIdx.z * layer.ld + at) * layer.groups + group];
  }
  Pack<T> packed[kReads] = {};
#pragma unroll
  for (int k = 0; k < kReads; ++k) {
    const int line = (thread + k * kThreads) / kPacks, pack = thread % kPacks;
    const int at = column + kColumns * pack;
    unsigned bits = 0;
    if (row + line < layer.rows && at < layer.ld) {
      const int64_t i = begin + (row + line) * layer.ld + at;
      packed[k] = loadPack(effective + i);
      bits = packBits<T>(mask, i);
    }
    active[line][pack] = static_cast<uint8_t>(bits);
  }
#pragma unroll
  for (int k = 0; k < kReads; ++k) {
    const int line = (thread + k * kThreads) / kPacks, first = thread % kPacks * kColumns;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) values[line][first + c] = load(&packed[k].value[c]);
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kWrites; ++k) {
    const int mine = columnOf(k), top = groupOf(k) * kGroupRows<T>;
    float group[4] = {};
    unsigned bits = 0;
#pragma unroll
    for (int r = 0; r < kGroupRows<T>; ++r) {
      group[r] = values[top + r][mine];
      bits |= (active[top + r][mine / kColumns] >> (mine % kColumns) & 1u) << r;
    }
    storeGroup(slots, slot[k], bits, group, static_cast<T*>(nullptr));
  }
}

// ---------------------------------------------------------------- where the format is straight

// The same tile, as words of two columns. Those of a row's packs begin a pack further on from group to group, so
// that lanes with neighbouring groups read from different banks.
constexpr int kTileRows = 4 * kTileGroups, kTilePacks = kTileColumns / 8;

__device__ int packAt(int line, int pack) { return line * kTilePacks + (pack + line / 4) % kTilePacks; }
__device__ int bitsAt(int line, int pack) { return (line + line / 16) * kTilePacks + pack; }

// The pair of one of two columns, whose values are one half of the words of four rows.
__device__ uint32_t pairOfHalves(unsigned bits, const uint32_t* words, int half, uint32_t singles) {
  if (bits == 0) return 0;
  const int low = lowest(bits), high = highest(bits);
  const uint32_t first = pick(words, low) >> (16 * half) & 0xffffu;
  const uint32_t second = pick(words, high) >> (16 * half) & 0xffffu;
  if (low != high) return first | second << 16;
  return singles >> low & 1u ? first << 16 : first;
}

__global__ void storeStraightTransposeKernel(const __nv_bfloat16* effective, const uint8_t* mask,
                                             TransposedRows layer, Slots slots) {
  constexpr int kReads = kTileRows * kTilePacks / kThreads;
  constexpr int kPairs = kTileColumns / 2 * kTileGroups / kThreads;
  __shared__ uint4 packs[kTileRows * kTilePacks];
  __shared__ uint8_t active[(kTileRows + kTileRows / 16) * kTilePacks];
  const int thread = static_cast<int>(threadIdx.x);
  const int column = static_cast<int>(blockIdx.x) * kTileColumns;
  const int row = static_cast<int>(blockIdx.y) * kTileRows;
  uint4 read[kReads];
  uint8_t readBits[kReads];
#pragma unroll
  for (int k = 0; k < kReads; ++k) {
    const int line = (thread + k * kThreads) / kTilePacks, at = column + thread % kTilePacks * 8;
    const bool inside = row + line < layer.rows && at < layer.ld;
    const int64_t i = layer.first + blockIdx.z * layer.stride + (row + line) * layer.ld + at;
    read[k] = inside ? *reinterpret_cast<const uint4*>(effective + i) : make_uint4(0, 0, 0, 0);
    readBits[k] = inside ? mask[i / 8] : 0;
  }
#pragma unroll
  for (int k = 0; k < kReads; ++k) {
    const int line = (thread + k * kThreads) / kTilePacks, pack = thread % kTilePacks;
    packs[packAt(line, pack)] = read[k];
    active[bitsAt(line, pack)] = readBits[k];
  }
  __syncthreads();
  // Eight neighbouring threads write a sector of a column.
  auto* const compressed = static_cast<uint32_t*>(slots.compressed);
  const auto* const words = reinterpret_cast<const uint32_t*>(packs);
  const int pair = thread / kSectorGroups % (kTileColumns / 2), pack = pair / 4;
#pragma unroll
  for (int k = 0; k < kPairs; ++k) {
    const int group = (thread + k * kThreads) / (kSectorGroups * kTileColumns / 2) * kSectorGroups +
                      thread % kSectorGroups;
    uint32_t word[4];
    unsigned bits[2] = {};
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      word[r] = words[4 * packAt(4 * group + r, pack) + pair % 4];
      const unsigned both = active[bitsAt(4 * group + r, pack)] >> (2 * (pair % 4));
      bits[0] |= (both & 1u) << r;
      bits[1] |= (both >> 1 & 1u) << r;
    }
    if (row + 4 * group >= layer.rows) continue;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int at = column + 2 * pair + half;
      const int64_t slot = layer.begin + blockIdx.z * layer.beginStride + at * layer.columnValues +
                           2 * (row / 4 + group);
      if (at < layer.columns) compressed[slot / 2] = pairOfHalves(bits[half], word, half, slots.singles);
    }
  }
}

// Tiles of so many rows.
dim3 tilesOf(const TransposedRows& layer, int rows) {
  return {static_cast<unsigned>((layer.ld + kTileColumns - 1) / kTileColumns),
          static_cast<unsigned>((layer.rows + rows - 1) / rows),
          static_cast<unsigned>(layer.members)};
}

template <typename T>
void storeTransposeOf(Context& context, const void* effective, const uint8_t* mask,
                      const TransposedRows& layer, const Slots& slots) {
  launch(context, "write compressed transposes", storeTransposeKernel<T>,
         {tilesOf(layer, kTileGroups * kGroupRows<T>)}, static_cast<const T*>(effective), mask, layer,
         slots);
}

}  // namespace

void storeTranspose(Context& context, const void* effective, const uint8_t* mask,
                    const TransposedRows& layer, const Slots& slots) {
  if (context.precision() != Precision::bf16) {
    storeTransposeOf<float>(context, effective, mask, layer, slots);
  } else if (slots.straight == 0) {
    storeTransposeOf<__nv_bfloat16>(context, effective, mask, layer, slots);
  } else {
    launch(context, "write compressed transposes", storeStraightTransposeKernel,
           {tilesOf(layer, kTileRows)}, static_cast<const __nv_bfloat16*>(effective), mask, layer,
           slots);
  }
}

}  // namespace rnm::cuda
