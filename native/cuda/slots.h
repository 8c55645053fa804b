// Where the weights of a network lie in compressed buffers, as kernels see it: see sparse_layers.h.
#pragma once

#include <cstdint>

namespace rnm::cuda {

// A slot of a weight that is not in a compressed buffer.
constexpr uint32_t kNoSlot = 0xffffffffu;

// Weights whose pairs of values follow each other as the weights do: those of the four from `first` + 4 g on lie
// at `begin` + 2 g.
struct StraightRange {
  int64_t first, count, begin;
};
constexpr int kStraightRanges = 4;

struct Slots {
  uint32_t* of;
  void* compressed;  // null: no weight lies there
  // Neighbours that share an entry of `of`: the slot of the first active one among them. A second one,
  // which bfloat16 has, lies beside it, at slot ^ 1. With 1 every weight has an entry.
  int32_t group;
  // Whether the library has rounded the float32 that it compresses: see slot_stores.h.
  int32_t rounded;
  // Where the format is straight (see sparse_layers.h) there is no `of`. Bit c of `singles` is set if the only
  // active weight of a group, its c-th, is the second value of the pair; the other one is zero then.
  int32_t straight;  // ranges; of transposes 1
  uint32_t singles;
  StraightRange ranges[kStraightRanges];
};

}  // namespace rnm::cuda
