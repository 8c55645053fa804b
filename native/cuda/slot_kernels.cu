// Where the values of sparse weights lie in a compressed buffer: see sparse_layers.h.
#include <cuda_bf16.h>

#include "core/philox.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/pack.h"
#include "cuda/slot_stores.h"
#include "cuda/sparse_layers.h"

namespace rnm::cuda {
namespace {

// Digits are written as 1 to 255: exact in bfloat16, and never 0, which would be taken for a pruned
// weight.
constexpr uint32_t kBase = 255;
// What stands for a position that no weight can have.
constexpr uint32_t kInvalid = 0xffffffffu;

__device__ bool isActive(const uint8_t* mask, int64_t i) { return mask[i / 8] >> (i % 8) & 1; }

__device__ uint32_t digitOf(uint32_t position, int digit) {
  for (int k = 0; k < digit; ++k) position /= kBase;
  return position % kBase;
}

// The last digit repeats the first, shifted: what stays the same from pass to pass, as the library's
// own data between the values does, can then never be read as a position.
__device__ uint32_t codeOf(uint32_t position, int digit) {
  const bool last = digit == kPositionDigits - 1;
  return last ? (digitOf(position, 0) + 100) % kBase + 1 : digitOf(position, digit) + 1;
}

// What tensor cores read, and thus without what rounding has left in the lower bits.
__device__ float digitIn(const float* p) {
  return __uint_as_float(__float_as_uint(*p) & 0xffffe000u);
}
__device__ float digitIn(const __nv_bfloat16* p) { return load(p); }

__device__ float valueToStore(float value, bool rounded) { return compressedValue(value, rounded); }
__device__ __nv_bfloat16 valueToStore(__nv_bfloat16 value, bool) { return value; }

// Where a weight of the layer lies in the matrix to compress.
__device__ int64_t placeOf(const LayerWeights& layer, int64_t i) {
  return layer.transposedLd == 0 ? i : i % layer.ld * layer.transposedLd + i / layer.ld;
}

template <typename T>
__global__ void writeDigitsKernel(T* target, const uint8_t* mask, LayerWeights layer, int digit) {
  const int64_t i = RNM_THREAD;
  if (i >= layer.count || !isActive(mask, layer.first + i)) return;
  store(target + placeOf(layer, i), static_cast<float>(codeOf(static_cast<uint32_t>(i), digit)));
}

template <typename T>
__global__ void readDigitsKernel(const T* compressed, int64_t elements, uint32_t* positions,
                                 int digit) {
  const int64_t s = RNM_THREAD;
  if (s >= elements) return;
  const float value = digitIn(compressed + s);
  uint32_t position = digit == 0 ? 0 : positions[s];
  // Written so that NaN is no digit either.
  if (!(value >= 1.0f && value <= 255.0f) || value != floorf(value)) position = kInvalid;
  if (position != kInvalid) {
    const uint32_t code = static_cast<uint32_t>(value);
    if (digit == kPositionDigits - 1) {
      if (code != codeOf(position, digit)) position = kInvalid;
    } else {
      uint64_t weight = 1;
      for (int k = 0; k < digit; ++k) weight *= kBase;
      const uint64_t sum = position + weight * (code - 1);
      position = sum < kInvalid ? static_cast<uint32_t>(sum) : kInvalid;
    }
  }
  positions[s] = position;
}

__global__ void storeSlotsKernel(const uint32_t* positions, int64_t elements, const uint8_t* mask,
                                 LayerWeights layer, int64_t begin, uint32_t* slots,
                                 unsigned long long* found) {
  const int64_t s = RNM_THREAD;
  if (s >= elements || positions[s] >= layer.count) return;
  const int64_t i = layer.first + positions[s];
  if (!isActive(mask, i)) return;
  slots[i] = static_cast<uint32_t>(begin + s);
  atomicAdd(found, 1ull);
}

// Numbers without a pattern that are neither 0 nor lost to rounding.
template <typename T>
__global__ void testValuesKernel(T* target, const uint8_t* mask, LayerWeights layer) {
  const int64_t i = RNM_THREAD;
  if (i >= layer.count || !isActive(mask, layer.first + i)) return;
  store(target + placeOf(layer, i),
        0.5f + uniformFrom(philox(1, 2, static_cast<uint64_t>(i)).value[0]));
}

template <typename T>
__global__ void writeSlotsKernel(const T* values, LayerWeights layer, const uint32_t* slots,
                                 bool rounded, T* compressed) {
  const int64_t i = RNM_THREAD;
  if (i >= layer.count) return;
  const uint32_t slot = slots[layer.first + i];
  if (slot != kNoSlot) compressed[slot] = valueToStore(values[placeOf(layer, i)], rounded);
}

// The slot of the first active weight of a group, whose weights lie `step` apart. Counts the groups whose
// active weights have no neighbouring slots.
__device__ uint32_t sharedSlot(const uint32_t* slots, const uint8_t* mask, int64_t begin, int64_t step,
                               int count, unsigned long long* apart) {
  uint32_t first = kNoSlot;
  int found = 0;
  bool neighbours = true;
  for (int k = 0; k < count; ++k) {
    const int64_t i = begin + k * step;
    const uint32_t slot = isActive(mask, i) ? slots[i] : kNoSlot;
    if (slot == kNoSlot) continue;
    ++found;
    if (found == 1) {
      first = slot;
    } else {
      neighbours = neighbours && found == 2 && slot == (first ^ 1u);
    }
  }
  if (!neighbours) atomicAdd(apart, 1ull);
  return first;
}

__global__ void shareSlotsKernel(const uint32_t* slots, const uint8_t* mask, int64_t size, int group,
                                 uint32_t* shared, unsigned long long* apart) {
  const int64_t entry = RNM_THREAD, begin = entry * group;
  if (begin < size) shared[entry] = sharedSlot(slots, mask, begin, 1, group, apart);
}

__global__ void shareTransposedKernel(const uint32_t* slots, const uint8_t* mask, TransposedRows layer,
                                      int group, uint32_t* shared, unsigned long long* apart) {
  const int64_t i = RNM_THREAD, column = i / layer.groups % layer.ld;
  const int64_t member = i / layer.groups / layer.ld;
  if (member >= layer.members) return;
  const int row = static_cast<int>(i % layer.groups) * group;
  const int64_t begin = layer.first + member * layer.stride + row * layer.ld + column;
  shared[layer.entries + i] =
      sharedSlot(slots, mask, begin, layer.ld, min(group, layer.rows - row), apart);
}

// Bits of a group's active weights.
__device__ unsigned lineBits(const uint8_t* mask, const StraightLines& lines, int64_t begin, int count) {
  unsigned bits = 0;
  for (int k = 0; k < count; ++k) bits |= (isActive(mask, begin + k * lines.step) ? 1u : 0u) << k;
  return bits;
}

// A thread has a group of a line.
struct LineGroup {
  int64_t line, group, begin;
  int count;
};

__device__ LineGroup lineGroup(const StraightLines& lines) {
  const int groups = (lines.length + 3) / 4;
  const int64_t i = RNM_THREAD;
  const LineGroup own = {i / groups, i % groups, 0, 0};
  if (own.line >= lines.lines) return own;
  return {own.line, own.group,
          lines.first + own.line * lines.lineStep + 4 * own.group * lines.step,
          min(4, lines.length - 4 * static_cast<int>(own.group))};
}

// Millions of threads see the same: once it is known they need not wait for each other to say so.
__device__ void note(unsigned long long* seen) {
  if (*seen == 0) atomicAdd(seen, 1ull);
}

__global__ void checkStraightKernel(const uint32_t* slots, const uint8_t* mask, StraightLines lines,
                                    unsigned long long* seen) {
  const LineGroup own = lineGroup(lines);
  const unsigned bits = lineBits(mask, lines, own.begin, own.count);
  if (bits == 0) return;
  const int low = lowest(bits), high = highest(bits);
  const int64_t pair = lines.begin + own.line * lines.lineValues + 2 * own.group;
  const int64_t first = slots[own.begin + low * lines.step] - pair;
  const int64_t second = slots[own.begin + high * lines.step] - pair;
  const bool fits = low == high ? first == 0 || first == 1
                                : __popc(bits) == 2 && first == 0 && second == 1;
  if (!fits) {
    note(seen);
  } else if (low == high) {
    note(seen + 1 + 2 * low + first);
  }
}

__global__ void writePairsKernel(const __nv_bfloat16* values, int64_t valueLd, const uint8_t* mask,
                                 StraightLines lines, Slots slots) {
  const LineGroup own = lineGroup(lines);
  if (own.count == 0) return;
  float group[4] = {};
  for (int k = 0; k < own.count; ++k) group[k] = load(values + own.line * valueLd + 4 * own.group + k);
  storePair(slots, lines.begin + own.line * lines.lineValues + 2 * own.group,
            lineBits(mask, lines, own.begin, own.count), group);
}

Grid gridOfGroups(const StraightLines& lines) {
  return gridOf(static_cast<int64_t>(lines.lines) * ((lines.length + 3) / 4));
}

bool bf16(const Context& context) { return context.precision() == Precision::bf16; }

}  // namespace

void writeDigits(Context& context, void* target, const uint8_t* mask, const LayerWeights& layer,
                 int digit) {
  const char* name = "write positions";
  if (bf16(context)) {
    launch(context, name, writeDigitsKernel<__nv_bfloat16>, gridOf(layer.count),
           static_cast<__nv_bfloat16*>(target), mask, layer, digit);
  } else {
    launch(context, name, writeDigitsKernel<float>, gridOf(layer.count),
           static_cast<float*>(target), mask, layer, digit);
  }
}

void readDigits(Context& context, const void* compressed, int64_t elements, uint32_t* positions,
                int digit) {
  const char* name = "read positions";
  if (bf16(context)) {
    launch(context, name, readDigitsKernel<__nv_bfloat16>, gridOf(elements),
           static_cast<const __nv_bfloat16*>(compressed), elements, positions, digit);
  } else {
    launch(context, name, readDigitsKernel<float>, gridOf(elements),
           static_cast<const float*>(compressed), elements, positions, digit);
  }
}

void storeSlots(Context& context, const uint32_t* positions, int64_t elements, const uint8_t* mask,
                const LayerWeights& layer, int64_t begin, uint32_t* slots,
                unsigned long long* found) {
  launch(context, "store slots", storeSlotsKernel, gridOf(elements), positions, elements, mask,
         layer, begin, slots, found);
}

void writeTestValues(Context& context, void* target, const uint8_t* mask,
                     const LayerWeights& layer) {
  const char* name = "write test values";
  if (bf16(context)) {
    launch(context, name, testValuesKernel<__nv_bfloat16>, gridOf(layer.count),
           static_cast<__nv_bfloat16*>(target), mask, layer);
  } else {
    launch(context, name, testValuesKernel<float>, gridOf(layer.count),
           static_cast<float*>(target), mask, layer);
  }
}

void writeSlots(Context& context, const void* values, const LayerWeights& layer,
                const uint32_t* slots, bool rounded, void* compressed) {
  const char* name = "write slots";
  if (bf16(context)) {
    launch(context, name, writeSlotsKernel<__nv_bfloat16>, gridOf(layer.count),
           static_cast<const __nv_bfloat16*>(values), layer, slots, rounded,
           static_cast<__nv_bfloat16*>(compressed));
  } else {
    launch(context, name, writeSlotsKernel<float>, gridOf(layer.count),
           static_cast<const float*>(values), layer, slots, rounded,
           static_cast<float*>(compressed));
  }
}

void shareSlots(Context& context, const uint32_t* slots, const uint8_t* mask, int64_t size, int group,
                uint32_t* shared, unsigned long long* apart) {
  launch(context, "share slots", shareSlotsKernel, gridOf(size / group), slots, mask, size, group,
         shared, apart);
}

void shareTransposedSlots(Context& context, const uint32_t* slots, const uint8_t* mask,
                          const TransposedRows& layer, int group, uint32_t* shared,
                          unsigned long long* apart) {
  launch(context, "share slots", shareTransposedKernel,
         gridOf(layer.members * layer.ld * layer.groups), slots, mask, layer, group, shared, apart);
}

void checkStraight(Context& context, const uint32_t* slots, const uint8_t* mask,
                   const StraightLines& lines, unsigned long long* seen) {
  launch(context, "compare slots", checkStraightKernel, gridOfGroups(lines), slots, mask, lines, seen);
}

void writePairs(Context& context, const void* values, int64_t valueLd, const uint8_t* mask,
                const StraightLines& lines, const Slots& slots) {
  launch(context, "write pairs", writePairsKernel, gridOfGroups(lines),
         static_cast<const __nv_bfloat16*>(values), valueLd, mask, lines, slots);
}

}  // namespace rnm::cuda
