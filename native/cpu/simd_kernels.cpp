// The vectorised kernels, written once with GCC's vector extensions and compiled once per
// instruction set (RNM_TABLE names the table, RNM_LANES the floats in a vector).
//
// No STL, no shared inline functions: see kernels.h. Everything is in an anonymous namespace, so
// that no symbol of one instruction set can stand in for another's.
#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"
#include "cpu/simd_elementwise.h"
#include "cpu/simd_vector.h"

namespace rnm::cpu {
namespace {

// Four neighbouring weights, to be spread over a vector one by one. Spreading from a register leaves
// the load ports to the activations, which are what the sparse kernels wait for.
struct FourWeights {
#if defined(__AVX512F__)
  __m512 lanes;
  explicit FourWeights(const float* p) : lanes(_mm512_broadcast_f32x4(_mm_loadu_ps(p))) {}
  template <int kWhich>
  Vector spread() const {
    return reinterpret_cast<Vector>(_mm512_permute_ps(lanes, kWhich * 0x55));
  }
#elif defined(__AVX__)
  __m256 lanes;
  explicit FourWeights(const float* p)
      : lanes(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(p))) {}
  template <int kWhich>
  Vector spread() const {
    return reinterpret_cast<Vector>(_mm256_permute_ps(lanes, kWhich * 0x55));
  }
#else
  const float* weights;
  explicit FourWeights(const float* p) : weights(p) {}
  template <int kWhich>
  Vector spread() const {
    return broadcast(weights[kWhich]);
  }
#endif
};

// Four neighbouring indices of features, loaded as one word: a load of each would take half as long
// as that of the feature's vector, for the same load ports.
struct FourFeatures {
  uint64_t word = 0;
  FourFeatures() = default;
  explicit FourFeatures(const uint16_t* p) { __builtin_memcpy(&word, p, sizeof word); }
  template <int kWhich>
  const float* of(const float* x) const {
    return x + (word >> (16 * kWhich) & 0xffff) * kTile;
  }
};

// sum += weight * x, for one feature of some tiles.
template <int kTiles>
inline void addScaled(Vector (&sum)[kTiles * kVectors], Vector weight, const float* x, size_t stride) {
#pragma GCC unroll 8
  for (int t = 0; t < kTiles; ++t) {
    for (int v = 0; v < kVectors; ++v) sum[t * kVectors + v] += weight * load(x + t * stride + v * kLanes);
  }
}

typedef float Quad __attribute__((vector_size(16)));
typedef float LooseQuad __attribute__((vector_size(16), aligned(4)));
#if defined(__clang__)
#define RNM_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int QuadIndex __attribute__((vector_size(16)));
#define RNM_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, QuadIndex{i, j, k, l})
#endif

// Adds the upper half of a vector to the lower until four lanes are left. Not through memory, and
// not by memcpy(): that would keep the sums of the loops before it in memory too.
inline Quad foldToQuad(Vector v) {
#if defined(__AVX512F__)
  const __m512 all = reinterpret_cast<__m512>(v);
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
#elif defined(__AVX__)
  const __m256 half = reinterpret_cast<__m256>(v);
#endif
#if defined(__AVX__)
  return reinterpret_cast<Quad>(
      _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#else
  return v;
#endif
}

// Lane sums of four vectors at once: half the instructions of four single sums.
inline Quad sumLanes4(Vector a, Vector b, Vector c, Vector d) {
  const Quad qa = foldToQuad(a), qb = foldToQuad(b);
  const Quad qc = foldToQuad(c), qd = foldToQuad(d);
  const Quad ab = RNM_SHUFFLE(qa, qb, 0, 4, 1, 5) + RNM_SHUFFLE(qa, qb, 2, 6, 3, 7);
  const Quad cd = RNM_SHUFFLE(qc, qd, 0, 4, 1, 5) + RNM_SHUFFLE(qc, qd, 2, 6, 3, 7);
  return RNM_SHUFFLE(ab, cd, 0, 1, 4, 5) + RNM_SHUFFLE(ab, cd, 2, 3, 6, 7);
}

inline float sumLanes(Vector v) {
  const Quad q = foldToQuad(v);
  return (q[0] + q[2]) + (q[1] + q[3]);
}

#if defined(__AVX512F__)
// Quad k of the result holds partial sums of the k-th vector.
inline __m512 foldFour(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
  return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}

// Neighbouring lanes of the result come from a and b in turn, each the sum of two lanes.
inline __m512 foldLanes(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

inline void storeEightLaneSums(const Vector* sum, float* target) {
  const __m512* v = reinterpret_cast<const __m512*>(sum);
  const __m512 pairs = foldLanes(foldFour(v[0], v[1], v[2], v[3]), foldFour(v[4], v[5], v[6], v[7]));
  const __m512 sums = _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0x4e));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm256_storeu_ps(target, _mm512_castps512_ps256(_mm512_permutexvar_ps(order, sums)));
}
#endif

// target[c] = the sum of the lanes of sum[c].
template <int kCount>
inline void storeLaneSums(const Vector (&sum)[kCount], float* target) {
  int c = 0;
#if defined(__AVX512F__)
  for (; c + 8 <= kCount; c += 8) storeEightLaneSums(sum + c, target + c);
#endif
  for (; c + 4 <= kCount; c += 4) {
    *reinterpret_cast<LooseQuad*>(target + c) = sumLanes4(sum[c], sum[c + 1], sum[c + 2], sum[c + 3]);
  }
  for (; c < kCount; ++c) target[c] = sumLanes(sum[c]);
}

// The same for a block of rows that lie `stride` apart.
template <int kRows, int kCount>
inline void storeBlockSums(const Vector (&sum)[kRows][kCount], float* target, size_t stride) {
#if defined(__AVX512F__)
  if constexpr (kRows == 4 && kCount == 4) {
    __m512 column[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      column[i] = foldFour(reinterpret_cast<__m512>(sum[0][i]), reinterpret_cast<__m512>(sum[1][i]),
                           reinterpret_cast<__m512>(sum[2][i]), reinterpret_cast<__m512>(sum[3][i]));
    }
    const __m512 low = foldLanes(column[0], column[1]), high = foldLanes(column[2], column[3]);
    const __m512 rows =
        _mm512_add_ps(_mm512_shuffle_ps(low, high, 0x44), _mm512_shuffle_ps(low, high, 0xee));
    _mm_storeu_ps(target, _mm512_castps512_ps128(rows));
    _mm_storeu_ps(target + stride, _mm512_extractf32x4_ps(rows, 1));
    _mm_storeu_ps(target + 2 * stride, _mm512_extractf32x4_ps(rows, 2));
    _mm_storeu_ps(target + 3 * stride, _mm512_extractf32x4_ps(rows, 3));
    return;
  }
#endif
  for (int r = 0; r < kRows; ++r) storeLaneSums(sum[r], target + r * stride);
}

// ---------------------------------------------------------------- forward

// Output rows whose accumulators are held in registers at once.
constexpr int kSparseRows = kLanes == 16 ? 4 : kLanes == 8 ? 2 : 1;
constexpr int kDenseRows = kLanes == 16 ? 8 : kLanes == 8 ? 3 : 1;

template <int kRows, int kTiles = 1>
inline void finishRows(const ForwardArgs& a, int row, Vector (&sum)[kRows][kTiles * kVectors], bool relu) {
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kTiles * kVectors; ++v) {
      Vector y = sum[r][v];
      // Not max(): a NaN has to stay visible.
      if (relu) y = y < 0.0f ? Vector{} : y;
      store(a.y + v / kVectors * a.yStride + (row + r) * kTile + v % kVectors * kLanes, y);
    }
  }
}

