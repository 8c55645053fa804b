#include "core/mask_shape.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace rnm {

void validateMaskShape(MaskShape shape, const NmPattern& pattern) {
  if (shape == MaskShape::row || pattern.dense() || pattern.m == kBandRows) return;
  throw std::invalid_argument("Expected transposable masks to have M = 4 but received the pattern " +
                              std::to_string(pattern.n) + ":" + std::to_string(pattern.m));
}

namespace {

// A row's mask is 4 bits of its tile's. Masks in descending order are in the order in which ties are
// broken.
using TileMask = uint16_t;
constexpr int kRowMasks = 1 << kBandRows;

int shiftOf(int row) { return 4 * (3 - row); }
unsigned rowMask(TileMask mask, int row) { return mask >> shiftOf(row) & 15u; }
bool isActive(TileMask mask, int row, int column) { return rowMask(mask, row) >> (3 - column) & 1u; }

bool columnsHoldAtMost(TileMask mask, int n) {
  for (int column = 0; column < 4; ++column) {
    int active = 0;
    for (int row = 0; row < 4; ++row) active += isActive(mask, row, column);
    if (active > n) return false;
  }
  return true;
}

// All masks of a tile of `rows` rows, in descending order: each row may follow what fits above it.
std::vector<TileMask> enumerateMasks(int rows, int n) {
  std::vector<TileMask> masks = {0};
  for (int row = 0; row < rows; ++row) {
    std::vector<TileMask> longer;
    for (const TileMask above : masks) {
      for (unsigned own = kRowMasks - 1; own > 0; --own) {
        const auto mask = static_cast<TileMask>(above | own << shiftOf(row));
        if (std::popcount(own) == n && columnsHoldAtMost(mask, n)) longer.push_back(mask);
      }
    }
    masks = std::move(longer);
  }
  return masks;
}

// What is known of a tile before masks are tried: the totals of every part of every row.
struct TileTotals {
  double of[4][kRowMasks] = {};  // finite magnitudes; rows that the tile lacks are zero
  TileMask unbounded = 0;        // NaN and infinity

  TileTotals(const float* tile, size_t stride, int rows) {
    for (int row = 0; row < rows; ++row) {
      double magnitudes[4];
      for (int column = 0; column < 4; ++column) {
        const float value = tile[row * stride + column];
        const bool finite = std::isfinite(value);
        magnitudes[column] = finite ? std::fabs(value) : 0.0f;
        if (!finite) unbounded |= static_cast<TileMask>(1u << (shiftOf(row) + 3 - column));
      }
      // A part is what it was without its last column, and that column.
      for (unsigned part = 1; part < kRowMasks; ++part) {
        of[row][part] = of[row][part & (part - 1)] + magnitudes[3 - std::countr_zero(part)];
      }
    }
  }
};

TileMask largestMask(const TileTotals& totals, const std::vector<TileMask>& masks) {
  const auto unboundedIn = [&](TileMask mask) {
    return std::popcount(static_cast<TileMask>(mask & totals.unbounded));
  };
  int most = 0;
  if (totals.unbounded) {
    for (const TileMask mask : masks) most = std::max(most, unboundedIn(mask));
  }
  TileMask best = 0;
  double bestTotal = -1.0;
  for (const TileMask mask : masks) {
    if (totals.unbounded && unboundedIn(mask) < most) continue;
    const double total = totals.of[0][rowMask(mask, 0)] + totals.of[1][rowMask(mask, 1)] +
                         totals.of[2][rowMask(mask, 2)] + totals.of[3][rowMask(mask, 3)];
    // Strict: the first of equals stays.
    if (total > bestTotal) {
      best = mask;
      bestTotal = total;
    }
  }
  return best;
}

// The columns that transposable masks cover: all whole tiles.
int wholeTiles(int columns) { return columns / 4 * 4; }

// Columns [begin, columns) of every row by themselves; begin is a multiple of m.
void projectRows(const float* weights, int rows, int begin, int columns, const NmPattern& pattern,
                 uint16_t* active) {
  const int perRow = pattern.activePerRow(columns);
  const int before = pattern.activePerRow(begin);
  for (int row = 0; row < rows; ++row) {
    uint16_t* own = active + static_cast<size_t>(row) * perRow + before;
    projectRow(weights + static_cast<size_t>(row) * columns + begin, columns - begin, pattern, own);
    for (int k = 0; k < perRow - before; ++k) own[k] = static_cast<uint16_t>(own[k] + begin);
  }
}

void projectTransposable(const float* weights, int rows, int columns, const NmPattern& pattern,
                         uint16_t* active) {
  const int perRow = pattern.activePerRow(columns);
  const std::vector<TileMask>& masks = tileMasks(rows, pattern.n);
  for (int tile = 0; tile < wholeTiles(columns); tile += 4) {
    const TileMask mask =
        largestMask(TileTotals(weights + tile, static_cast<size_t>(columns), rows), masks);
    for (int row = 0; row < rows; ++row) {
      uint16_t* own = active + static_cast<size_t>(row) * perRow + tile / 4 * pattern.n;
      for (int column = 0; column < 4; ++column) {
        if (isActive(mask, row, column)) *own++ = static_cast<uint16_t>(tile + column);
      }
    }
  }
  projectRows(weights, rows, wholeTiles(columns), columns, pattern, active);
}

}  // namespace

const std::vector<uint16_t>& tileMasks(int rows, int n) {
  static const auto all = [] {
    std::array<std::array<std::vector<TileMask>, 4>, 4> tables;
    for (int r = 1; r <= 4; ++r) {
      for (int k = 1; k <= 4; ++k) tables[r - 1][k - 1] = enumerateMasks(r, k);
    }
    return tables;
  }();
  return all[rows - 1][n - 1];
}

void projectBand(const float* weights, int rows, int columns, const NmPattern& pattern,
                 MaskShape shape, uint16_t* active) {
  // No column can have more than n of n rows.
  if (shape == MaskShape::row || rows <= pattern.n) {
    projectRows(weights, rows, 0, columns, pattern, active);
  } else {
    projectTransposable(weights, rows, columns, pattern, active);
  }
}

void validateMask(const uint16_t* active, int rows, int columns, const NmPattern& pattern,
                  MaskShape shape) {
  if (shape == MaskShape::row) return;
  const int perRow = pattern.activePerRow(columns);
  std::vector<int> counts(columns);
  for (int begin = 0; begin < rows; begin += kBandRows) {
    const int end = std::min(rows, begin + kBandRows);
    std::fill(counts.begin(), counts.end(), 0);
    const uint16_t* last = active + static_cast<size_t>(end) * perRow;
    for (const uint16_t* k = active + static_cast<size_t>(begin) * perRow; k < last; ++k) ++counts[*k];
    for (int column = 0; column < wholeTiles(columns); ++column) {
      if (counts[column] <= pattern.n) continue;
      throw std::invalid_argument(
          "Expected a transposable mask to have at most " + std::to_string(pattern.n) +
          " active entries in column " + std::to_string(column) + ", rows " +
          std::to_string(begin) + " to " + std::to_string(end - 1) + " but received " +
          std::to_string(counts[column]));
    }
  }
}

}  // namespace rnm
