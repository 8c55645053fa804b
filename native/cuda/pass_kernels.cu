// What passes need beside matrix products: conversions, the output's tanh, and the gradients'
// element-wise parts with the sums over the batch that biases get.
#include <cuda_bf16.h>

#include <algorithm>

#include "cuda/bias_sums.h"
#include "cuda/clip.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/pack.h"

namespace rnm::cuda {
namespace {

// Four elements to a thread, read as one where they lie so: `ld` is a multiple of four.
template <typename T>
__global__ void convertInputKernel(DeviceView input, T* target, int64_t ld) {
  const int64_t i = 4 * RNM_THREAD;
  const int64_t row = i / ld;
  if (row >= input.rows) return;
  const int column = static_cast<int>(i % ld);
  const float* source = input.data + row * input.ld + column;
  Floats4 values;
  if (column + 4 <= input.columns && reinterpret_cast<uintptr_t>(source) % 16 == 0) {
    values = load4(source);
  } else {
#pragma unroll
    for (int k = 0; k < 4; ++k) values.value[k] = column + k < input.columns ? source[k] : 0.0f;
  }
  store4(target + i, values);
}

template <typename T>
__global__ void clearPaddingKernel(T* activity, PassShape shape) {
  const int64_t i = RNM_THREAD, padding = shape.ld - shape.width;
  const int64_t row = i / padding, member = row / shape.rows;
  if (member >= shape.members) return;
  store(activity + member * shape.stride + row % shape.rows * shape.ld + shape.width + i % padding,
        0.0f);
}

__global__ void storeOutputKernel(float* values, PassShape shape, const float* centre, const float* half,
                                  const float* low, const float* high, DeviceView output) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / output.columns;
  if (row >= shape.rows) return;
  const int column = static_cast<int>(i % output.columns);
  const int j = column % shape.width;
  float* value = values + (column / shape.width) * shape.stride + row * shape.ld + j;
  float result = *value;
  if (half) {
    const float t = tanhf(result);
    *value = t;
    result = clip(centre[j] + half[j] * t, low[j], high[j]);
  }
  output.data[row * output.ld + column] = result;
}

// Gradients of pre-activations and their columns' sums: a block takes a chunk's rows of some columns. Its
// threads lie side by side in x, each with kColumns neighbouring columns, and in y, line by line, each with
// every blockDim.y-th row: threads without a row or a column of their own take part in the sums.
constexpr int kWarps = kThreads / 32;
// Rows that a thread reads before it writes any, so that their loads do not wait for each other.
constexpr int kRowsAtOnce = 4;
// Of a block: its threads side by side at most, and their columns.
constexpr int kMostLanes = 32, kMostColumns = 64;

struct Chunk {
  int firstRow, endRow, member;
};

__device__ Chunk chunkOf(const PassShape& shape) {
  const int first = static_cast<int>(blockIdx.y) * kChunkRows;
  return {first + static_cast<int>(threadIdx.y), min(shape.rows, first + kChunkRows),
          static_cast<int>(blockIdx.z)};
}

// Adds up what the lines of a block have summed: first within each warp, then warp by warp.
template <int kColumns>
__device__ void storeSums(const float (&sum)[kColumns], const PassShape& shape, const Chunk& chunk,
                          const ColumnSums& sums) {
  __shared__ float partial[kWarps][kMostColumns];
  const int lanes = static_cast<int>(blockDim.x), columns = lanes * kColumns;
  const int thread = static_cast<int>(threadIdx.y) * lanes + static_cast<int>(threadIdx.x);
#pragma unroll
  for (int k = 0; k < kColumns; ++k) {
    float total = sum[k];
    for (int other = 16; other >= lanes; other /= 2) {
      total += __shfl_xor_sync(0xffffffffu, total, other);
    }
    if (thread % 32 < lanes) partial[thread / 32][threadIdx.x * kColumns + k] = total;
  }
  __syncthreads();
  const int j = static_cast<int>(blockIdx.x) * columns + thread;
  if (thread >= columns || j >= shape.width) return;
  const int warps = lanes * static_cast<int>(blockDim.y) / 32;
  float total = 0.0f;
  for (int warp = 0; warp < warps; ++warp) total += partial[warp][thread];
  sums.data[chunk.member * sums.memberStride + blockIdx.y * sums.chunkStride + j] = total;
}

template <typename T>
__global__ void outputDeltaKernel(DeviceView outputGradient, const float* squashed,
                                  const float* half, T* delta, PassShape shape, ColumnSums sums) {
  const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int lines = static_cast<int>(blockDim.y);
  const Chunk chunk = chunkOf(shape);
  const float* gradient = outputGradient.data + chunk.member * shape.width + j;
  const int64_t first = chunk.member * shape.stride + j;
  const int end = j < shape.width ? chunk.endRow : 0;
  const float range = half && j < shape.width ? half[j] : 1.0f;
  float sum[1] = {0.0f};
  for (int begin = chunk.firstRow; begin < end; begin += kRowsAtOnce * lines) {
    float value[kRowsAtOnce], squash[kRowsAtOnce];
#pragma unroll
    for (int k = 0; k < kRowsAtOnce; ++k) {
      const int row = begin + k * lines;
      value[k] = row < end ? gradient[row * outputGradient.ld] : 0.0f;
      squash[k] = half && row < end ? squashed[first + row * shape.ld] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < kRowsAtOnce; ++k) {
      const int row = begin + k * lines;
      value[k] *= range * (1.0f - squash[k] * squash[k]);
      if (row < end) store(delta + first + row * shape.ld, value[k]);
      sum[0] += value[k];
    }
  }
  if (sums.data) storeSums(sum, shape, chunk, sums);
}

// More would leave fewer threads room for their registers.
constexpr int kPacksAtOnce = 2;

// A pack of columns to a thread. Padding columns are computed with and never read.
template <typename T>
__global__ void hiddenDeltaKernel(T* delta, const T* activity, PassShape shape, ColumnSums sums) {
  constexpr int kColumns = Pack<T>::kCount;
  const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * kColumns;
  const int lines = static_cast<int>(blockDim.y);
  const Chunk chunk = chunkOf(shape);
  const int64_t first = chunk.member * shape.stride + j;
  const int end = j < shape.width ? chunk.endRow : 0;
  float sum[kColumns] = {};
  for (int begin = chunk.firstRow; begin < end; begin += kPacksAtOnce * lines) {
    Pack<T> d[kPacksAtOnce], a[kPacksAtOnce];
#pragma unroll
    for (int k = 0; k < kPacksAtOnce; ++k) {
      const int64_t at = first + (begin + k * lines) * shape.ld;
      if (begin + k * lines >= end) continue;
      d[k] = loadPack(delta + at);
      a[k] = loadPack(activity + at);
    }
#pragma unroll
    for (int k = 0; k < kPacksAtOnce; ++k) {
      if (begin + k * lines >= end) continue;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        if (!(load(&a[k].value[c]) > 0.0f)) store(&d[k].value[c], 0.0f);
        sum[c] += load(&d[k].value[c]);
      }
      storePack(delta + first + (begin + k * lines) * shape.ld, d[k]);
    }
  }
  if (sums.data) storeSums(sum, shape, chunk, sums);
}

