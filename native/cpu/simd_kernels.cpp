// The vectorised kernels, written once with GCC's vector extensions and compiled once per
// instruction set (RNM_TABLE names the table, RNM_LANES the floats in a vector).
//
// No STL, no shared inline functions: see kernels.h. Everything is in an anonymous namespace, so
// that no symbol of one instruction set can stand in for another's.
#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"

namespace rnm::cpu {
namespace {

constexpr int kLanes = RNM_LANES;
constexpr int kVectors = kTile / kLanes;  // vectors of one feature of a tile

typedef float Vector __attribute__((vector_size(kLanes * 4)));
// Row starts of weight arrays are not aligned to a vector.
typedef float LooseVector __attribute__((vector_size(kLanes * 4), aligned(4)));

inline Vector broadcast(float value) { return Vector{} + value; }
inline Vector load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }
inline Vector loadLoose(const float* p) { return *reinterpret_cast<const LooseVector*>(p); }
inline void storeLoose(float* p, Vector v) { *reinterpret_cast<LooseVector*>(p) = v; }

// Sum of the lanes, by halves: each copy compiles to one extract instruction.
template <int kCount>
inline float sumOf(const void* vector) {
  typedef float Half __attribute__((vector_size(kCount * 2)));
  Half low, high;
  __builtin_memcpy(&low, vector, sizeof low);
  __builtin_memcpy(&high, static_cast<const char*>(vector) + sizeof low, sizeof high);
  low += high;
  return sumOf<kCount / 2>(&low);
}
template <>
inline float sumOf<2>(const void* vector) {
  float lanes[2];
  __builtin_memcpy(lanes, vector, sizeof lanes);
  return lanes[0] + lanes[1];
}
inline float sumLanes(Vector v) { return sumOf<kLanes>(&v); }

// ---------------------------------------------------------------- forward

// Output rows whose accumulators are held in registers at once.
constexpr int kSparseRows = kLanes == 16 ? 4 : kLanes == 8 ? 2 : 1;
constexpr int kDenseRows = kLanes == 16 ? 8 : kLanes == 8 ? 3 : 1;

template <int kRows>
inline void finishRows(const ForwardArgs& a, int row, Vector (&sum)[kRows][kVectors]) {
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      Vector y = sum[r][v];
      // Not max(): a NaN has to stay visible.
      if (a.relu) y = y < 0.0f ? Vector{} : y;
      store(a.y + (row + r) * kTile + v * kLanes, y);
    }
  }
}

template <int kRows>
void forwardSparseRows(const ForwardArgs& a, int row) {
  const int perRow = a.weights.perRow;
  const float* values = a.weights.values + static_cast<size_t>(row) * perRow;
  const uint16_t* columns = a.weights.columns + static_cast<size_t>(row) * perRow;
  Vector sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = broadcast(a.bias[row + r]);
  }
  for (int k = 0; k < perRow; ++k) {
    for (int r = 0; r < kRows; ++r) {
      const float* x = a.x + columns[r * perRow + k] * kTile;
      const Vector weight = broadcast(values[r * perRow + k]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] += weight * load(x + v * kLanes);
    }
  }
  finishRows<kRows>(a, row, sum);
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
  finishRows<kRows>(a, row, sum);
}

