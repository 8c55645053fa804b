// Where the weights of a network lie in compressed buffers, as kernels see it: see sparse_layers.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace rnm::cuda {

// A slot of a weight that is not in a compressed buffer.
constexpr uint32_t kNoSlot = 0xffffffffu;

struct Slots {
  uint32_t* of;      // null: no weight lies there
  void* compressed;
  // Neighbouring columns that share an entry of `of`: the slot of the first active one among them. A
  // second one, which bfloat16 has, lies beside it, at slot ^ 1. With 1 every weight has an entry.
  int32_t group;
  // Whether the library has rounded the float32 that it compresses: see compressedValue().
  int32_t rounded;
};

// A float32 as tensor cores are to find it. They leave out the lower 13 bits; cuSPARSELt adds half of
// what those can hold, so that the product's factors are rounded and not cut off.
__device__ inline float compressedValue(float value, bool rounded) {
  // A NaN must not overflow to a number.
  return rounded && value == value ? __uint_as_float(__float_as_uint(value) + 0x1000u) : value;
}

}  // namespace rnm::cuda
