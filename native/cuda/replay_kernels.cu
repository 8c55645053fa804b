// Batches from the replay buffer, and the numbers of a graph.
#include "core/philox.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/pack.h"

namespace rnm::cuda {
namespace {

constexpr int kWarp = 32;

// A warp's part of a row: four floats at a time as far as both sides allow it.
__device__ void copyPart(float* target, const float* source, int count, int lane) {
  int done = 0;
  if ((reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source)) % 16 == 0) {
    done = count / 4 * 4;
    for (int c = 4 * lane; c < done; c += 4 * kWarp) store4(target + c, load4(source + c));
  }
  for (int c = done + lane; c < count; c += kWarp) target[c] = source[c];
}

// A warp copies one row: each of its threads draws the same index, which costs less than sharing.
__global__ void sampleKernel(const float* rows, int64_t rowStride, Scalar<uint64_t> seed,
                             Scalar<uint64_t> draw, Scalar<uint32_t> size, SampleTargets targets,
                             int samples) {
  const int64_t sample = RNM_THREAD / kWarp;
  if (sample >= samples) return;
  // A draw has 2^32 positions of its own: four samples to a Philox block.
  const Philox4 bits =
      philox(seed.get(), kIndexStream, (draw.get() << 32) + static_cast<uint64_t>(sample) / 4);
  const float* row = rows + indexFrom(bits.value[sample % 4], size.get()) * rowStride;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int v = 0; v < 5; ++v) {
    const DeviceView& view = targets.views[v];
    copyPart(view.data + sample * view.ld, row, view.columns, lane);
    row += view.columns;
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
  launch(context, "sample the replay buffer", sampleKernel,
         gridOf(static_cast<int64_t>(samples) * kWarp), rows, rowStride, seed, draw, size, targets,
         samples);
}

void storeScalars(Context& context, uint64_t* target, const uint64_t* values, int count) {
  Values arguments{};
  for (int i = 0; i < count; ++i) arguments.value[i] = values[i];
  launch(context, "store a graph's numbers", storeScalarsKernel, {dim3(1), dim3(64)}, target,
         arguments, count);
}

}  // namespace rnm::cuda
