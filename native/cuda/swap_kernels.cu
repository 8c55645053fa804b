// Mask updates that swap weights within groups: see core/swaps.h, whose code this runs. The host says which
// units swap, for all of a layer's are compared.
#include "core/swaps.h"
#include "cuda/kernels.h"
#include "cuda/masks.h"

namespace rnm::cuda {
namespace {

// The values of a unit in an array like the weights.
struct UnitValues {
  const float* first;
  int64_t ld;

  RNM_SHARED_CODE float operator()(int row, int column) const { return first[row * ld + column]; }
};

// The group of a thread, and the unit that begins there.
struct Place {
  int member, row, index;
  Group group;
  SwapUnit unit;  // of no rows where none begins
};

__device__ Place placeAt(const MaskedLayer& layer, const uint8_t* mask) {
  const int64_t i = RNM_THREAD;
  Place place{};
  place.member = static_cast<int>(blockIdx.y);
  place.row = static_cast<int>(i / layer.groups);
  place.index = static_cast<int>(i % layer.groups);
  if (place.row >= layer.outputs) return place;
  place.group = groupOf(layer, place.member, place.row, place.index);
  place.unit.rows = unitRows({layer.n, layer.m}, layer.transposable, layer.outputs, layer.inputs, place.row,
                             place.index);
  place.unit.columns = place.group.size;
  place.unit.n = place.group.keep;
  for (int r = 0; r < place.unit.rows; ++r) {
    place.unit.active[r] = groupBits(mask, groupOf(layer, place.member, place.row + r, place.index));
  }
  return place;
}

// A thread takes a unit.
__global__ void keysKernel(WeightArrays arrays, MaskedLayer layer, uint32_t* keys) {
  const Place place = placeAt(layer, arrays.mask);
  if (place.row >= layer.outputs) return;
  float key = kNoUnit;
  if (place.unit.rows > 0) {
    key = smallestActive(place.unit, UnitValues{arrays.weights + place.group.first, layer.ld}).magnitude;
  }
  keys[choiceOf(layer, place.member, place.row, place.index)] = __float_as_uint(key);
}

__device__ SwapUnit swapUnit(const WeightArrays& arrays, const MaskedLayer& layer, const SwapRule& rule,
                             const Place& place) {
  const SwapPlace dropped =
      smallestActive(place.unit, UnitValues{arrays.weights + place.group.first, layer.ld});
  if (rule.random == 0) {
    return swappedByGradient(place.unit, dropped, UnitValues{arrays.gradient + place.group.first, layer.ld});
  }
  const int number = place.member * rule.layers + rule.layer;
  const uint64_t unit = static_cast<uint64_t>(place.row) * layer.groups + place.index;
  return swappedAtRandom(place.unit, dropped, swapBits(rule.seed, rule.stream, number, unit));
}

// Weights of a row that swap. Moments of active weights alone move with the mask.
__device__ void clearSwapped(const WeightArrays& arrays, const MaskedLayer& layer, const Group& group,
                             uint32_t before, uint32_t after, float newMoment) {
  for (int i = 0; i < group.size; ++i) {
    if (!((before ^ after) >> i & 1u)) continue;
    arrays.weights[group.first + i] = 0.0f;
    if (layer.places >= 0) continue;
    const int64_t moment = layer.moments + group.first - layer.first + i;
    arrays.moment1[moment] = 0.0f;
    arrays.moment2[moment] = after >> i & 1u ? newMoment : 0.0f;
  }
}

// A thread takes a unit, or a group in which all are active. It alone reads and writes what is chosen there.
__global__ void swapKernel(WeightArrays arrays, MaskedLayer layer, SwapRule rule, const float* means,
                           uint32_t* chosen) {
  const Place place = placeAt(layer, arrays.mask);
  if (place.row >= layer.outputs) return;
  uint32_t& choice = chosen[choiceOf(layer, place.member, place.row, place.index)];
  if (place.group.size == place.group.keep) {
    choice = groupBits(arrays.mask, place.group);
    return;
  }
  if (place.unit.rows == 0) return;
  const SwapUnit after = choice == 0 ? place.unit : swapUnit(arrays, layer, rule, place);
  for (int r = 0; r < place.unit.rows; ++r) {
    const int row = place.row + r;
    clearSwapped(arrays, layer, groupOf(layer, place.member, row, place.index), place.unit.active[r],
                 after.active[r], newMomentOf(layer, means, place.member, row));
    chosen[choiceOf(layer, place.member, row, place.index)] = after.active[r];
  }
}

}  // namespace

void findSwapKeys(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, uint32_t* chosen) {
  launch(context, "find what may swap", keysKernel, gridOfRows(layer, layer.outputs, layer.groups), arrays, layer,
         chosen + layer.chosen);
}

void swapWeights(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const SwapRule& rule,
                 const float* means, uint32_t* chosen) {
  launch(context, "swap weights", swapKernel, gridOfRows(layer, layer.outputs, layer.groups), arrays, layer, rule,
         means, chosen + layer.chosen);
}

}  // namespace rnm::cuda
