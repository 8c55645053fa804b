// Weight gradients at the active weights alone: a sum over the batch for each of them.
//
// A lane has a row of W (an output), and some neighbouring active weights of it, whose sums it keeps in
// registers. Neighbouring lanes have neighbouring rows, and the same groups of columns: what they read of
// the inputs lies in a strip of columns, which their warps bring to shared memory a few samples at a time.
// Each sum reads an input of its own from there, and 32 lanes of a multiprocessor can do so at once, where
// 128 multiply: dense products, whose factors stay in registers, win below about 1 of 4.
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/weights.h"

namespace rnm::cuda {
namespace {

// Samples that are in shared memory at a time.
constexpr int kSamples = 8;
// From column to column there: odd, so that lanes which read neighbouring columns, and those which write
// them, do not meet in a bank.
constexpr int kPitch = kSamples + 1;

// Sizes of a block: the weights that a lane has, the warps that have rows of their own, those that share
// rows and have a part of the batch each, and how wide a strip of columns may be. So many blocks are to fit on
// a multiprocessor.
template <int values, int rowWarps, int batchWarps, int columns, int blocks>
struct Tile {
  static constexpr int kValues = values, kRowWarps = rowWarps, kBatchWarps = batchWarps;
  static constexpr int kColumns = columns, kBlocks = blocks;
  static constexpr int kRows = 32 * rowWarps, kBlockThreads = kRows * batchWarps;
  // What a lane brings: of kBrought samples kWide columns each.
  static constexpr int kBrought = kSamples / rowWarps, kWide = columns / 32;
  // Warps that share a strip write the next one beside that which others still read.
  static constexpr int kStrip = columns * kPitch, kStrips = rowWarps > 1 ? 2 : 1;
  static constexpr int kFloats = kStrip * kStrips * batchWarps;
  static_assert(kSamples % rowWarps == 0 && columns % 32 == 0);
  static_assert(batchWarps == 1 || kFloats >= kBlockThreads * values, "sums meet there too");
};

// What a lane works on.
struct Lane {
  int lane, rowWarp, batchWarp, row;
  bool inside;        // else its row is the last one once more
  int value;          // the first of its weights, of the row's
  int column, width;  // of the strip
  int64_t begin;      // where the strip's part of its row lies among the weights
  const float *input, *delta;  // of the first sample: its column of the strip, and its row's
};

template <typename Tile>
__device__ Lane laneOf(const SampledFactors& factors, const MaskedLayer& layer) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  Lane own{};
  own.lane = static_cast<int>(threadIdx.x) % 32;
  own.rowWarp = warp % Tile::kRowWarps;
  own.batchWarp = warp / Tile::kRowWarps;
  const int row = static_cast<int>(blockIdx.y) * Tile::kRows + 32 * own.rowWarp + own.lane;
  own.inside = row < layer.outputs;
  own.row = min(row, layer.outputs - 1);
  own.value = static_cast<int>(blockIdx.x) * Tile::kValues;
  const int last = min(own.value + Tile::kValues, layer.perRow) - 1;
  own.column = own.value / layer.n * layer.m;
  own.width = min(layer.inputs, (last / layer.n + 1) * layer.m) - own.column;
  own.begin = layer.first + blockIdx.z * layer.stride + static_cast<int64_t>(own.row) * layer.ld +
              own.column;
  own.input = factors.input + blockIdx.z * factors.inputStride + own.column + own.lane;
  own.delta = factors.delta + blockIdx.z * factors.deltaStride + own.row;
  return own;
}

// A lane's part of the next samples: of the strip, and its row's deltas.
template <typename Tile>
struct Samples {
  float input[Tile::kBrought][Tile::kWide];
  float delta[kSamples];
};

template <typename Tile>
__device__ void fetch(const SampledFactors& factors, const Lane& own, int first,
                      Samples<Tile>& next) {
  const int rows = static_cast<int>(factors.rows);
#pragma unroll
  for (int i = 0; i < Tile::kBrought; ++i) {
    const int sample = first + own.rowWarp + i * Tile::kRowWarps;
#pragma unroll
    for (int j = 0; j < Tile::kWide; ++j) {
      const bool there = sample < rows && own.lane + 32 * j < own.width;
      next.input[i][j] = there ? own.input[factors.inputLd * sample + 32 * j] : 0.0f;
    }
  }
#pragma unroll
  for (int k = 0; k < kSamples; ++k) {
    next.delta[k] = first + k < rows ? own.delta[factors.deltaLd * (first + k)] : 0.0f;
  }
}

template <typename Tile>
__device__ void storeStrip(const Samples<Tile>& next, const Lane& own, float* strip) {
#pragma unroll
  for (int i = 0; i < Tile::kBrought; ++i) {
    const int sample = own.rowWarp + i * Tile::kRowWarps;
#pragma unroll
    for (int j = 0; j < Tile::kWide; ++j) {
      const int column = own.lane + 32 * j;
      if (column < own.width) strip[column * kPitch + sample] = next.input[i][j];
    }
  }
}

// The warps that share a strip wait for each other.
template <typename Tile>
__device__ void waitForStrip() {
  if constexpr (Tile::kRowWarps > 1) {
    __syncthreads();
  } else {
    __syncwarp();
  }
}

// The sums of the warps that have a part of the batch each, in the order of the parts.
template <typename Tile>
__device__ void storeTotals(const float (&sum)[Tile::kValues], const MaskedLayer& layer,
                            const uint32_t* places, float* shared, float* gradient) {
  constexpr int kSums = Tile::kRows * Tile::kValues;
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
#pragma unroll
  for (int v = 0; v < Tile::kValues; ++v) {
    shared[thread / Tile::kRows * kSums + v * Tile::kRows + thread % Tile::kRows] = sum[v];
  }
  __syncthreads();
  for (int i = thread; i < kSums; i += Tile::kBlockThreads) {
    const int row = static_cast<int>(blockIdx.y) * Tile::kRows + i % Tile::kRows;
    const int value = static_cast<int>(blockIdx.x) * Tile::kValues + i / Tile::kRows;
    if (row >= layer.outputs || value >= layer.perRow) continue;
    float total = 0.0f;
#pragma unroll
    for (int part = 0; part < Tile::kBatchWarps; ++part) total += shared[part * kSums + i];
    gradient[places[static_cast<int64_t>(row) * layer.perRow + value]] = total;
  }
}

// Where the inputs of a lane's weights lie in shared memory, in the first strip of its warp. Weights that
// there are not have some input.
template <typename Tile>
__device__ void locate(const Lane& own, const MaskedLayer& layer, const uint32_t* places,
                       int (&at)[Tile::kValues]) {
#pragma unroll
  for (int v = 0; v < Tile::kValues; ++v) {
    const int64_t place = static_cast<int64_t>(own.row) * layer.perRow + own.value + v;
    const bool there = own.value + v < layer.perRow;
    const int column = there ? static_cast<int>(places[place] - own.begin) : 0;
    at[v] = column * kPitch;
  }
}

template <typename Tile>
__global__ __launch_bounds__(Tile::kBlockThreads, Tile::kBlocks) void sampledKernel(
    SampledFactors factors, MaskedLayer layer, const uint32_t* places, float* gradient) {
  __shared__ float shared[Tile::kFloats];
  constexpr int kStep = kSamples * Tile::kBatchWarps;
  const Lane own = laneOf<Tile>(factors, layer);
  places += layer.places + blockIdx.z * layer.placeStride;
  Samples<Tile> next;
  int sample = own.batchWarp * kSamples;
  fetch<Tile>(factors, own, sample, next);
  int at[Tile::kValues];
  locate<Tile>(own, layer, places, at);
  float sum[Tile::kValues] = {};
  float* const strips = shared + own.batchWarp * Tile::kStrips * Tile::kStrip;
  const int steps = (static_cast<int>(factors.rows) + kStep - 1) / kStep;
  for (int step = 0; step < steps; ++step) {
    float* const strip = strips + step % Tile::kStrips * Tile::kStrip;
    if constexpr (Tile::kStrips == 1) __syncwarp();
    storeStrip<Tile>(next, own, strip);
    float delta[kSamples];
#pragma unroll
    for (int k = 0; k < kSamples; ++k) delta[k] = next.delta[k];
    waitForStrip<Tile>();
    sample += kStep;
    if (step + 1 < steps) fetch<Tile>(factors, own, sample, next);
#pragma unroll
    for (int k = 0; k < kSamples; ++k) {
#pragma unroll
      for (int v = 0; v < Tile::kValues; ++v) sum[v] = fmaf(delta[k], strip[at[v] + k], sum[v]);
    }
  }
  if constexpr (Tile::kBatchWarps > 1) {
    storeTotals<Tile>(sum, layer, places, shared, gradient);
  } else if (own.inside) {
#pragma unroll
    for (int v = 0; v < Tile::kValues; ++v) {
      if (own.value + v < layer.perRow) gradient[own.begin + at[v] / kPitch] = sum[v];
    }
  }
}

// A tile as the host chooses it.
struct Variant {
  int values, rows, threads, columns;
  void (*kernel)(SampledFactors, MaskedLayer, const uint32_t*, float*);
};

template <typename Tile>
constexpr Variant variant() {
  return {Tile::kValues, Tile::kRows, Tile::kBlockThreads, Tile::kColumns, sampledKernel<Tile>};
}

// Small layers need blocks that share the batch to fill a GPU, large ones lanes with many weights. Kept
// measurements know them by number: new ones come last.
const Variant kVariants[] = {
    variant<Tile<4, 1, 8, 64, 2>>(),   variant<Tile<8, 1, 8, 64, 2>>(),
    variant<Tile<16, 2, 4, 128, 2>>(), variant<Tile<8, 8, 1, 128, 4>>(),
    variant<Tile<8, 8, 1, 256, 2>>(),  variant<Tile<16, 8, 1, 128, 3>>(),
    variant<Tile<16, 8, 1, 256, 2>>(), variant<Tile<32, 4, 1, 256, 2>>(),
};

}  // namespace

int sampledTiles() { return static_cast<int>(std::size(kVariants)); }

// Neighbouring weights of a row that do not begin with a group's first may touch a group more.
bool sampledTileFits(int tile, const NmPattern& pattern) {
  if (tile < 0 || tile >= sampledTiles()) return false;
  const Variant& each = kVariants[tile];
  const int whole = each.values / pattern.n, more = each.values % pattern.n == 0 ? 0 : 2;
  return (whole + more) * pattern.m <= each.columns;
}

void sampleGradient(Context& context, const SampledFactors& factors, const MaskedLayer& layer,
                    const WeightArrays& arrays, int tile) {
  const Variant& each = kVariants[tile];
  const auto blocks = [](int count, int size) {
    return static_cast<unsigned>((count + size - 1) / size);
  };
  const Grid grid = {dim3(blocks(layer.perRow, each.values), blocks(layer.outputs, each.rows),
                          static_cast<unsigned>(layer.members)),
                     dim3(static_cast<unsigned>(each.threads))};
  launch(context, "compute weight gradients", each.kernel, grid, factors, layer,
         static_cast<const uint32_t*>(arrays.places), arrays.gradient);
}

}  // namespace rnm::cuda