// sum[r] += `length` weights of row r of a block times the features they belong to, of some tiles. From
// row to row it is `stride` weights, from tile to tile xStride.
template <int kRows, int kTiles>
inline void addSparseRows(Vector (&sum)[kRows][kTiles * kVectors], const float* values,
                          const uint16_t* features, int length, int stride, const float* x,
                          size_t xStride) {
  const int fours = length / 4 * 4;
  // A word ahead: an address that hangs on a load just begun makes the loads of features wait for one
  // another.
  FourFeatures next[kRows];
#pragma GCC unroll 8
  for (int r = 0; fours > 0 && r < kRows; ++r) next[r] = FourFeatures(features + r * stride);
  for (int k = 0; k < fours; k += 4) {
    const int ahead = k + 4 < fours ? k + 4 : k;
// Without this the sums live in memory.
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const FourWeights weights(values + r * stride + k);
      const FourFeatures feature = next[r];
      next[r] = FourFeatures(features + r * stride + ahead);
      addScaled<kTiles>(sum[r], weights.spread<0>(), feature.of<0>(x), xStride);
      addScaled<kTiles>(sum[r], weights.spread<1>(), feature.of<1>(x), xStride);
      addScaled<kTiles>(sum[r], weights.spread<2>(), feature.of<2>(x), xStride);
      addScaled<kTiles>(sum[r], weights.spread<3>(), feature.of<3>(x), xStride);
    }
  }
  for (int k = fours; k < length; ++k) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const float* feature = x + features[r * stride + k] * kTile;
      addScaled<kTiles>(sum[r], broadcast(values[r * stride + k]), feature, xStride);
    }
  }
}

