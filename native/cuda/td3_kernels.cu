// The element-wise operations of TD3, and random numbers.
#include "core/philox.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"

namespace rnm::cuda {
namespace {

__device__ float& at(const DeviceView& view, int64_t row, int column) {
  return view.data[row * view.ld + column];
}

int64_t elements(const DeviceView& view) { return static_cast<int64_t>(view.rows) * view.columns; }

__global__ void fillKernel(DeviceView target, float value) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / target.columns;
  if (row < target.rows) at(target, row, static_cast<int>(i % target.columns)) = value;
}

// A thread draws four neighbouring samples of a column: they share a block of random bits.
__global__ void fillNormalKernel(DeviceView target, Scalar<uint64_t> seed,
                                 Scalar<uint64_t> stream) {
  const int64_t i = RNM_THREAD;
  const int64_t block = i / target.columns;
  const int column = static_cast<int>(i % target.columns);
  if (4 * block >= target.rows) return;
  const Philox4 bits =
      philox(seed.get(), stream.get(), (static_cast<uint64_t>(column) << 32) + block);
  float normals[4];
  normalsFrom(bits.value[0], bits.value[1], &normals[0], &normals[1]);
  normalsFrom(bits.value[2], bits.value[3], &normals[2], &normals[3]);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (4 * block + k < target.rows) at(target, 4 * block + k, column) = normals[k];
  }
}

// Limits travel as arguments of the kernel, which holds for this many actions at a time.
constexpr int kLimits = 128;
struct Limits {
  using OnlyFloats = void;
  float low[kLimits], high[kLimits];
};

// NaN passes through: no comparison with it is true.
__device__ float clip(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

__global__ void smoothKernel(DeviceView action, DeviceView noise, Limits limits, float noiseScale,
                             float noiseClip) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / action.columns;
  const int c = static_cast<int>(i % action.columns);
  if (row >= action.rows) return;
  const float low = limits.low[c], high = limits.high[c];
  const float draw = clip(noiseScale * at(noise, row, c), -noiseClip, noiseClip);
  float& value = at(action, row, c);
  value = clip(value + draw * (0.5f * (high - low)), low, high);
}

__global__ void tdTargetKernel(DeviceView reward, DeviceView terminated, DeviceView q, float gamma,
                               DeviceView target) {
  const int64_t row = RNM_THREAD;
  if (row >= q.rows) return;
  float least = at(q, row, 0);
  for (int e = 1; e < q.columns; ++e) {
    const float other = at(q, row, e);
    // Not fminf(): a NaN of any critic has to stay visible.
    if (!(least <= other)) least = least != least ? least : other;
  }
  at(target, row, 0) = at(reward, row, 0) + gamma * (1.0f - at(terminated, row, 0)) * least;
}

__global__ void mseGradientKernel(DeviceView q, DeviceView target, DeviceView gradient,
                                  float scale) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / q.columns;
  const int e = static_cast<int>(i % q.columns);
  if (row < q.rows) at(gradient, row, e) = scale * (at(q, row, e) - at(target, row, 0));
}

DeviceView part(DeviceView view, int first, int columns) {
  view.data += first;
  view.columns = columns;
  return view;
}

}  // namespace

void fill(Context& context, const DeviceView& target, float value) {
  launch(context, "fill a matrix", fillKernel, gridOf(elements(target)), target, value);
}

void fillNormal(Context& context, const DeviceView& target, Scalar<uint64_t> seed,
                Scalar<uint64_t> stream) {
  const int64_t blocks = (target.rows + 3) / 4;
  launch(context, "draw normals", fillNormalKernel, gridOf(blocks * target.columns), target, seed,
         stream);
}

void smooth(Context& context, const DeviceView& action, const DeviceView& noise,
            const std::vector<float>& low, const std::vector<float>& high, float noiseScale,
            float noiseClip) {
  for (int first = 0; first < action.columns; first += kLimits) {
    const int count = action.columns - first < kLimits ? action.columns - first : kLimits;
    Limits limits{};
    for (int c = 0; c < count; ++c) {
      limits.low[c] = low[first + c];
      limits.high[c] = high[first + c];
    }
    const DeviceView a = part(action, first, count);
    launch(context, "smooth actions", smoothKernel, gridOf(elements(a)), a,
           part(noise, first, count), limits, noiseScale, noiseClip);
  }
}

void tdTarget(Context& context, const DeviceView& reward, const DeviceView& terminated,
              const DeviceView& q, float gamma, const DeviceView& target) {
  launch(context, "compute targets", tdTargetKernel, gridOf(q.rows), reward, terminated, q, gamma,
         target);
}

void mseGradient(Context& context, const DeviceView& q, const DeviceView& target,
                 const DeviceView& gradient) {
  launch(context, "compute the loss's gradient", mseGradientKernel, gridOf(elements(q)), q, target,
         gradient, 2.0f / static_cast<float>(q.rows));
}

}  // namespace rnm::cuda
