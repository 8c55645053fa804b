// Mask updates that swap weights within groups: a small active weight goes dormant, and a dormant one
// takes its place, with the largest gradient (RigL, Evci et al. 2020) or drawn at random (SET, Mocanu et
// al. 2018).
//
// A layer is cut into units. Under masks of shape `row` a unit is a group of M columns of a row that has a
// dormant column. Of a layer's units those swap whose smallest active magnitude is smallest; ties go to the
// upper row, then to the left group. There the smallest active weight goes dormant (ties: the higher column)
// and a dormant column becomes active (ties: the lower).
//
// Under transposable masks a unit is a tile of 4 rows, in which a swap must leave N active weights in each
// row and at most N in each column. If the column that grows is full, a second weight of it goes dormant,
// and becomes active again, in its own row, in the column that has lost one: the corners of a rectangle
// change. Of all such swaps the one with the largest mean gradient is taken. Rows of a tile that are
// projected one by one are units of their own: see mask_shape.h.
//
// Units are numbered as the groups of a layer are, row by row; a tile has the number of its upper left group.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/mask_shape.h"
#include "core/philox.h"

namespace rnm {

// What a unit's weights are and which are active: bit c of active[r] is column c of row r.
struct SwapUnit {
  int rows, columns, n;
  uint32_t active[kBandRows];

  RNM_SHARED_CODE bool isActive(int row, int column) const { return active[row] >> column & 1u; }
  RNM_SHARED_CODE bool hasRoom(int column) const {
    int count = 0;
    for (int row = 0; row < rows; ++row) count += isActive(row, column);
    return count < n;
  }
};

// How many rows the unit at a row's group has; 0 where none begins.
RNM_SHARED_CODE inline int unitRows(const NmPattern& pattern, bool transposable, int outputs, int inputs,
                                    int row, int group) {
  const int left = inputs - group * pattern.m, columns = left < pattern.m ? left : pattern.m;
  if (columns <= pattern.n) return 0;
  const int band = outputs - row / kBandRows * kBandRows;
  const int rows = band < kBandRows ? band : kBandRows;
  if (!transposable || rows <= pattern.n || columns < pattern.m) return 1;
  return row % kBandRows == 0 ? rows : 0;
}

struct SwapPlace {
  int row, column;
  float magnitude;
};

// The smallest active weight; of equal ones the last in reading order. weight(row, column) gives a weight.
template <typename Weight>
RNM_SHARED_CODE SwapPlace smallestActive(const SwapUnit& unit, const Weight& weight) {
  SwapPlace least = {0, 0, static_cast<float>(INFINITY)};
  for (int row = 0; row < unit.rows; ++row) {
    for (int column = 0; column < unit.columns; ++column) {
      if (!unit.isActive(row, column)) continue;
      const float size = magnitude(weight(row, column));
      if (size <= least.magnitude) least = {row, column, size};
    }
  }
  return least;
}

// Calls action(column, other) for every swap in which `dropped` goes dormant and `column` of its row becomes
// active, in ascending order. `other` is the row whose weight in `column` goes dormant too, and becomes active
// in the column of `dropped`; -1 if none has to.
template <typename Action>
RNM_SHARED_CODE void forEachSwap(const SwapUnit& unit, const SwapPlace& dropped, const Action& action) {
  for (int column = 0; column < unit.columns; ++column) {
    if (unit.isActive(dropped.row, column)) continue;
    if (unit.rows == 1 || unit.hasRoom(column)) {
      action(column, -1);
      continue;
    }
    for (int other = 0; other < unit.rows; ++other) {
      if (other == dropped.row || !unit.isActive(other, column)) continue;
      if (!unit.isActive(other, dropped.column)) action(column, other);
    }
  }
}

// The unit's active columns after a swap.
RNM_SHARED_CODE inline SwapUnit swapped(SwapUnit unit, const SwapPlace& dropped, int column, int other) {
  const uint32_t lost = 1u << dropped.column, grown = 1u << column;
  unit.active[dropped.row] = (unit.active[dropped.row] & ~lost) | grown;
  if (other >= 0) unit.active[other] = (unit.active[other] & ~grown) | lost;
  return unit;
}

// The swap with the largest (mean) magnitude of gradients where weights become active; the first of equals.
template <typename Gradient>
RNM_SHARED_CODE SwapUnit swappedByGradient(const SwapUnit& unit, const SwapPlace& dropped,
                                           const Gradient& gradient) {
  SwapUnit best = unit;
  float most = -1.0f;
  forEachSwap(unit, dropped, [&](int column, int other) {
    float gain = magnitude(gradient(dropped.row, column));
    if (other >= 0) gain = 0.5f * (gain + magnitude(gradient(other, dropped.column)));
    if (!(gain > most)) return;
    most = gain;
    best = swapped(unit, dropped, column, other);
  });
  return best;
}

// A swap drawn by 32 random bits.
RNM_SHARED_CODE inline SwapUnit swappedAtRandom(const SwapUnit& unit, const SwapPlace& dropped, uint32_t bits) {
  uint32_t ways = 0;
  forEachSwap(unit, dropped, [&](int, int) { ++ways; });
  const uint32_t drawn = indexFrom(bits, ways);
  SwapUnit result = unit;
  uint32_t way = 0;
  forEachSwap(unit, dropped, [&](int column, int other) {
    if (way++ == drawn) result = swapped(unit, dropped, column, other);
  });
  return result;
}

// The random bits for a unit of a layer, of which `layer` counts through all members of a network.
RNM_SHARED_CODE inline uint32_t swapBits(uint64_t seed, uint64_t stream, int layer, uint64_t unit) {
  return philox(seed, stream, (static_cast<uint64_t>(layer) << 40) + unit).value[0];
}

// The key of a place where no unit begins.
constexpr float kNoUnit = -1.0f;

// Which units swap: `fraction` of them, rounded half up, those with the smallest keys; ties go to the lower
// number. keys[u] is the smallest active magnitude of unit u, or kNoUnit. Returns 1 for each that swaps.
std::vector<uint8_t> chooseSwaps(const float* keys, size_t size, double fraction);

}  // namespace rnm
