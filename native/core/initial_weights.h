// PyTorch's default for nn.Linear: weights and biases from U(-1/sqrt(in), 1/sqrt(in)).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/backend.h"
#include "core/philox.h"

namespace rnm {

// What U(-b, b) is multiplied by so that the N largest of M magnitudes have the sum of squares that all M
// would have had: the k-th smallest of M has the mean square b^2 k (k + 1) / ((M + 1) (M + 2)), any one b^2 / 3.
inline double varianceScale(const NmPattern& pattern) {
  if (pattern.dense()) return 1.0;
  const double m = pattern.m;
  double active = 0;
  for (int k = pattern.m - pattern.n + 1; k <= pattern.m; ++k) active += k * (k + 1.0) / ((m + 1) * (m + 2));
  return std::sqrt(m / 3 / active);
}

// One sequence of numbers for a whole network: member by member, layer by layer, a layer's weights
// row by row and then its biases. Every backend draws them in this order.
class InitialWeights {
 public:
  explicit InitialWeights(const NetworkSpec& spec) : spec_(spec) {}

  void drawWeights(int layer, float* values, size_t count) {
    const bool scaled = spec_.initialScale == InitialScale::variance;
    draw(values, count, layer, scaled ? varianceScale(spec_.patterns[layer]) : 1.0);
  }
  void drawBiases(int layer, float* values) { draw(values, spec_.sizes[layer + 1], layer, 1.0); }

 private:
  void draw(float* values, size_t count, int layer, double scale) {
    const float bound = static_cast<float>(scale) / std::sqrt(static_cast<float>(spec_.sizes[layer]));
    for (size_t i = 0; i < count; ++i) values[i] = bound * (2.0f * uniformFrom(next()) - 1.0f);
  }

  uint32_t next() {
    if (position_ % 4 == 0) block_ = philox(spec_.seed, spec_.stream, position_ / 4);
    return block_.value[position_++ % 4];
  }

  const NetworkSpec& spec_;
  uint64_t position_ = 0;
  Philox4 block_{};
};

}  // namespace rnm