// The same, with the product of few columns of deltas and as many rows of weights that it is taken of.
template <typename T>
__global__ void narrowDeltaKernel(NarrowLayer last, const T* lastDelta, const T* weights, T* delta,
                                  const T* activity, PassShape shape, ColumnSums sums) {
  constexpr int kColumns = Pack<T>::kCount;
  const int j = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * kColumns;
  const int lines = static_cast<int>(blockDim.y);
  const Chunk chunk = chunkOf(shape);
  lastDelta += chunk.member * last.deltaStride;
  weights += chunk.member * last.weightStride + j;
  const int64_t first = chunk.member * shape.stride + j;
  const int end = j < shape.width ? chunk.endRow : 0;
  float sum[kColumns] = {};
  for (int row = chunk.firstRow; row < end; row += lines) {
    const Pack<T> a = loadPack(activity + first + row * shape.ld);
    float value[kColumns] = {};
    for (int64_t o = 0; o < last.outputs; ++o) {
      const float d = load(lastDelta + row * last.deltaLd + o);
      const Pack<T> w = loadPack(weights + o * last.weightLd);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) value[c] += d * load(&w.value[c]);
    }
    Pack<T> result;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      store(&result.value[c], load(&a.value[c]) > 0.0f ? value[c] : 0.0f);
      sum[c] += load(&result.value[c]);
    }
    storePack(delta + first + row * shape.ld, result);
  }
  if (sums.data) storeSums(sum, shape, chunk, sums);
}

