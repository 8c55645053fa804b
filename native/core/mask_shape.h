// Which of the masks that fit an N:M pattern a projection chooses.
//
// A transposable mask is N:4 along the rows of W and along its columns, so that the data gradient
// meets the same sparsity in the transpose as the forward pass does in W (Hubara et al. 2021,
// "Accelerated sparse neural training: a provable and efficient method to find N:M transposable
// masks"). W is cut into tiles of 4 rows and 4 columns; of all masks with N active weights in each
// row of a tile and at most N in each column, the one of largest total magnitude is taken. They are
// few enough to be tried one by one: 90 at 2:4, 24 at 1:4 and 3:4.
//
// - Ties go to the mask that is active at the first place, in reading order, at which the two
//   differ. A tile of equal weights becomes two 2 x 2 blocks on the diagonal at 2:4, and the
//   diagonal at 1:4.
// - Totals are computed in double precision, row by row and from left to right in a row, and the
//   rows' sums in that order. They are exact unless magnitudes are more than 2^25 apart.
// - NaN and infinity count as larger than any total: the more of them the better, then the rest.
// - A tile at the bottom may have fewer than 4 rows: the same rule holds. One of at most N rows is
//   projected row by row.
// - A tile at the right may have fewer than 4 columns. N:M masks keep min(N, columns) weights of
//   each row there, which in 4 rows is more than the columns may hold: no mask is N:4 both ways.
//   Its rows are projected one by one, and these columns (3 at most) are not N:4.
#pragma once

#include <cstdint>
#include <vector>

#include "core/nm.h"

namespace rnm {

//   row           the n largest of every m consecutive weights of a row
//   transposable  the largest in total that are n:4 in both directions; for n:4 alone
enum class MaskShape { row, transposable };

// Rows that are projected together: a band begins at a multiple of this.
constexpr int kBandRows = 4;

// Throws std::invalid_argument unless masks of this pattern can have the shape.
void validateMaskShape(MaskShape shape, const NmPattern& pattern);

// The masks that a tile of `rows` rows is given one of, in the order in which ties are broken; rows
// and n are from 1 to 4. A mask is 16 bits in reading order, the first place highest.
const std::vector<uint16_t>& tileMasks(int rows, int n);

// Projects a band of `rows` (1 to 4) rows: writes each row's active columns in ascending order,
// [rows, activePerRow(columns)]. See projectRow for `row`.
void projectBand(const float* weights, int rows, int columns, const NmPattern& pattern,
                 MaskShape shape, uint16_t* active);

// Throws std::invalid_argument unless a whole mask, given by each row's active columns, is one
// that a projection of this shape may choose. That rows fit the pattern is taken for granted.
void validateMask(const uint16_t* active, int rows, int columns, const NmPattern& pattern,
                  MaskShape shape);

}  // namespace rnm
