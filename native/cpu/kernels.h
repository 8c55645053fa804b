// The CPU's kernels as a table of plain functions, one table per instruction set.
//
// A batch is held in tiles of 32 samples, [tile][feature][32]: a feature of a tile is two AVX-512
// vectors, and a tile of 256 features fits the L1 cache. Kernels work on some tiles (forward), on one
// (data gradient) or on a range of output rows over all tiles (weight gradient).
//
// The sources of the tables are compiled once per instruction set: no STL here or there, or the
// linker could pick an AVX-512 copy of a shared inline function for a machine without it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace rnm::cpu {

constexpr int kTile = 32;
constexpr int kTransposedGroup = 4;
// Tiles that a forward pass takes through the layers together: kernels may read a weight once for them.
constexpr int kForwardTiles = 2;

// One layer's weights as the kernels see them. columns == nullptr: dense, values [out, in].
struct WeightsRef {
  int inputs, outputs;
  int perRow;               // values per output row
  int perBlock;             // values of a row that lie within one block of about 32 inputs
  const float* values;      // [outputs, perRow]
  const uint16_t* columns;  // [outputs, perRow], ascending within a row
  // Transposed index. Inputs are ordered by their number of entries and taken in groups of
  // kTransposedGroup; within a group all have the longest's number, filled up with zero weights, so
  // that a group is computed as a block of rows is in the forward pass.
  const uint16_t* transposedOrder;   // [inputs]: the inputs, group by group
  const uint32_t* transposedStart;   // [inputs]: where an input's entries begin
  const uint16_t* transposedLength;  // [inputs]: their number, filling included
  const uint16_t* transposedRows;    // [entries]: output row
  const float* transposedValues;     // [entries]
};

struct ForwardArgs {
  WeightsRef weights;
  const float* bias;
  const float* x;  // tile t at x + t * xStride, [inputs][32]
  float* y;        // tile t at y + t * yStride, [outputs][32]
  size_t xStride, yStride;
  int tiles;
  bool relu;
};

struct DataGradientArgs {
  WeightsRef weights;
  const float* dy;        // [outputs][32]
  float* dx;              // [count][32], for inputs first .. first + count - 1
  int first, count;
  const float* activity;  // [count][32]: dx is zeroed where this is not positive; may be null
  bool accumulate;        // add to dx instead of overwriting it
};

struct WeightGradientArgs {
  WeightsRef weights;
  const float* x;   // tile t at x + t * xStride, [inputs][32]
  const float* dy;  // tile t at dy + t * dyStride, [outputs][32]
  size_t xStride, dyStride;
  int tiles;
  int rowBegin, rowEnd;
  bool dense;           // gradient at all positions [outputs, inputs], else [outputs, perRow]
  float* gradient;      // overwritten in the given rows
  float* biasGradient;  // [outputs], likewise
};

struct AdamArgs {
  float *weights, *moment1, *moment2;
  const float* gradient;
  size_t count;
  // 1 - beta is rounded from double: 1 - 0.999f is off by 5e-5.
  float beta1, rest1, beta2, rest2, stepSize, inverseCorrection2, epsilon;
};

// What tanh of one output is scaled to. Rounding may lead out of the range at its ends, hence the limits.
struct SquashArgs {
  float centre, half;  // of the range
  float low, high;
};

// Target policy smoothing of one action.
struct SmoothArgs {
  float low, high;    // the action's range
  float scale, clip;  // of the noise, in units of half the range
};

// One tile of the TD target y = reward + discount * min over the critics of q.
struct TdTargetArgs {
  const float* reward;  // [32], as are discount and target
  const float* discount;
  const float* q;       // [critics][32]
  int critics;
  float* target;
};

struct KernelTable {
  const char* name;
  // y = W x + b, then ReLU if asked for.
  void (*forward)(const ForwardArgs&);
  // dx = W^T dy.
  void (*dataGradient)(const DataGradientArgs&);
  // dW[o, i] = sum over the batch of dy[o] x[i].
  void (*weightGradient)(const WeightGradientArgs&);
  // PyTorch's Adam: w -= stepSize * m / (sqrt(v) * inverseCorrection2 + epsilon).
  void (*adam)(const AdamArgs&);
  // target += tau * (source - target), so many times.
  void (*polyak)(float* target, const float* source, size_t count, float tau, int times);
  // tile[c][b] = rows[b][c], for the 32 samples of a tile: how a batch is gathered.
  void (*gather)(const float* const* rows, int columns, float* tile);

  // The rest are element-wise, on the 32 samples of one column of a tile.
  // y = clip(centre + half * tanh(y), low, high); tanh's value goes to `kept` too unless it is null.
  void (*squash)(float* y, float* kept, const SquashArgs&);
  // 32 standard normals of 32 random words, which are eight blocks of Philox's.
  void (*normals)(const uint32_t* bits, float* values);
  // x = (x - mean) * scale.
  void (*normalize)(float* x, float mean, float scale);
  void (*smooth)(float* action, const float* noise, const SmoothArgs&);
  void (*tdTarget)(const TdTargetArgs&);
  // gradient = scale * (q - target).
  void (*mseGradient)(const float* q, const float* target, float scale, float* gradient);
};

}  // namespace rnm::cpu
