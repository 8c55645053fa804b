#include "core/nm.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace rnm {

int NmPattern::activePerRow(int columns) const {
  if (dense()) return columns;
  return columns / m * n + std::min(n, columns % m);
}

void validatePattern(const NmPattern& pattern) {
  if (pattern.dense() && pattern.m == 0) return;
  if (pattern.n < 1 || pattern.n > pattern.m || pattern.m > kMaxGroup) {
    throw std::invalid_argument("Expected N:M to have 1 <= N <= M <= 32 but received " +
                                std::to_string(pattern.n) + ":" + std::to_string(pattern.m));
  }
}

namespace {

// Bit set of the `keep` largest magnitudes of a group; strict comparison gives ties to the lower.
uint32_t selectLargest(const float* group, int size, int keep) {
  if (keep == size) return size == 32 ? 0xffffffffu : (1u << size) - 1u;
  uint32_t chosen = 0;
  for (int round = 0; round < keep; ++round) {
    int best = -1;
    float bestMagnitude = -1.0f;
    for (int i = 0; i < size; ++i) {
      if (chosen >> i & 1u) continue;
      const float candidate = magnitude(group[i]);
      if (candidate > bestMagnitude) {
        best = i;
        bestMagnitude = candidate;
      }
    }
    chosen |= 1u << best;
  }
  return chosen;
}

}  // namespace

void projectRow(const float* row, int columns, const NmPattern& pattern, uint16_t* active) {
  for (int begin = 0; begin < columns; begin += pattern.m) {
    const int size = std::min(pattern.m, columns - begin);
    const uint32_t chosen = selectLargest(row + begin, size, std::min(pattern.n, size));
    for (int i = 0; i < size; ++i) {
      if (chosen >> i & 1u) *active++ = static_cast<uint16_t>(begin + i);
    }
  }
}

void appendActive(const float* mask, int columns, const NmPattern& pattern, int row,
                  std::vector<uint16_t>& active) {
  for (int begin = 0; begin < columns; begin += pattern.m) {
    const int size = std::min(pattern.m, columns - begin);
    const int expected = std::min(pattern.n, size);
    int found = 0;
    for (int i = 0; i < size; ++i) {
      if (mask[begin + i] == 0.0f) continue;
      active.push_back(static_cast<uint16_t>(begin + i));
      ++found;
    }
    if (found == expected) continue;
    throw std::invalid_argument("Expected the mask to have " + std::to_string(expected) +
                                " active entries in row " + std::to_string(row) + ", columns " +
                                std::to_string(begin) + " to " +
                                std::to_string(begin + size - 1) + " but received " +
                                std::to_string(found));
  }
}

void complementRow(const uint16_t* active, int activeCount, int columns, uint16_t* dormant) {
  int next = 0;
  for (int column = 0; column < columns; ++column) {
    if (next < activeCount && active[next] == column) {
      ++next;
    } else {
      *dormant++ = static_cast<uint16_t>(column);
    }
  }
}

int rowDivergence(const uint16_t* a, int countA, const uint16_t* b, int countB) {
  int i = 0, j = 0, shared = 0;
  while (i < countA && j < countB) {
    if (a[i] == b[j]) {
      ++shared, ++i, ++j;
    } else if (a[i] < b[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return countA + countB - 2 * shared;
}

}  // namespace rnm
