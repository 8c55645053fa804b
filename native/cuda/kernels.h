// The kernels as the host calls them: each enqueues its work on the context's stream. Pointers are
// to device memory.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "cuda/context.h"

namespace rnm::cuda {

// Some columns of a batch in device memory, row-major with `ld` floats from row to row.
struct DeviceView {
  float* data = nullptr;
  int64_t ld = 0;
  int rows = 0, columns = 0;
};

// ---- td3_kernels.cu: the element-wise operations of TD3, and random numbers
void fill(Context& context, const DeviceView& target, float value);
void fillNormal(Context& context, const DeviceView& target, Scalar<uint64_t> seed,
                Scalar<uint64_t> stream);
// The rows of the statistics are the columns' means and scales.
void normalize(Context& context, const DeviceView& values, const DeviceView& statistics);
struct NoiseLimits {
  using OnlyFloats = void;
  float scale, clip;
};
void smooth(Context& context, const DeviceView& action, const DeviceView& noise,
            const std::vector<float>& low, const std::vector<float>& high, NoiseLimits limits);
void smoothNormal(Context& context, const DeviceView& action, Scalar<uint64_t> seed,
                  Scalar<uint64_t> stream, const std::vector<float>& low,
                  const std::vector<float>& high, NoiseLimits limits);
struct TdViews {
  DeviceView reward, discount, q;  // q: of the target critics
};
void tdTarget(Context& context, const TdViews& views, const DeviceView& target);
void mseGradient(Context& context, const DeviceView& q, const DeviceView& target,
                 const DeviceView& gradient);
// Both at once, of the critics' own q.
void tdGradient(Context& context, const TdViews& views, const DeviceView& target, const DeviceView& q,
                const DeviceView& gradient);

// ---- replay_kernels.cu
struct SampleTargets {
  DeviceView views[5];  // side by side they are a row
};
void sampleRows(Context& context, const float* rows, int64_t rowStride, Scalar<uint64_t> seed,
                Scalar<uint64_t> draw, Scalar<uint32_t> size, const SampleTargets& targets);
// Values that the kernels of a graph read.
void storeScalars(Context& context, uint64_t* target, const uint64_t* values, int count);

// ---- pass_kernels.cu: what passes need beside matrix products. Activations and their gradients
// are [member][row][ld], with `stride` elements from member to member, of `Precision`'s type.
struct PassShape {
  int64_t ld, stride;
  int64_t members;
  int rows, width;
};
// To bfloat16, with zeros up to `ld`.
void convertInput(Context& context, const DeviceView& input, void* target, const PassShape& shape);
// Zeros from `width` to `ld`.
void clearPadding(Context& context, void* activity, const PassShape& shape);
// Of each output, on the device; all null where outputs are linear.
struct OutputRange {
  const float *centre, *half, *low, *high;
};
// The last layer's pre-activations (float32) to the output, its members side by side. With a range tanh is
// applied, replaces the pre-activations and is scaled to the range, which rounding does not leave.
void storeOutput(Context& context, float* values, const PassShape& shape, const OutputRange& range,
                 const DeviceView& output);
struct ColumnSums;
// dL/d(pre-activation) of the last layer, and the sums of its columns: see bias_sums.h.
void outputDelta(Context& context, const DeviceView& outputGradient, const float* squashed,
                 const float* half, void* delta, const PassShape& shape, const ColumnSums& sums);
// delta = 0 where the activity is not above 0, and the sums of delta's columns.
void hiddenDelta(Context& context, void* delta, const void* activity, const PassShape& shape,
                 const ColumnSums& sums);
// hiddenDelta() of the product of the last layer's deltas and weights, which is not stored itself: reading
// and writing it takes longer than computing it where there are few outputs. Rows of weights have zeros
// up to a multiple of eight columns.
constexpr int kNarrow = 8;
struct NarrowLayer {
  int64_t outputs;
  int64_t deltaLd, deltaStride, weightLd, weightStride;
};
void narrowDelta(Context& context, const NarrowLayer& last, const void* lastDelta,
                 const void* weights, void* delta, const void* activity, const PassShape& shape,
                 const ColumnSums& sums);
// Adds the number of a member's columns that are 0 in every row to *idle.
void countIdle(Context& context, const void* activity, const PassShape& shape, unsigned long long* idle);
// target[:, j] = sum over the members of source[member, :, first + j] (float32).
void sumMembers(Context& context, const float* source, const PassShape& shape, int first,
                const DeviceView& target);

// ---- weight_kernels.cu: the arrays of a network that weights.h describes
struct WeightArrays;
void adam(Context& context, const WeightArrays& arrays, const AdamStep& step, float srLambda);
struct Average;
// Of several networks at once; none of them is another one's source.
void polyak(Context& context, const std::vector<Average>& averages, float tau);
// What follows from weights and masks; `keepDormant`: else dormant weights become zero.
void refreshEffective(Context& context, const WeightArrays& arrays, bool keepDormant);
// Multiplies dormant weights by a factor. Products do not read them.
void scaleDormant(Context& context, const WeightArrays& arrays, float factor);
// *largest = the larger of itself and the bits of every value without its sign: NaN is above all.
void largestBits(Context& context, const float* values, int64_t count,
                 unsigned long long* largest);

// ---- sampled_kernels.cu
struct MaskedLayer;
// The gradient of a layer's output, and its input: [member][row][outputs or inputs] with `ld` elements from row
// to row and `stride` from member to member, float32.
struct SampledFactors {
  const float* delta;
  int64_t deltaLd, deltaStride;
  const float* input;
  int64_t inputLd, inputStride;
  int64_t rows;
};
// The same sums can be shared out in so many ways, which differ in time and rounding; each is for patterns
// whose groups are not too wide for it.
int sampledTiles();
bool sampledTileFits(int tile, const NmPattern& pattern);
// The weight gradients of the layer's members, at active weights alone: delta^T input. Of rows with `places`.
void sampleGradient(Context& context, const SampledFactors& factors, const MaskedLayer& layer,
                    const WeightArrays& arrays, int tile);

// ---- compressed_transposes.cu
struct Slots;
// A layer of W whose transpose is compressed: its weights begin at `first`, those of other members `stride`
// further on. The entries of its groups, which lie across rows, are [member][column][group]. Where the format is
// straight, pairs of a column's values follow each other, columns `columnValues` apart, from `begin` on.
struct TransposedRows {
  int64_t first, stride, ld, entries;
  int rows, columns, groups, members;
  int64_t begin, beginStride, columnValues;
};
void storeTranspose(Context& context, const void* effective, const uint8_t* mask,
                    const TransposedRows& layer, const Slots& slots);

// ---- slot_kernels.cu: see sparse_layers.h. Values and buffers are of `Precision`'s type.
// A layer's weights: `count` elements from `first` on of the network's array and of the mask, in
// rows of `ld`. Matrices to compress hold them as they lie, or transposed in rows of `transposedLd`
// if that is not 0. Only active weights are written there.
struct LayerWeights {
  int64_t first, count, ld, transposedLd;
};
constexpr int kPositionDigits = 5;
void writeDigits(Context& context, void* target, const uint8_t* mask, const LayerWeights& layer,
                 int digit);
void readDigits(Context& context, const void* compressed, int64_t elements, uint32_t* positions,
                int digit);
void storeSlots(Context& context, const uint32_t* positions, int64_t elements, const uint8_t* mask,
                const LayerWeights& layer, int64_t begin, uint32_t* slots,
                unsigned long long* found);
void writeTestValues(Context& context, void* target, const uint8_t* mask,
                     const LayerWeights& layer);
// `rounded`: see compressedValue() in slot_stores.h.
void writeSlots(Context& context, const void* values, const LayerWeights& layer,
                const uint32_t* slots, bool rounded, void* compressed);
// From the slots of `size` weights those of their groups: see Slots. Counts the groups whose active weights
// are no neighbours.
void shareSlots(Context& context, const uint32_t* slots, const uint8_t* mask, int64_t size, int group,
                uint32_t* shared, unsigned long long* apart);
// The same of a layer's transpose.
void shareTransposedSlots(Context& context, const uint32_t* slots, const uint8_t* mask,
                          const TransposedRows& layer, int group, uint32_t* shared,
                          unsigned long long* apart);
// Lines of weights, each of `length` weights `step` apart, whose groups of four may lie in a compressed buffer as
// they do in the lines: see sparse_layers.h.
struct StraightLines {
  int64_t first, lineStep, step;
  int64_t begin, lineValues;  // in the buffer
  int lines, length;
};
// Compares with slots of each weight. Makes seen[0] more than 0 if a group lies elsewhere, and seen[1 + 2 c] and
// seen[2 + 2 c] if one's only active weight, the c-th, is its pair's first or second value.
constexpr int kStraightSights = 9;
void checkStraight(Context& context, const uint32_t* slots, const uint8_t* mask,
                   const StraightLines& lines, unsigned long long* seen);
// Writes pairs of `values`, whose lines are `valueLd` apart.
void writePairs(Context& context, const void* values, int64_t valueLd, const uint8_t* mask,
                const StraightLines& lines, const Slots& slots);

// ---- nm_kernels.cu
// The active columns of every group: of the projected weights, or of `wanted` (a mask like the arrays' own) if
// given.
void chooseMask(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const uint8_t* wanted,
                uint32_t* chosen);
// The mean of the second moments of each row's active weights: where `means` is null, new ones are 0.
void averageMoments(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, float* means);
// Makes what was chosen the layer's mask, which moves the moments that only active weights have. Adds the number
// of changed entries to *changed.
void changeMask(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const uint32_t* chosen,
                const float* means, unsigned long long* changed);
// Adds the number of bits in which two masks of `bytes` bytes differ to *different; b may be null,
// which stands for a mask of zeros.
void countDifferences(Context& context, const uint8_t* a, const uint8_t* b, int64_t bytes,
                      unsigned long long* different);

// ---- swap_kernels.cu: core/swaps.h
// The keys of a layer's units, in place of what is chosen of their groups.
void findSwapKeys(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, uint32_t* chosen);
// What swaps are drawn from, if they are not by gradient.
struct SwapRule {
  uint64_t seed, stream;
  int64_t random;     // 1 if they are drawn
  int layer, layers;  // of the network
};
// Chooses a layer's groups where `chosen` holds 1 for the units that swap and 0 for the others, and makes the
// swapped weights 0, and their moments where all weights have some.
void swapWeights(Context& context, const WeightArrays& arrays, const MaskedLayer& layer, const SwapRule& rule,
                 const float* means, uint32_t* chosen);

// ---- transpose_kernels.cu
// Chooses the groups of a transposable layer's tiles.
void projectTiles(Context& context, const float* weights, const MaskedLayer& layer,
                  uint32_t* chosen);
// kept = the layer's mask without what makes the transpose of the masked weights not 2:4 (bfloat16)
// or 1:2 (float32).
void pruneTranspose(Context& context, const float* weights, const uint8_t* mask,
                    const MaskedLayer& layer, uint8_t* kept);

}  // namespace rnm::cuda
