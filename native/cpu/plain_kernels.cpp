// The reference: every kernel as the loop that defines it, summed in double precision.
// Chosen with RNM_ISA=plain; the tests hold the vectorised kernels against it.
#include <math.h>

#include "cpu/kernels.h"
#include "cpu/kernel_tables.h"

namespace rnm::cpu {
namespace {

int columnOf(const WeightsRef& w, int row, int k) {
  return w.columns ? w.columns[static_cast<size_t>(row) * w.perRow + k] : k;
}

void forward(const ForwardArgs& a) {
  const WeightsRef& w = a.weights;
  for (int o = 0; o < w.outputs; ++o) {
    for (int b = 0; b < kTile; ++b) {
      double sum = a.bias[o];
      for (int k = 0; k < w.perRow; ++k) {
        const double weight = w.values[static_cast<size_t>(o) * w.perRow + k];
        sum += weight * a.x[columnOf(w, o, k) * kTile + b];
      }
      // Written so that NaN passes through, as in PyTorch.
      a.y[o * kTile + b] = a.relu && sum < 0 ? 0.0f : static_cast<float>(sum);
    }
  }
}

void dataGradient(const DataGradientArgs& a) {
  const WeightsRef& w = a.weights;
  for (int b = 0; b < kTile; ++b) {
    for (int j = 0; j < a.count; ++j) {
      const int column = a.first + j;
      double sum = 0;
      for (int o = 0; o < w.outputs; ++o) {
        for (int k = 0; k < w.perRow; ++k) {
          if (columnOf(w, o, k) != column) continue;
          sum += static_cast<double>(w.values[static_cast<size_t>(o) * w.perRow + k]) *
                 a.dy[o * kTile + b];
        }
      }
      float* dx = a.dx + j * kTile + b;
      const float gradient =
          a.activity && !(a.activity[j * kTile + b] > 0) ? 0.0f : static_cast<float>(sum);
      *dx = a.accumulate ? *dx + gradient : gradient;
    }
  }
}

double batchDot(const WeightGradientArgs& a, int row, int column) {
  double sum = 0;
  for (int t = 0; t < a.tiles; ++t) {
    const float* dy = a.dy + t * a.dyStride + static_cast<size_t>(row) * kTile;
    const float* x = a.x + t * a.xStride + static_cast<size_t>(column) * kTile;
    for (int b = 0; b < kTile; ++b) sum += static_cast<double>(dy[b]) * x[b];
  }
  return sum;
}

void weightGradient(const WeightGradientArgs& a) {
  const WeightsRef& w = a.weights;
  const int count = a.dense ? w.inputs : w.perRow;
  for (int o = a.rowBegin; o < a.rowEnd; ++o) {
    for (int k = 0; k < count; ++k) {
      const int column = a.dense ? k : columnOf(w, o, k);
      a.gradient[static_cast<size_t>(o) * count + k] = static_cast<float>(batchDot(a, o, column));
    }
    double sum = 0;
    for (int t = 0; t < a.tiles; ++t) {
      const float* dy = a.dy + t * a.dyStride + static_cast<size_t>(o) * kTile;
      for (int b = 0; b < kTile; ++b) sum += dy[b];
    }
    a.biasGradient[o] = static_cast<float>(sum);
  }
}

void adam(const AdamArgs& a) {
  for (size_t i = 0; i < a.count; ++i) {
    const float g = a.gradient[i];
    a.moment1[i] = a.beta1 * a.moment1[i] + a.rest1 * g;
    a.moment2[i] = a.beta2 * a.moment2[i] + a.rest2 * g * g;
    const float denominator = sqrtf(a.moment2[i]) * a.inverseCorrection2 + a.epsilon;
    a.weights[i] -= a.stepSize * a.moment1[i] / denominator;
  }
}

void polyak(float* target, const float* source, size_t count, float tau) {
  for (size_t i = 0; i < count; ++i) target[i] += tau * (source[i] - target[i]);
}

void gather(const float* const* rows, int columns, float* tile) {
  for (int b = 0; b < kTile; ++b) {
    for (int c = 0; c < columns; ++c) tile[c * kTile + b] = rows[b][c];
  }
}

}  // namespace

extern const KernelTable kPlainKernels = {"plain",        forward, dataGradient,
                                          weightGradient, adam,    polyak, gather};

}  // namespace rnm::cpu
