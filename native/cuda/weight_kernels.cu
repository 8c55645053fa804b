// Adam and Polyak averaging over all weights and biases of a network at once.
#include <cuda_bf16.h>

#include "cuda/graph.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/masks.h"
#include "cuda/pack.h"
#include "cuda/slot_stores.h"
#include "cuda/weights.h"

namespace rnm::cuda {
namespace {

// The constants of a step change with its number, and so within a graph.
struct AdamScalars {
  using OnlyScalars = void;
  Scalar<float> beta1, rest1, beta2, rest2, stepSize, inverseCorrection2, epsilon;
};

__device__ AdamStep stepOf(const AdamScalars& s) {
  return {s.beta1.get(),    s.rest1.get(),              s.beta2.get(),  s.rest2.get(),
          s.stepSize.get(), s.inverseCorrection2.get(), s.epsilon.get()};
}

__device__ void adamOne(const AdamStep& s, float g, float& weight, float& moment1,
                        float& moment2) {
  moment1 = s.beta1 * moment1 + s.rest1 * g;
  moment2 = s.beta2 * moment2 + s.rest2 * g * g;
  weight -= s.stepSize * moment1 / (sqrtf(moment2) * s.inverseCorrection2 + s.epsilon);
}

// Four weights that have a slot each.
template <typename T>
__device__ void storeElements(const Slots& slots, int64_t i, const Floats4& weight) {
  const uint4 packed = *reinterpret_cast<const uint4*>(slots.of + i);
  storeSlot<T>(slots, packed.x, weight.value[0]);
  storeSlot<T>(slots, packed.y, weight.value[1]);
  storeSlot<T>(slots, packed.z, weight.value[2]);
  storeSlot<T>(slots, packed.w, weight.value[3]);
}

// The groups of four neighbours of a row: one of four, or two of two.
__device__ void storeGroups(const Slots& slots, int64_t i, unsigned bits, const Floats4& weight,
                            __nv_bfloat16* type) {
  storeGroup(slots, slots.of[i / 4], bits, weight.value, type);
}

__device__ void storeGroups(const Slots& slots, int64_t i, unsigned bits, const Floats4& weight,
                            float* type) {
  const uint2 packed = *reinterpret_cast<const uint2*>(slots.of + i / 2);
  storeGroup(slots, packed.x, bits, weight.value, type);
  storeGroup(slots, packed.y, bits >> 2, weight.value + 2, type);
}

template <typename T>
__device__ void storeSlots(const Slots& slots, int64_t i, unsigned bits, const Floats4& weight) {
  if (!slots.compressed) return;
  if (slots.straight > 0) {
    const int64_t slot = straightSlot(slots, i);
    if (slot >= 0) storePair(slots, slot, bits, weight.value);
  } else if (slots.group == 1) {
    storeElements<T>(slots, i, weight);
  } else {
    storeGroups(slots, i, bits, weight, static_cast<T*>(nullptr));
  }
}

// An active weight by itself. The second one of a group lies beside the first.
template <typename T>
__device__ void storeOne(const Slots& slots, const uint8_t* mask, int64_t i, float weight) {
  if (!slots.compressed) return;
  const unsigned bits = slots.group == 4 ? maskBits(mask, i / 4 * 4) : 0;
  const bool second = slots.group == 4 && i % 4 != lowest(bits);
  if (slots.straight > 0) {
    const int64_t slot = straightSlot(slots, i);
    const bool late = second || (lowest(bits) == highest(bits) && slots.singles >> (i % 4) & 1u);
    if (slot >= 0) storeSlot<T>(slots, static_cast<uint32_t>(slot + late), weight);
    return;
  }
  const uint32_t slot = slots.of[i / slots.group];
  if (slot != kNoSlot) storeSlot<T>(slots, slot ^ (second ? 1u : 0u), weight);
}

// What products read of four weights: their places in the masked matrix, and their slots.
template <typename T>
__device__ void storeEffective(const WeightArrays& a, int64_t i, unsigned bits, Floats4 weight) {
  storeSlots<T>(a.slots, i, bits, weight);
  storeSlots<T>(a.transposedSlots, i, bits, weight);
  if (!a.effective) return;
#pragma unroll
  for (int k = 0; k < 4; ++k) weight.value[k] = bits >> k & 1u ? weight.value[k] : 0.0f;
  store4(static_cast<T*>(a.effective) + i, weight);
}

// Every element of a run learns.
template <typename T>
__device__ void adamEverywhere(const WeightArrays& a, const AdamStep& step, const Segment& segment,
                               uint32_t begin, float srLambda) {
  const int64_t i = static_cast<int64_t>(segment.first) + begin;
  const int64_t at = static_cast<int64_t>(segment.moments) + begin;
  const unsigned bits = maskBits(a.mask, i);
  const Floats4 g = load4(a.gradient + i);
  Floats4 w = load4(a.weights + i), m = load4(a.moment1 + at), v = load4(a.moment2 + at);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const float decay = bits >> k & 1u ? 0.0f : srLambda * w.value[k];
    adamOne(step, g.value[k] + decay, w.value[k], m.value[k], v.value[k]);
  }
  store4(a.weights + i, w);
  store4(a.moment1 + at, m);
  store4(a.moment2 + at, v);
  storeEffective<T>(a, i, bits, w);
}

// Active weights alone learn, wherever they lie.
template <typename T>
__device__ void adamAtPlaces(const WeightArrays& a, const AdamStep& step, const Segment& segment,
                             uint32_t begin) {
  const int64_t at = static_cast<int64_t>(segment.moments) + begin;
  const uint4 packed =
      *reinterpret_cast<const uint4*>(a.places + static_cast<int64_t>(segment.places) + begin);
  const uint32_t places[4] = {packed.x, packed.y, packed.z, packed.w};
  Floats4 m = load4(a.moment1 + at), v = load4(a.moment2 + at);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (places[k] == kNowhere) continue;
    const int64_t i = places[k];
    float w = a.weights[i];
    adamOne(step, a.gradient[i], w, m.value[k], v.value[k]);
    a.weights[i] = w;
    if (a.effective) store(static_cast<T*>(a.effective) + i, w);
    storeOne<T>(a.slots, a.mask, i, w);
    storeOne<T>(a.transposedSlots, a.mask, i, w);
  }
  store4(a.moment1 + at, m);
  store4(a.moment2 + at, v);
}