// The values from `begin` to `end` of some rows.
template <int kRows, int kTiles>
void forwardSparseRows(const ForwardArgs& a, int row, int begin, int end) {
  const int perRow = a.weights.perRow;
  Vector sum[kRows][kTiles * kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kTiles * kVectors; ++v) {
      const float* y = a.y + v / kVectors * a.yStride + (row + r) * kTile + v % kVectors * kLanes;
      sum[r][v] = begin == 0 ? broadcast(a.bias[row + r]) : load(y);
    }
  }
  const size_t at = static_cast<size_t>(row) * perRow + begin;
  addSparseRows<kRows, kTiles>(sum, a.weights.values + at, a.weights.columns + at, end - begin, perRow,
                               a.x, a.xStride);
  finishRows<kRows, kTiles>(a, row, sum, a.relu && end == perRow);
}

// Wide inputs are taken in passes over all rows, so that what a pass reads of them stays in the L1 cache.
// When that pays was measured (docs/performance.md): always with AVX2; with AVX-512 for few values in
// short rows, while others are read ahead well enough as they lie; hardly with narrower vectors.
int forwardPasses(const WeightsRef& w) {
  const int values = 8 * w.perBlock;  // of about 256 inputs, which fill the cache
  if (kLanes == 8) return (w.perRow + values - 1) / values;
  const bool pays = kLanes == 16 && values <= 64 && w.perRow <= 256 && w.perRow >= values;
  return pays ? w.perRow / values : 1;
}

template <int kTiles>
void forwardSparseTiles(const ForwardArgs& a, int passes) {
  const WeightsRef& w = a.weights;
  const int blocks = (w.perRow + w.perBlock - 1) / w.perBlock;
  const int step = (blocks + passes - 1) / passes * w.perBlock;
  for (int begin = 0; begin < w.perRow; begin += step) {
    const int end = begin + step < w.perRow ? begin + step : w.perRow;
    int row = 0;
    for (; row + kSparseRows <= w.outputs; row += kSparseRows) {
      forwardSparseRows<kSparseRows, kTiles>(a, row, begin, end);
    }
    for (; row < w.outputs; ++row) forwardSparseRows<1, kTiles>(a, row, begin, end);
  }
}

// Of wide rows with few values a pass of a pair would have too few.
bool pairPays(const WeightsRef& w) { return w.inputs <= 256 || w.perBlock >= 8; }

// Two tiles share the loads of weights and indices, and the L1 cache. Passes of about 128 inputs then, but
// of no fewer than 32 values, or sums go to memory too often.
int pairPasses(const WeightsRef& w) {
  const int values = 4 * w.perBlock > 32 ? 4 * w.perBlock : 32;
  return w.perRow > values ? (w.perRow + values / 2) / values : 1;
}

