// Row-wise N:M sparsity: which weights of a row stay active.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/shared_code.h"

namespace rnm {

// At most n of every m consecutive weights of a row are active; n = 0 stands for a dense layer.
struct NmPattern {
  int n = 0;
  int m = 0;

  bool dense() const { return n == 0; }
  // "2:4"
  std::string name() const { return std::to_string(n) + ":" + std::to_string(m); }
  // Number of active weights in a row of `columns` weights: the last group may be shorter than m
  // and keeps min(n, its size).
  int activePerRow(int columns) const;
  bool operator==(const NmPattern& other) const { return n == other.n && m == other.m; }
};

constexpr int kMaxGroup = 32;

// Throws std::invalid_argument unless the pattern is dense or 1 <= n <= m <= 32.
void validatePattern(const NmPattern& pattern);

// NaN above everything, so that a NaN weight is seen rather than silently dropped.
RNM_SHARED_CODE inline float magnitude(float value) {
  return value != value ? static_cast<float>(INFINITY) : std::fabs(value);
}

// Projects one row: writes the active columns in ascending order (activePerRow(columns) of them).
// The largest magnitudes win, ties go to the lower column, NaN counts as larger than any number.
void projectRow(const float* row, int columns, const NmPattern& pattern, uint16_t* active);

// Appends the active columns of a mask's row given as numbers. Throws std::invalid_argument unless
// the row, whose number is for the error message, fits the pattern.
void appendActive(const float* mask, int columns, const NmPattern& pattern, int row,
                  std::vector<uint16_t>& active);

// Writes the columns that are not in `active` (ascending, columns - activeCount of them).
void complementRow(const uint16_t* active, int activeCount, int columns, uint16_t* dormant);

// Number of columns that are in exactly one of two ascending lists.
int rowDivergence(const uint16_t* a, int countA, const uint16_t* b, int countB);

}  // namespace rnm