__global__ void sumMembersKernel(const float* source, PassShape shape, int first,
                                 DeviceView target) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / target.columns;
  if (row >= target.rows) return;
  const int column = static_cast<int>(i % target.columns);
  float sum = 0.0f;
  for (int member = 0; member < shape.members; ++member) {
    sum += source[member * shape.stride + row * shape.ld + first + column];
  }
  target.data[row * target.ld + column] = sum;
}

// A thread takes a column: neighbours read neighbours.
template <typename T>
__global__ void countIdleKernel(const T* activity, PassShape shape, unsigned long long* idle) {
  const int64_t column = RNM_THREAD % shape.width, member = RNM_THREAD / shape.width;
  if (member >= shape.members) return;
  const T* values = activity + member * shape.stride + column;
  for (int row = 0; row < shape.rows; ++row) {
    // NaN is not 0.
    if (load(values + row * shape.ld) != 0.0f) return;
  }
  atomicAdd(idle, 1ull);
}

Grid chunkGrid(const PassShape& shape, int columns) {
  return {dim3(static_cast<unsigned>((shape.width + columns - 1) / columns),
               static_cast<unsigned>(chunksOf(shape.rows)), static_cast<unsigned>(shape.members))};
}

// With as many threads side by side as read whole lines of memory, but for fewer where there would be too
// few blocks for a GPU.
constexpr int64_t kManyBlocks = 256;
Grid lanesGrid(const PassShape& shape, int columns, int least, int most) {
  int lanes = most;
  Grid grid = chunkGrid(shape, lanes * columns);
  const auto blocks = [&] { return int64_t{grid.blocks.x} * grid.blocks.y * grid.blocks.z; };
  while (lanes > least && blocks() < kManyBlocks) grid = chunkGrid(shape, (lanes /= 2) * columns);
  // A thread for every row of a small batch, in whole warps, and one for every column that is summed.
  int lines = std::max(32 / lanes, columns);
  while (lines < std::min(shape.rows, kThreads / lanes)) lines *= 2;
  grid.threads = dim3(static_cast<unsigned>(lanes), static_cast<unsigned>(lines));
  return grid;
}

template <typename T>
void outputDeltaOf(Context& context, const DeviceView& outputGradient, const float* squashed,
                   const float* half, void* delta, const PassShape& shape, ColumnSums sums) {
  launch(context, "compute the output's gradient", outputDeltaKernel<T>,
         lanesGrid(shape, 1, 1, kMostLanes), outputGradient, squashed, half, static_cast<T*>(delta),
         shape, sums);
}

template <typename T>
void hiddenDeltaOf(Context& context, void* delta, const void* activity, const PassShape& shape,
                   ColumnSums sums) {
  constexpr int kColumns = Pack<T>::kCount;
  launch(context, "compute a hidden layer's gradient", hiddenDeltaKernel<T>,
         lanesGrid(shape, kColumns, 8 / kColumns, 8), static_cast<T*>(delta),
         static_cast<const T*>(activity), shape, sums);
}

