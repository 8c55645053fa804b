// Holds every instruction set of this processor against the plain kernels, without Node: for
// processors that are only emulated. See kernel-check.sh.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/kernel_choice.h"
#include "cpu/nm_matrix.h"

using namespace rnm;
using namespace rnm::cpu;

namespace {

std::mt19937 generator(1);
int failures = 0;

AlignedArray<float> randomArray(size_t count) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  AlignedArray<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = uniform(generator);
  return values;
}

void compare(const std::string& what, const AlignedArray<float>& a, const AlignedArray<float>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error = std::fabs(a[i] - b[i]) / (1 + std::fabs(b[i]));
    if (!(error <= worst)) worst = error;
  }
  // Written so that NaN fails.
  const bool good = worst < 2e-5;
  if (!good) ++failures;
  std::printf("%-40s %.1e %s\n", what.c_str(), worst, good ? "ok" : "FAILED");
}

struct Outputs {
  AlignedArray<float> y, dx, gradient, bias;
};

Outputs run(const KernelTable& kernels, const NmMatrix& weights, const AlignedArray<float>& x,
            const AlignedArray<float>& dy, const AlignedArray<float>& bias, int tiles) {
  const int in = weights.inputs(), out = weights.outputs();
  Outputs o{AlignedArray<float>(dy.size()), AlignedArray<float>(x.size()),
            AlignedArray<float>(static_cast<size_t>(out) * weights.perRow()),
            AlignedArray<float>(out)};
  const size_t xStride = static_cast<size_t>(in) * kTile, dyStride = static_cast<size_t>(out) * kTile;
  kernels.forward({weights.ref(), bias.data(), x.data(), o.y.data(), xStride, dyStride, tiles, true});
  for (int t = 0; t < tiles; ++t) {
    kernels.dataGradient({weights.ref(), dy.data() + t * dyStride, o.dx.data() + t * xStride, 0, in,
                          x.data() + t * xStride, false});
  }
  kernels.weightGradient({weights.ref(), x.data(), dy.data(), xStride, dyStride, tiles, 0, out,
                          !weights.sparse(), o.gradient.data(), o.bias.data()});
  return o;
}

void checkLayer(const KernelTable& kernels, int out, int in, NmPattern pattern) {
  const int tiles = 3;
  NmMatrix weights(out, in, pattern);
  const AlignedArray<float> dense = randomArray(static_cast<size_t>(out) * in);
  std::vector<uint16_t> active(weights.perRow());
  for (int row = 0; row < out; ++row) {
    const float* values = dense.data() + static_cast<size_t>(row) * in;
    if (weights.sparse()) {
      projectRow(values, in, pattern, active.data());
      weights.setRow(row, active.data(), values);
    } else {
      weights.storeRow(row, values);
    }
  }
  if (weights.sparse()) {
    weights.buildTransposed();
    weights.refreshTransposed(weights.transposedOrder(), in);
  }
  const auto x = randomArray(static_cast<size_t>(in) * kTile * tiles);
  const auto dy = randomArray(static_cast<size_t>(out) * kTile * tiles);
  const auto bias = randomArray(out);
  const Outputs expected = run(chooseKernels("plain"), weights, x, dy, bias, tiles);
  const Outputs received = run(kernels, weights, x, dy, bias, tiles);
  const std::string name = std::string(kernels.name) + " " + std::to_string(out) + "x" +
                           std::to_string(in) + " " + std::to_string(pattern.n) + ":" +
                           std::to_string(pattern.m) + " ";
  compare(name + "forward", received.y, expected.y);
  compare(name + "data gradient", received.dx, expected.dx);
  compare(name + "weight gradient", received.gradient, expected.gradient);
  compare(name + "bias gradient", received.bias, expected.bias);
}

void checkAdam(const KernelTable& kernels) {
  AlignedArray<float> results[2];
  const auto gradient = randomArray(77);
  int i = 0;
  for (const KernelTable* table : {&kernels, &chooseKernels("plain")}) {
    AlignedArray<float> w(77), m(77), v(77);
    for (int step = 0; step < 3; ++step) {
      table->adam({w.data(), m.data(), v.data(), gradient.data(), 77, 0.9f, 0.1f, 0.99f, 0.01f,
                   0.01f, 3.0f, 1e-8f});
      table->polyak(w.data(), gradient.data(), 77, 0.1f, step + 1);
    }
    results[i++] = std::move(w);
  }
  compare(std::string(kernels.name) + " Adam and Polyak", results[0], results[1]);
}

// Squashing, noise, smoothing, target, loss gradient and normalisation of one column of a tile after the other.
AlignedArray<float> runElementwise(const KernelTable& kernels, const AlignedArray<float>& values,
                                   const std::vector<uint32_t>& bits) {
  AlignedArray<float> out(7 * kTile);
  float *y = out.data(), *kept = y + kTile, *noise = y + 2 * kTile, *action = y + 3 * kTile;
  std::copy_n(values.data(), kTile, y);
  std::copy_n(values.data(), kTile, y + 6 * kTile);
  std::copy_n(values.data() + kTile, kTile, action);
  kernels.squash(y, kept, {0.5f, 2.0f, -1.4f, 2.4f});
  kernels.normals(bits.data(), noise);
  kernels.smooth(action, noise, {-0.7f, 0.9f, 0.4f, 0.5f});
  kernels.tdTarget({values.data(), values.data() + kTile, values.data() + 2 * kTile, 2,
                    y + 4 * kTile});
  kernels.mseGradient(y, noise, 0.1f, y + 5 * kTile);
  kernels.normalize(y + 6 * kTile, 0.3f, 1.7f);
  return out;
}

void checkElementwise(const KernelTable& kernels) {
  auto values = randomArray(4 * kTile);
  for (int b = 0; b < kTile; ++b) values[b] *= std::pow(10.0f, static_cast<float>(b % 8 - 6));
  std::vector<uint32_t> bits(kTile);
  for (uint32_t& word : bits) word = generator();
  compare(std::string(kernels.name) + " element-wise", runElementwise(kernels, values, bits),
          runElementwise(chooseKernels("plain"), values, bits));
}

// Sizes whose bytes 64 bits do not hold.
void checkOverflow() {
  for (size_t count : {SIZE_MAX / sizeof(float) + 2, SIZE_MAX / sizeof(float) - 3, SIZE_MAX}) {
    bool refused = false;
    try {
      AlignedArray<float> array(count);
    } catch (const std::runtime_error&) {
      refused = true;
    }
    if (!refused) ++failures;
    std::printf("an array of %zu floats %s\n", count, refused ? "ok" : "was made");
  }
}

}  // namespace

int main() {
  checkOverflow();
  for (const std::string& isa : availableIsas()) {
    const KernelTable& kernels = chooseKernels(isa);
    for (NmPattern pattern : {NmPattern{0, 0}, NmPattern{2, 4}, NmPattern{1, 4}, NmPattern{1, 8},
                              NmPattern{3, 7}, NmPattern{1, 32}}) {
      checkLayer(kernels, 33, 41, pattern);
      checkLayer(kernels, 1, 70, pattern);
      // Wide enough for forward passes to be taken in parts.
      checkLayer(kernels, 9, 777, pattern);
    }
    checkAdam(kernels);
    for (int repeat = 0; repeat < 100; ++repeat) checkElementwise(kernels);
  }
  std::printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
