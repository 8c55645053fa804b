// The element-wise operations of TD3, and random numbers.
#include "core/philox.h"
#include "cuda/clip.h"
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

// Four neighbouring samples of a column share a block of random bits.
struct Normals4 {
  float value[4];
};

__device__ Normals4 draw4(uint64_t seed, uint64_t stream, int column, int64_t block) {
  const Philox4 bits = philox(seed, stream, (static_cast<uint64_t>(column) << 32) + block);
  Normals4 normals;
  normalsFrom(bits.value[0], bits.value[1], &normals.value[0], &normals.value[1]);
  normalsFrom(bits.value[2], bits.value[3], &normals.value[2], &normals.value[3]);
  return normals;
}

__global__ void fillNormalKernel(DeviceView target, Scalar<uint64_t> seed,
                                 Scalar<uint64_t> stream) {
  const int64_t i = RNM_THREAD;
  const int64_t block = i / target.columns;
  const int column = static_cast<int>(i % target.columns);
  if (4 * block >= target.rows) return;
  const Normals4 normals = draw4(seed.get(), stream.get(), column, block);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (4 * block + k < target.rows) at(target, 4 * block + k, column) = normals.value[k];
  }
}

__global__ void normalizeKernel(DeviceView values, DeviceView statistics) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / values.columns;
  const int c = static_cast<int>(i % values.columns);
  if (row >= values.rows) return;
  float& value = at(values, row, c);
  value = (value - at(statistics, 0, c)) * at(statistics, 1, c);
}

// Limits travel as arguments of the kernel, which holds for this many actions at a time.
constexpr int kLimits = 128;
struct Limits {
  using OnlyFloats = void;
  float low[kLimits], high[kLimits];
};

__device__ float smoothed(float action, float noise, float low, float high,
                          const NoiseLimits& limits) {
  const float draw = clip(limits.scale * noise, -limits.clip, limits.clip);
  return clip(action + draw * (0.5f * (high - low)), low, high);
}

__global__ void smoothKernel(DeviceView action, DeviceView noise, Limits range,
                             NoiseLimits limits) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / action.columns;
  const int c = static_cast<int>(i % action.columns);
  if (row >= action.rows) return;
  float& value = at(action, row, c);
  value = smoothed(value, at(noise, row, c), range.low[c], range.high[c], limits);
}

// `action` are the columns from `first` on of what fillNormal would draw normals for, one to blockIdx.y. A
// thread reads its samples before it writes any, so that their loads do not wait for each other.
__global__ void smoothNormalKernel(DeviceView action, int first, Scalar<uint64_t> seed,
                                   Scalar<uint64_t> stream, Limits range, NoiseLimits limits) {
  const int64_t block = RNM_THREAD;
  const int c = static_cast<int>(blockIdx.y);
  if (4 * block >= action.rows) return;
  float values[4];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    values[k] = 4 * block + k < action.rows ? at(action, 4 * block + k, c) : 0.0f;
  }
  const Normals4 normals = draw4(seed.get(), stream.get(), first + c, block);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (4 * block + k >= action.rows) continue;
    at(action, 4 * block + k, c) =
        smoothed(values[k], normals.value[k], range.low[c], range.high[c], limits);
  }
}

__device__ float targetOf(const TdViews& views, int64_t row) {
  float least = at(views.q, row, 0);
  for (int e = 1; e < views.q.columns; ++e) {
    const float other = at(views.q, row, e);
    // Not fminf(): a NaN of any critic has to stay visible.
    if (!(least <= other)) least = least != least ? least : other;
  }
  return at(views.reward, row, 0) + at(views.discount, row, 0) * least;
}

__global__ void tdTargetKernel(TdViews views, DeviceView target) {
  const int64_t row = RNM_THREAD;
  if (row < target.rows) at(target, row, 0) = targetOf(views, row);
}