void forward(const ForwardArgs& a) {
  const int outputs = a.weights.outputs;
  int row = 0;
  if (a.weights.columns) {
    for (; row + kSparseRows <= outputs; row += kSparseRows) forwardSparseRows<kSparseRows>(a, row);
    for (; row < outputs; ++row) forwardSparseRows<1>(a, row);
  } else {
    for (; row + kDenseRows <= outputs; row += kDenseRows) forwardDenseRows<kDenseRows>(a, row);
    for (; row < outputs; ++row) forwardDenseRows<1>(a, row);
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

// One input; even and odd entries have accumulators of their own to hide the FMA's latency.
void dataGradientSparseInput(const DataGradientArgs& a, int j) {
  const WeightsRef& w = a.weights;
  Vector even[kVectors] = {}, odd[kVectors] = {};
  uint32_t k = w.transposedStart[a.first + j];
  const uint32_t end = w.transposedStart[a.first + j + 1];
  for (; k + 2 <= end; k += 2) {
    const float* dy0 = a.dy + w.transposedRows[k] * kTile;
    const float* dy1 = a.dy + w.transposedRows[k + 1] * kTile;
    const Vector weight0 = broadcast(w.transposedValues[k]);
    const Vector weight1 = broadcast(w.transposedValues[k + 1]);
    for (int v = 0; v < kVectors; ++v) {
      even[v] += weight0 * load(dy0 + v * kLanes);
      odd[v] += weight1 * load(dy1 + v * kLanes);
    }
  }
  for (int v = 0; v < kVectors; ++v) even[v] += odd[v];
  if (k < end) {
    const float* dy0 = a.dy + w.transposedRows[k] * kTile;
    const Vector weight0 = broadcast(w.transposedValues[k]);
    for (int v = 0; v < kVectors; ++v) even[v] += weight0 * load(dy0 + v * kLanes);
  }
  finishInput(a, j, even);
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
  int j = 0;
  if (a.weights.columns) {
    for (; j < a.count; ++j) dataGradientSparseInput(a, j);
    return;
  }
  for (; j + kDenseRows <= a.count; j += kDenseRows) dataGradientDenseInputs<kDenseRows>(a, j);
  for (; j < a.count; ++j) dataGradientDenseInputs<1>(a, j);
}

// ---------------------------------------------------------------- weight gradient

// Dot products over the whole batch of one output row's dy with kCount inputs' x.
template <int kCount>
inline void batchDots(const WeightGradientArgs& a, const float* dy, const uint16_t* columns,
                      float* gradient) {
  Vector sum[kCount] = {};
  for (int t = 0; t < a.tiles; ++t) {
    const float* dyTile = dy + t * a.dyStride;
    const float* xTile = a.x + t * a.xStride;
    for (int v = 0; v < kVectors; ++v) {
      const Vector d = load(dyTile + v * kLanes);
      for (int c = 0; c < kCount; ++c) {
        sum[c] += d * load(xTile + columns[c] * kTile + v * kLanes);
      }
    }
  }
  for (int c = 0; c < kCount; ++c) gradient[c] = sumLanes(sum[c]);
}

// Blocks of about 32 inputs keep x in the L1 cache while all rows use it.
void weightGradientSampled(const WeightGradientArgs& a) {
  const WeightsRef& w = a.weights;
  for (int begin = 0; begin < w.perRow; begin += w.perBlock) {
    const int end = begin + w.perBlock < w.perRow ? begin + w.perBlock : w.perRow;
    for (int o = a.rowBegin; o < a.rowEnd; ++o) {
      const float* dy = a.dy + static_cast<size_t>(o) * kTile;
      const uint16_t* columns = w.columns + static_cast<size_t>(o) * w.perRow;
      float* gradient = a.gradient + static_cast<size_t>(o) * w.perRow;
      int k = begin;
      for (; k + 8 <= end; k += 8) batchDots<8>(a, dy, columns + k, gradient + k);
      for (; k + 4 <= end; k += 4) batchDots<4>(a, dy, columns + k, gradient + k);
      for (; k < end; ++k) batchDots<1>(a, dy, columns + k, gradient + k);
    }
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
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kInputs; ++i) {
      a.gradient[static_cast<size_t>(row + r) * inputs + input + i] = sumLanes(sum[r][i]);
    }
  }
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
  if (a.dense) {
    weightGradientDense(a);
  } else {
    weightGradientSampled(a);
  }
  for (int o = a.rowBegin; o < a.rowEnd; ++o) {
    Vector sum = {};
    for (int t = 0; t < a.tiles; ++t) {
      const float* dy = a.dy + t * a.dyStride + static_cast<size_t>(o) * kTile;
      for (int v = 0; v < kVectors; ++v) sum += load(dy + v * kLanes);
    }
    a.biasGradient[o] = sumLanes(sum);
  }
}

// ---------------------------------------------------------------- optimiser and targets

inline Vector squareRoot(Vector v) {
  // The loop over lanes compiles to one square root instruction.
  Vector root;
  for (int i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
}

void adam(const AdamArgs& a) {
  size_t i = 0;
  for (; i + kLanes <= a.count; i += kLanes) {
    const Vector g = loadLoose(a.gradient + i);
    const Vector m = a.beta1 * loadLoose(a.moment1 + i) + a.rest1 * g;
    const Vector v = a.beta2 * loadLoose(a.moment2 + i) + a.rest2 * g * g;
    const Vector denominator = squareRoot(v) * a.inverseCorrection2 + a.epsilon;
    storeLoose(a.moment1 + i, m);
    storeLoose(a.moment2 + i, v);
    storeLoose(a.weights + i, loadLoose(a.weights + i) - a.stepSize * m / denominator);
  }
  AdamArgs rest = a;
  rest.weights += i, rest.gradient += i, rest.moment1 += i, rest.moment2 += i;
  rest.count -= i;
  if (rest.count > 0) kPlainKernels.adam(rest);
}

void polyak(float* target, const float* source, size_t count, float tau) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vector t = loadLoose(target + i);
    storeLoose(target + i, t + tau * (loadLoose(source + i) - t));
  }
  if (i < count) kPlainKernels.polyak(target + i, source + i, count - i, tau);
}

}  // namespace

extern const KernelTable RNM_TABLE = {RNM_NAME,       forward, dataGradient,
                                      weightGradient, adam,    polyak};

}  // namespace rnm::cpu