void forwardSparse(ForwardArgs a) {
  if constexpr (kLanes == 16) {
    for (; a.tiles >= 2 && pairPays(a.weights); a.tiles -= 2) {
      forwardSparseTiles<2>(a, pairPasses(a.weights));
      a.x += 2 * a.xStride, a.y += 2 * a.yStride;
    }
  }
  const int passes = forwardPasses(a.weights);
  for (; a.tiles > 0; --a.tiles) {
    forwardSparseTiles<1>(a, passes);
    a.x += a.xStride, a.y += a.yStride;
  }
}

template <int kRows>
void forwardDenseRows(const ForwardArgs& a, int row) {
  const int inputs = a.weights.inputs;
  const float* values = a.weights.values + static_cast<size_t>(row) * inputs;
  Vector sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = broadcast(a.bias[row + r]);
  }
  for (int i = 0; i < inputs; ++i) {
    Vector x[kVectors];
    for (int v = 0; v < kVectors; ++v) x[v] = load(a.x + i * kTile + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vector weight = broadcast(values[static_cast<size_t>(r) * inputs + i]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] += weight * x[v];
    }
  }
  finishRows<kRows>(a, row, sum, a.relu);
}

void forwardDense(const ForwardArgs& a) {
  const int outputs = a.weights.outputs;
  int row = 0;
  for (; row + kDenseRows <= outputs; row += kDenseRows) forwardDenseRows<kDenseRows>(a, row);
  for (; row < outputs; ++row) forwardDenseRows<1>(a, row);
}

void forward(const ForwardArgs& a) {
  if (a.weights.columns) return forwardSparse(a);
  ForwardArgs tile = a;
  for (int t = 0; t < a.tiles; ++t) {
    forwardDense(tile);
    tile.x += a.xStride, tile.y += a.yStride;
  }
}

// ---------------------------------------------------------------- data gradient

inline void finishInput(const DataGradientArgs& a, int j, const Vector (&sum)[kVectors]) {
  for (int v = 0; v < kVectors; ++v) {
    const int at = j * kTile + v * kLanes;
    Vector dx = sum[v];
    if (a.activity) dx = load(a.activity + at) > 0.0f ? dx : Vector{};
    if (a.accumulate) dx += load(a.dx + at);
    store(a.dx + at, dx);
  }
}

// Inputs that lie side by side in the transposed index, given by the first of them.
template <int kInputs>
void dataGradientSparseInputs(const DataGradientArgs& a, const uint16_t* inputs) {
  const WeightsRef& w = a.weights;
  const uint32_t start = w.transposedStart[inputs[0]];
  Vector sum[kInputs][kVectors] = {};
  const int length = w.transposedLength[inputs[0]];
  addSparseRows<kInputs, 1>(sum, w.transposedValues + start, w.transposedRows + start, length, length,
                            a.dy, 0);
  for (int i = 0; i < kInputs; ++i) finishInput(a, inputs[i] - a.first, sum[i]);
}

void dataGradientSparse(const DataGradientArgs& a) {
  const int inputs = a.weights.inputs;
  if (a.count < inputs) {
    for (int j = 0; j < a.count; ++j) {
      const uint16_t input = static_cast<uint16_t>(a.first + j);
      dataGradientSparseInputs<1>(a, &input);
    }
    return;
  }
  static_assert(kTransposedGroup % kSparseRows == 0, "a block of rows must not cross groups");
  const uint16_t* order = a.weights.transposedOrder;
  const int whole = inputs / kTransposedGroup * kTransposedGroup;
  for (int i = 0; i < whole; i += kSparseRows) dataGradientSparseInputs<kSparseRows>(a, order + i);
  for (int i = whole; i < inputs; ++i) dataGradientSparseInputs<1>(a, order + i);
}

