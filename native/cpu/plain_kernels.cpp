// The reference: every kernel as the loop that defines it, summed in double precision.
// Chosen with RNM_ISA=plain; the tests hold the vectorised kernels against it.
#include <math.h>

#include "core/philox.h"
#include "cpu/kernels.h"
#include "cpu/kernel_tables.h"

namespace rnm::cpu {
namespace {

int columnOf(const WeightsRef& w, int row, int k) {
  return w.columns ? w.columns[static_cast<size_t>(row) * w.perRow + k] : k;
}

void forwardTile(const ForwardArgs& a, const float* x, float* y) {
  const WeightsRef& w = a.weights;
  for (int o = 0; o < w.outputs; ++o) {
    for (int b = 0; b < kTile; ++b) {
      double sum = a.bias[o];
      for (int k = 0; k < w.perRow; ++k) {
        const double weight = w.values[static_cast<size_t>(o) * w.perRow + k];
        sum += weight * x[columnOf(w, o, k) * kTile + b];
      }
      // Written so that NaN passes through, as in PyTorch.
      y[o * kTile + b] = a.relu && sum < 0 ? 0.0f : static_cast<float>(sum);
    }
  }
}

void forward(const ForwardArgs& a) {
  for (int t = 0; t < a.tiles; ++t) forwardTile(a, a.x + t * a.xStride, a.y + t * a.yStride);
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

void polyak(float* target, const float* source, size_t count, float tau, int times) {
  for (int n = 0; n < times; ++n) {
    for (size_t i = 0; i < count; ++i) target[i] += tau * (source[i] - target[i]);
  }
}

void gather(const float* const* rows, int columns, float* tile) {
  for (int b = 0; b < kTile; ++b) {
    for (int c = 0; c < columns; ++c) tile[c * kTile + b] = rows[b][c];
  }
}

// A NaN is neither below low nor above high, and stays.
float clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

void squash(float* y, float* kept, const SquashArgs& a) {
  for (int b = 0; b < kTile; ++b) {
    const float t = tanhf(y[b]);
    if (kept) kept[b] = t;
    y[b] = clamp(a.centre + a.half * t, a.low, a.high);
  }
}

void normals(const uint32_t* bits, float* values) {
  for (int b = 0; b < kTile; b += 2) normalsFrom(bits[b], bits[b + 1], values + b, values + b + 1);
}

void normalize(float* x, float mean, float scale) {
  for (int b = 0; b < kTile; ++b) x[b] = (x[b] - mean) * scale;
}

void smooth(float* action, const float* noise, const SmoothArgs& a) {
  for (int b = 0; b < kTile; ++b) {
    const float draw = clamp(a.scale * noise[b], -a.clip, a.clip);
    action[b] = clamp(action[b] + draw * (0.5f * (a.high - a.low)), a.low, a.high);
  }
}

void tdTarget(const TdTargetArgs& a) {
  for (int b = 0; b < kTile; ++b) {
    float least = a.q[b];
    for (int e = 1; e < a.critics; ++e) {
      const float other = a.q[e * kTile + b];
      // A NaN of any critic has to stay visible, as in PyTorch.
      if (!(least <= other) && !isnan(least)) least = other;
    }
    a.target[b] = a.reward[b] + a.discount[b] * least;
  }
}

void mseGradient(const float* q, const float* target, float scale, float* gradient) {
  for (int b = 0; b < kTile; ++b) gradient[b] = scale * (q[b] - target[b]);
}

}  // namespace

extern const KernelTable kPlainKernels = {
    "plain", forward, dataGradient, weightGradient, adam,     polyak,     gather,
    squash,  normals, normalize,    smooth,         tdTarget, mseGradient};

}  // namespace rnm::cpu