template <typename T>
void narrowDeltaOf(Context& context, const NarrowLayer& last, const void* lastDelta,
                   const void* weights, void* delta, const void* activity, const PassShape& shape,
                   ColumnSums sums) {
  constexpr int kColumns = Pack<T>::kCount;
  launch(context, "compute the last hidden layer's gradient", narrowDeltaKernel<T>,
         lanesGrid(shape, kColumns, 8 / kColumns, 8), last, static_cast<const T*>(lastDelta),
         static_cast<const T*>(weights), static_cast<T*>(delta), static_cast<const T*>(activity),
         shape, sums);
}

}  // namespace

void convertInput(Context& context, const DeviceView& input, void* target, const PassShape& shape) {
  launch(context, "convert a network's input", convertInputKernel<__nv_bfloat16>,
         gridOf(input.rows * shape.ld / 4), input, static_cast<__nv_bfloat16*>(target), shape.ld);
}

void clearPadding(Context& context, void* activity, const PassShape& shape) {
  const char* name = "clear a layer's padding";
  const Grid grid = gridOf(shape.members * shape.rows * (shape.ld - shape.width));
  if (context.precision() == Precision::bf16) {
    launch(context, name, clearPaddingKernel<__nv_bfloat16>, grid,
           static_cast<__nv_bfloat16*>(activity), shape);
  } else {
    launch(context, name, clearPaddingKernel<float>, grid, static_cast<float*>(activity), shape);
  }
}

void storeOutput(Context& context, float* values, const PassShape& shape, const OutputRange& range,
                 const DeviceView& output) {
  launch(context, "store a network's output", storeOutputKernel,
         gridOf(static_cast<int64_t>(output.rows) * output.columns), values, shape, range.centre, range.half,
         range.low, range.high, output);
}

void outputDelta(Context& context, const DeviceView& outputGradient, const float* squashed,
                 const float* half, void* delta, const PassShape& shape,
                 const ColumnSums& sums) {
  if (context.precision() == Precision::bf16) {
    outputDeltaOf<__nv_bfloat16>(context, outputGradient, squashed, half, delta, shape, sums);
  } else {
    outputDeltaOf<float>(context, outputGradient, squashed, half, delta, shape, sums);
  }
}

void hiddenDelta(Context& context, void* delta, const void* activity, const PassShape& shape,
                 const ColumnSums& sums) {
  if (context.precision() == Precision::bf16) {
    hiddenDeltaOf<__nv_bfloat16>(context, delta, activity, shape, sums);
  } else {
    hiddenDeltaOf<float>(context, delta, activity, shape, sums);
  }
}

void narrowDelta(Context& context, const NarrowLayer& last, const void* lastDelta,
                 const void* weights, void* delta, const void* activity, const PassShape& shape,
                 const ColumnSums& sums) {
  const bool bf16 = context.precision() == Precision::bf16;
  (bf16 ? narrowDeltaOf<__nv_bfloat16> : narrowDeltaOf<float>)(context, last, lastDelta, weights,
                                                               delta, activity, shape, sums);
}

void countIdle(Context& context, const void* activity, const PassShape& shape, unsigned long long* idle) {
  const char* name = "count idle units";
  const Grid grid = gridOf(shape.members * shape.width);
  if (context.precision() == Precision::bf16) {
    launch(context, name, countIdleKernel<__nv_bfloat16>, grid, static_cast<const __nv_bfloat16*>(activity),
           shape, idle);
  } else {
    launch(context, name, countIdleKernel<float>, grid, static_cast<const float*>(activity), shape, idle);
  }
}

void sumMembers(Context& context, const float* source, const PassShape& shape, int first,
                const DeviceView& target) {
  launch(context, "sum the members' input gradients", sumMembersKernel,
         gridOf(static_cast<int64_t>(target.rows) * target.columns), source, shape, first, target);
}

}  // namespace rnm::cuda