// Moments of kActive weights, which lie side by side.
template <int kActive>
struct alignas(sizeof(float) * kActive) Moments {
  float value[kActive];
};

// kActive of every four neighbours learn, or of a larger group one: everything is read and written in the order
// of memory.
template <typename T, int kActive>
__device__ void adamInGroups(const WeightArrays& a, const AdamStep& step, const Segment& segment,
                             uint32_t begin) {
  const int64_t i = static_cast<int64_t>(segment.first) + begin;
  const unsigned bits = maskBits(a.mask, i);
  if (bits == 0) return;
  const int64_t at = static_cast<int64_t>(segment.moments) + begin / segment.groupSize * kActive;
  const Floats4 g = load4(a.gradient + i);
  Floats4 w = load4(a.weights + i);
  auto& m = *reinterpret_cast<Moments<kActive>*>(a.moment1 + at);
  auto& v = *reinterpret_cast<Moments<kActive>*>(a.moment2 + at);
  Moments<kActive> m1 = m, m2 = v;
  const int columns[2] = {lowest(bits), highest(bits)};
#pragma unroll
  for (int k = 0; k < kActive; ++k) {
    float weight = pick(w.value, columns[k]);
    adamOne(step, pick(g.value, columns[k]), weight, m1.value[k], m2.value[k]);
#pragma unroll
    for (int c = 0; c < 4; ++c) w.value[c] = c == columns[k] ? weight : w.value[c];
  }
  m = m1;
  v = m2;
  store4(a.weights + i, w);
  storeEffective<T>(a, i, bits, w);
}

template <typename T>
__global__ void adamKernel(WeightArrays a, AdamScalars scalars, float srLambda) {
  const Piece piece = a.pieces[blockIdx.x];
  const Segment segment = a.segments[piece.segment];
  const uint32_t begin = piece.begin + 4 * threadIdx.x;
  if (begin >= segment.count) return;
  AdamStep step = stepOf(scalars);
  step.stepSize *= segment.rate;
  if (segment.perGroup == 2) {
    adamInGroups<T, 2>(a, step, segment, begin);
  } else if (segment.perGroup == 1) {
    adamInGroups<T, 1>(a, step, segment, begin);
  } else if (segment.places == kEverywhere) {
    adamEverywhere<T>(a, step, segment, begin, srLambda);
  } else {
    adamAtPlaces<T>(a, step, segment, begin);
  }
}

// Networks of a launch, each from its first block on.
constexpr int kAverages = 4;
struct Averages {
  int64_t count;
  Average of[kAverages];
};

