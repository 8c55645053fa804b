// Where the weights of a network lie in compressed buffers, as kernels see it: see sparse_layers.h.
#pragma once

#include <cstdint>

namespace rnm::cuda {

// A slot of a weight that is not in a compressed buffer.
constexpr uint32_t kNoSlot = 0xffffffffu;

struct Slots {
  uint32_t* of;      // null: no weight lies there
  void* compressed;
  // Neighbours that share an entry of `of`: the slot of the first active one among them. A second one,
  // which bfloat16 has, lies beside it, at slot ^ 1. With 1 every weight has an entry.
  int32_t group;
  // Whether the library has rounded the float32 that it compresses: see slot_stores.h.
  int32_t rounded;
};

}  // namespace rnm::cuda