// Neighbouring inputs are neighbours in a row of W: no transposed copy is needed.
template <int kInputs>
void dataGradientDenseInputs(const DataGradientArgs& a, int j) {
  const WeightsRef& w = a.weights;
  Vector sum[kInputs][kVectors] = {};
  for (int o = 0; o < w.outputs; ++o) {
    const float* weights = w.values + static_cast<size_t>(o) * w.inputs + a.first + j;
    Vector dy[kVectors];
    for (int v = 0; v < kVectors; ++v) dy[v] = load(a.dy + o * kTile + v * kLanes);
    for (int i = 0; i < kInputs; ++i) {
      const Vector weight = broadcast(weights[i]);
      for (int v = 0; v < kVectors; ++v) sum[i][v] += weight * dy[v];
    }
  }
  for (int i = 0; i < kInputs; ++i) finishInput(a, j + i, sum[i]);
}

void dataGradient(const DataGradientArgs& a) {
  if (a.weights.columns) return dataGradientSparse(a);
  int j = 0;
  for (; j + kDenseRows <= a.count; j += kDenseRows) dataGradientDenseInputs<kDenseRows>(a, j);
  for (; j < a.count; ++j) dataGradientDenseInputs<1>(a, j);
}

// ---------------------------------------------------------------- weight gradient

// Dot products over the whole batch of kRows output rows' dy with kCount inputs' x for each. Columns and
// gradients of the rows lie `stride` apart.
template <int kRows, int kCount>
__attribute__((always_inline)) inline void batchDots(const WeightGradientArgs& a, const float* dy,
                                                     const uint16_t* columns, float* gradient,
                                                     int stride) {
  const float* x[kRows][kCount];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kCount; ++c) x[r][c] = a.x + columns[r * stride + c] * kTile;
  }
  Vector sum[kRows][kCount] = {};
  size_t at = 0;
  for (int t = a.tiles; t > 0; --t) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const Vector d = load(dy + r * kTile + v * kLanes);
        for (int c = 0; c < kCount; ++c) sum[r][c] += d * load(x[r][c] + at + v * kLanes);
      }
    }
    dy += a.dyStride;
    at += a.xStride;
  }
  storeBlockSums(sum, gradient, stride);
}