__global__ void tdGradientKernel(TdViews views, DeviceView target, DeviceView q, DeviceView gradient,
                                 float scale) {
  const int64_t row = RNM_THREAD;
  if (row >= target.rows) return;
  const float y = targetOf(views, row);
  at(target, row, 0) = y;
  for (int e = 0; e < q.columns; ++e) at(gradient, row, e) = scale * (at(q, row, e) - y);
}

__global__ void mseGradientKernel(DeviceView q, DeviceView target, DeviceView gradient,
                                  float scale) {
  const int64_t i = RNM_THREAD;
  const int64_t row = i / q.columns;
  const int e = static_cast<int>(i % q.columns);
  if (row < q.rows) at(gradient, row, e) = scale * (at(q, row, e) - at(target, row, 0));
}

// Of the mean over the batch of squared errors.
float errorScale(const DeviceView& q) { return 2.0f / static_cast<float>(q.rows); }

DeviceView part(DeviceView view, int first, int columns) {
  view.data += first;
  view.columns = columns;
  return view;
}

int64_t blocksOf(const DeviceView& view) { return (view.rows + 3) / 4; }

// Takes as many columns at a time as limits fit a kernel's arguments.
template <typename Action>
void forLimits(int columns, const std::vector<float>& low, const std::vector<float>& high,
               const Action& action) {
  for (int first = 0; first < columns; first += kLimits) {
    const int count = columns - first < kLimits ? columns - first : kLimits;
    Limits limits{};
    for (int c = 0; c < count; ++c) {
      limits.low[c] = low[first + c];
      limits.high[c] = high[first + c];
    }
    action(first, count, limits);
  }
}

}  // namespace

void fill(Context& context, const DeviceView& target, float value) {
  launch(context, "fill a matrix", fillKernel, gridOf(elements(target)), target, value);
}

void fillNormal(Context& context, const DeviceView& target, Scalar<uint64_t> seed,
                Scalar<uint64_t> stream) {
  launch(context, "draw normals", fillNormalKernel, gridOf(blocksOf(target) * target.columns),
         target, seed, stream);
}

void normalize(Context& context, const DeviceView& values, const DeviceView& statistics) {
  launch(context, "normalize values", normalizeKernel, gridOf(elements(values)), values, statistics);
}

void smooth(Context& context, const DeviceView& action, const DeviceView& noise,
            const std::vector<float>& low, const std::vector<float>& high, NoiseLimits limits) {
  forLimits(action.columns, low, high, [&](int first, int count, const Limits& range) {
    const DeviceView a = part(action, first, count);
    launch(context, "smooth actions", smoothKernel, gridOf(elements(a)), a,
           part(noise, first, count), range, limits);
  });
}

void smoothNormal(Context& context, const DeviceView& action, Scalar<uint64_t> seed,
                  Scalar<uint64_t> stream, const std::vector<float>& low,
                  const std::vector<float>& high, NoiseLimits limits) {
  forLimits(action.columns, low, high, [&](int first, int count, const Limits& range) {
    const DeviceView a = part(action, first, count);
    Grid grid = gridOf(blocksOf(a));
    grid.blocks.y = static_cast<unsigned>(count);
    launch(context, "smooth actions by drawn noise", smoothNormalKernel, grid, a, first, seed,
           stream, range, limits);
  });
}

void tdTarget(Context& context, const TdViews& views, const DeviceView& target) {
  launch(context, "compute targets", tdTargetKernel, gridOf(target.rows), views, target);
}

void mseGradient(Context& context, const DeviceView& q, const DeviceView& target,
                 const DeviceView& gradient) {
  launch(context, "compute the loss's gradient", mseGradientKernel, gridOf(elements(q)), q, target,
         gradient, errorScale(q));
}

void tdGradient(Context& context, const TdViews& views, const DeviceView& target, const DeviceView& q,
                const DeviceView& gradient) {
  launch(context, "compute targets and the loss's gradient", tdGradientKernel, gridOf(q.rows), views,
         target, q, gradient, errorScale(q));
}

}  // namespace rnm::cuda
