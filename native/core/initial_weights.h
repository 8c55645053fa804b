// PyTorch's default for nn.Linear: weights and biases from U(-1/sqrt(in), 1/sqrt(in)).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/philox.h"

namespace rnm {

// One sequence of numbers for a whole network: member by member, layer by layer, a layer's weights
// row by row and then its biases. Every backend draws them in this order.
class InitialWeights {
 public:
  InitialWeights(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  void draw(float* values, size_t count, int inputs) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(inputs));
    for (size_t i = 0; i < count; ++i) values[i] = bound * (2.0f * uniformFrom(next()) - 1.0f);
  }

 private:
  uint32_t next() {
    if (position_ % 4 == 0) block_ = philox(seed_, stream_, position_ / 4);
    return block_.value[position_++ % 4];
  }

  uint64_t seed_, stream_, position_ = 0;
  Philox4 block_{};
};

}  // namespace rnm