// The sum over the whole batch of one output row's dy.
inline float batchSum(const WeightGradientArgs& a, const float* dy) {
  Vector sum[4] = {};
  for (int t = 0; t < a.tiles; ++t) {
    for (int v = 0; v < kVectors; ++v) sum[v % 2 + t % 2 * 2] += load(dy + t * a.dyStride + v * kLanes);
  }
  return sumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// The values from `begin` to `end` of kRows rows.
template <int kRows>
inline void weightGradientSampledRows(const WeightGradientArgs& a, int row, int begin, int end) {
  const int perRow = a.weights.perRow;
  const float* dy = a.dy + static_cast<size_t>(row) * kTile;
  const uint16_t* columns = a.weights.columns + static_cast<size_t>(row) * perRow;
  float* gradient = a.gradient + static_cast<size_t>(row) * perRow;
  int k = begin;
  if constexpr (kRows == 1) {
    for (; k + 8 <= end; k += 8) batchDots<1, 8>(a, dy, columns + k, gradient + k, perRow);
  }
  for (; k + 4 <= end; k += 4) batchDots<kRows, 4>(a, dy, columns + k, gradient + k, perRow);
  for (; k < end; ++k) batchDots<kRows, 1>(a, dy, columns + k, gradient + k, perRow);
  // While dy is in the cache.
  if (begin > 0) return;
  for (int r = 0; r < kRows; ++r) a.biasGradient[row + r] = batchSum(a, dy + r * kTile);
}

// Blocks of about 32 inputs keep x in the L1 cache while all rows use it. Where that leaves a row too few
// sums at once to hide their latency, two rows are taken together.
void weightGradientSampled(const WeightGradientArgs& a) {
  const WeightsRef& w = a.weights;
  for (int begin = 0; begin < w.perRow; begin += w.perBlock) {
    const int end = begin + w.perBlock < w.perRow ? begin + w.perBlock : w.perRow;
    int row = a.rowBegin;
    if (kLanes == 16 && end - begin < 8) {
      for (; row + 2 <= a.rowEnd; row += 2) weightGradientSampledRows<2>(a, row, begin, end);
    }
    for (; row < a.rowEnd; ++row) weightGradientSampledRows<1>(a, row, begin, end);
  }
}

template <int kRows, int kInputs>
inline void weightGradientBlock(const WeightGradientArgs& a, int row, int input) {
  const int inputs = a.weights.inputs;
  Vector sum[kRows][kInputs] = {};
  for (int t = 0; t < a.tiles; ++t) {
    const float* dy = a.dy + t * a.dyStride + static_cast<size_t>(row) * kTile;
    const float* x = a.x + t * a.xStride + static_cast<size_t>(input) * kTile;
    for (int v = 0; v < kTile; v += kLanes) {
      Vector xs[kInputs];
      for (int i = 0; i < kInputs; ++i) xs[i] = load(x + i * kTile + v);
      for (int r = 0; r < kRows; ++r) {
        const Vector d = load(dy + r * kTile + v);
        for (int i = 0; i < kInputs; ++i) sum[r][i] += d * xs[i];
      }
    }
  }
  storeBlockSums(sum, a.gradient + static_cast<size_t>(row) * inputs + input, inputs);
}

template <int kRows>
void weightGradientDenseRows(const WeightGradientArgs& a, int row, int begin, int end) {
  int input = begin;
  for (; input + 4 <= end; input += 4) weightGradientBlock<kRows, 4>(a, row, input);
  for (; input < end; ++input) weightGradientBlock<kRows, 1>(a, row, input);
}

void weightGradientDense(const WeightGradientArgs& a) {
  constexpr int kRows = kLanes == 16 ? 4 : 2;
  const int inputs = a.weights.inputs;
  for (int begin = 0; begin < inputs; begin += kTile) {
    const int end = begin + kTile < inputs ? begin + kTile : inputs;
    int row = a.rowBegin;
    for (; row + kRows <= a.rowEnd; row += kRows) weightGradientDenseRows<kRows>(a, row, begin, end);
    for (; row < a.rowEnd; ++row) weightGradientDenseRows<1>(a, row, begin, end);
  }
}

void weightGradient(const WeightGradientArgs& a) {
  if (!a.dense) return weightGradientSampled(a);
  weightGradientDense(a);
  for (int o = a.rowBegin; o < a.rowEnd; ++o) {
    a.biasGradient[o] = batchSum(a, a.dy + static_cast<size_t>(o) * kTile);
  }
}

// ---------------------------------------------------------------- optimiser and targets

// The number of threads decides where arrays are cut, and must not decide what becomes of the weights at
// a cut. So what is left of a whole number of vectors is computed by the same code, in one more vector:
// hence noinline, as another copy could be contracted to other multiply-adds.
__attribute__((noinline)) void adamVectors(const AdamArgs& a) {
  for (size_t i = 0; i < a.count; i += kLanes) {
    const Vector g = loadLoose(a.gradient + i);
    const Vector m = a.beta1 * loadLoose(a.moment1 + i) + a.rest1 * g;
    const Vector v = a.beta2 * loadLoose(a.moment2 + i) + a.rest2 * g * g;
    const Vector denominator = squareRoot(v) * a.inverseCorrection2 + a.epsilon;
    storeLoose(a.moment1 + i, m);
    storeLoose(a.moment2 + i, v);
    storeLoose(a.weights + i, loadLoose(a.weights + i) - a.stepSize * m / denominator);
  }
}

void adam(const AdamArgs& a) {
  const size_t left = a.count % kLanes, whole = a.count - left;
  AdamArgs vectors = a;
  vectors.count = whole;
  adamVectors(vectors);
  if (left == 0) return;
  float* const arrays[] = {a.weights + whole, a.moment1 + whole, a.moment2 + whole};
  float copies[3][kLanes] = {}, gradient[kLanes] = {};
  for (size_t i = 0; i < left; ++i) {
    for (int c = 0; c < 3; ++c) copies[c][i] = arrays[c][i];
    gradient[i] = a.gradient[whole + i];
  }
  vectors.weights = copies[0], vectors.moment1 = copies[1], vectors.moment2 = copies[2];
  vectors.gradient = gradient;
  vectors.count = kLanes;
  adamVectors(vectors);
  for (size_t i = 0; i < left; ++i) {
    for (int c = 0; c < 3; ++c) arrays[c][i] = copies[c][i];
  }
}

// An average can be contracted in one way only, whether it is inlined or not. Each waits for the one before:
// hence several vectors at once.
template <int kCount>
inline void polyakVectors(float* target, const float* source, float tau, int times) {
  Vector mean[kCount], other[kCount];
  for (int v = 0; v < kCount; ++v) {
    mean[v] = loadLoose(target + v * kLanes);
    other[v] = loadLoose(source + v * kLanes);
  }
  for (int n = 0; n < times; ++n) {
    for (int v = 0; v < kCount; ++v) mean[v] += tau * (other[v] - mean[v]);
  }
  for (int v = 0; v < kCount; ++v) storeLoose(target + v * kLanes, mean[v]);
}

void polyak(float* target, const float* source, size_t count, float tau, int times) {
  constexpr int kAtOnce = kLanes == 16 ? 8 : 4;
  size_t i = 0;
  for (; i + kAtOnce * kLanes <= count; i += kAtOnce * kLanes) {
    polyakVectors<kAtOnce>(target + i, source + i, tau, times);
  }
  for (; i + kLanes <= count; i += kLanes) polyakVectors<1>(target + i, source + i, tau, times);
  const size_t left = count - i;
  if (left == 0) return;
  float mean[kLanes] = {}, other[kLanes] = {};
  for (size_t k = 0; k < left; ++k) mean[k] = target[i + k], other[k] = source[i + k];
  polyakVectors<1>(mean, other, tau, times);
  for (size_t k = 0; k < left; ++k) target[i + k] = mean[k];
}

// ---------------------------------------------------------------- gathering

// Four samples' four columns at a time, transposed in registers.
inline void gatherBlock(const float* const* rows, int column, float* target) {
  const Quad a = *reinterpret_cast<const LooseQuad*>(rows[0] + column);
  const Quad b = *reinterpret_cast<const LooseQuad*>(rows[1] + column);
  const Quad c = *reinterpret_cast<const LooseQuad*>(rows[2] + column);
  const Quad d = *reinterpret_cast<const LooseQuad*>(rows[3] + column);
  const Quad ab0 = RNM_SHUFFLE(a, b, 0, 4, 1, 5), ab2 = RNM_SHUFFLE(a, b, 2, 6, 3, 7);
  const Quad cd0 = RNM_SHUFFLE(c, d, 0, 4, 1, 5), cd2 = RNM_SHUFFLE(c, d, 2, 6, 3, 7);
  *reinterpret_cast<Quad*>(target) = RNM_SHUFFLE(ab0, cd0, 0, 1, 4, 5);
  *reinterpret_cast<Quad*>(target + kTile) = RNM_SHUFFLE(ab0, cd0, 2, 3, 6, 7);
  *reinterpret_cast<Quad*>(target + 2 * kTile) = RNM_SHUFFLE(ab2, cd2, 0, 1, 4, 5);
  *reinterpret_cast<Quad*>(target + 3 * kTile) = RNM_SHUFFLE(ab2, cd2, 2, 3, 6, 7);
}

void gather(const float* const* rows, int columns, float* tile) {
  for (int b = 0; b < kTile; b += 4) {
    int c = 0;
    for (; c + 4 <= columns; c += 4) gatherBlock(rows + b, c, tile + c * kTile + b);
    for (; c < columns; ++c) {
      for (int i = 0; i < 4; ++i) tile[c * kTile + b + i] = rows[b + i][c];
    }
  }
}

}  // namespace

extern const KernelTable RNM_TABLE = {
    RNM_NAME, forward, dataGradient, weightGradient, adam,     polyak,     gather,
    squash,   normals, normalize,    smooth,         tdTarget, mseGradient};

}  // namespace rnm::cpu
