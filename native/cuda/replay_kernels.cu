// Batches from the replay buffer, and the numbers of a graph.
#include "core/philox.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace rnm::cuda {
namespace {

constexpr int kWarp = 32;

// Where an element of a sampled row belongs.
__device__ float* placeOf(const SampleTargets& targets, int64_t sample, int column) {
  float* place = nullptr;
#pragma unroll
  for (int v = 0; v < 5; ++v) {
    const DeviceView& view = targets.views[v];
    if (!place && column < view.columns) place = view.data + sample * view.ld + column;
    column -= view.columns;
  }
  return place;
}

// Elements that a thread reads before it writes any, so that their loads do not wait for each other.
constexpr int kAtOnce = 4;

// A warp copies one row: each of its threads draws the same index, which costs less than sharing.
__global__ void sampleKernel(const float* rows, int64_t rowStride, Scalar<uint64_t> seed,
                             Scalar<uint64_t> draw, Scalar<uint32_t> size, SampleTargets targets,
                             int samples, int width) {
  const int64_t sample = RNM_THREAD / kWarp;
  if (sample >= samples) return;
  // A draw has 2^32 positions of its own: four samples to a Philox block.
  const Philox4 bits =
      philox(seed.get(), kIndexStream, (draw.get() << 32) + static_cast<uint64_t>(sample) / 4);
  const float* row = rows + indexFrom(bits.value[sample % 4], size.get()) * rowStride;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int first = lane; first < width; first += kAtOnce * kWarp) {
    float values[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int column = first + k * kWarp;
      values[k] = column < width ? row[column] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int column = first + k * kWarp;
      if (column < width) *placeOf(targets, sample, column) = values[k];
    }
  }
}

struct Values {
  uint64_t value[64];
};

__global__ void storeScalarsKernel(uint64_t* target, Values values, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) target[i] = values.value[i];
}

}  // namespace

void sampleRows(Context& context, const float* rows, int64_t rowStride, Scalar<uint64_t> seed,
                Scalar<uint64_t> draw, Scalar<uint32_t> size, const SampleTargets& targets) {
  const int samples = targets.views[0].rows;
  int width = 0;
  for (const DeviceView& view : targets.views) width += view.columns;
  launch(context, "sample the replay buffer", sampleKernel,
         gridOf(static_cast<int64_t>(samples) * kWarp), rows, rowStride, seed, draw, size, targets,
         samples, width);
}

void storeScalars(Context& context, uint64_t* target, const uint64_t* values, int count) {
  Values arguments{};
  for (int i = 0; i < count; ++i) arguments.value[i] = values[i];
  launch(context, "store a graph's numbers", storeScalarsKernel, {dim3(1), dim3(64)}, target,
         arguments, count);
}

}  // namespace rnm::cuda