template <typename T>
__global__ void polyakKernel(Averages averages, Scalar<float> tau) {
  const int64_t block = blockIdx.x;
  int which = 0;
#pragma unroll
  for (int k = 1; k < kAverages; ++k) {
    which = k < averages.count && block >= averages.of[k].firstBlock ? k : which;
  }
  const WeightArrays& a = averages.of[which].arrays;
  const int64_t i = 4 * ((block - averages.of[which].firstBlock) * blockDim.x + threadIdx.x);
  if (i >= a.size) return;
  const Floats4 s = load4(averages.of[which].source + i);
  const float rate = tau.get();
  Floats4 w = load4(a.weights + i);
#pragma unroll
  for (int k = 0; k < 4; ++k) w.value[k] += rate * (s.value[k] - w.value[k]);
  store4(a.weights + i, w);
  storeEffective<T>(a, i, maskBits(a.mask, i), w);
}

// What follows from weights and masks; dormant weights are forgotten where they are not kept.
template <typename T>
__global__ void refreshKernel(WeightArrays a, bool keepDormant) {
  const int64_t i = 4 * RNM_THREAD;
  if (i >= a.size) return;
  const unsigned bits = maskBits(a.mask, i);
  Floats4 w = load4(a.weights + i);
  if (!keepDormant) {
#pragma unroll
    for (int k = 0; k < 4; ++k) w.value[k] = bits >> k & 1u ? w.value[k] : 0.0f;
    store4(a.weights + i, w);
  }
  storeEffective<T>(a, i, bits, w);
}

// Padding is dormant too, and 0.
__global__ void scaleDormantKernel(WeightArrays a, Scalar<float> factor) {
  const int64_t i = 4 * RNM_THREAD;
  if (i >= a.size) return;
  const unsigned bits = maskBits(a.mask, i);
  if (bits == 15u) return;
  Floats4 w = load4(a.weights + i);
#pragma unroll
  for (int k = 0; k < 4; ++k) w.value[k] *= bits >> k & 1u ? 1.0f : factor.get();
  store4(a.weights + i, w);
}

AdamScalars scalarsOf(Context& context, const AdamStep& s) {
  return {context.scalar(s.beta1),    context.scalar(s.rest1),
          context.scalar(s.beta2),    context.scalar(s.rest2),
          context.scalar(s.stepSize), context.scalar(s.inverseCorrection2),
          context.scalar(s.epsilon)};
}

__global__ void largestKernel(const float* values, int64_t count, unsigned long long* largest) {
  unsigned most = 0;
  const int64_t threads = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = RNM_THREAD; i < count; i += threads) {
    const unsigned bits = __float_as_uint(values[i]) & 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  for (int lane = 16; lane > 0; lane /= 2) {
    const unsigned other = __shfl_xor_sync(0xffffffffu, most, lane);
    most = other > most ? other : most;
  }
  if (threadIdx.x % 32 == 0) atomicMax(largest, static_cast<unsigned long long>(most));
}

}  // namespace

void adam(Context& context, const WeightArrays& arrays, const AdamStep& step, float srLambda) {
  const Grid grid = {dim3(static_cast<unsigned>(arrays.pieceCount))};
  const auto kernel =
      context.precision() == Precision::bf16 ? adamKernel<__nv_bfloat16> : adamKernel<float>;
  launch(context, "take an Adam step", kernel, grid, arrays, scalarsOf(context, step), srLambda);
}

void polyak(Context& context, const std::vector<Average>& averages, float tau) {
  const auto kernel =
      context.precision() == Precision::bf16 ? polyakKernel<__nv_bfloat16> : polyakKernel<float>;
  for (size_t done = 0; done < averages.size(); done += kAverages) {
    Averages some{};
    int64_t blocks = 0;
    for (size_t k = done; k < averages.size() && some.count < kAverages; ++k) {
      Average& one = some.of[some.count++];
      one = averages[k];
      one.firstBlock = blocks;
      blocks += gridOf(one.arrays.size / 4).blocks.x;
    }
    launch(context, "average targets", kernel, gridOf(blocks * kThreads), some, context.scalar(tau));
  }
}

void refreshEffective(Context& context, const WeightArrays& arrays, bool keepDormant) {
  const auto kernel =
      context.precision() == Precision::bf16 ? refreshKernel<__nv_bfloat16> : refreshKernel<float>;
  launch(context, "refresh weights", kernel, gridOf(arrays.size / 4), arrays, keepDormant);
}

void scaleDormant(Context& context, const WeightArrays& arrays, float factor) {
  launch(context, "scale dormant weights", scaleDormantKernel, gridOf(arrays.size / 4), arrays,
         context.scalar(factor));
}

void largestBits(Context& context, const float* values, int64_t count,
                 unsigned long long* largest) {
  // Each thread looks at several, so that few of them meet at the result.
  launch(context, "find the largest weight", largestKernel, gridOf((count + 15) / 16), values, count,
         largest);
}

}  // namespace rnm::cuda
