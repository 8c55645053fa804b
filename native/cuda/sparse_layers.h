// The layers of a network that tensor cores take as sparse, and how their weights stay compressed
// without ever being compressed during training.
//
// The library's compressed format is opaque, but compressing only moves values. So matrices are
// compressed whose active weights carry digits of their own position; reading them back tells where
// each weight's value lies: its slot. From then on Adam and Polyak averaging write values straight
// into their slots. The slots change with the masks alone.
//
// Where a row's neighbours are compressed to neighbours, one slot says where a whole group is; else each weight
// has its own. And where in bfloat16 the pairs of a row's groups follow each other as the groups do, as in all
// formats of cuSPARSELt 0.8 on Hopper, there are no slots at all: the format is straight. Both are found out by
// looking at the slots. Groups of a transpose lie across the rows that Adam walks along: a kernel of their own
// writes them, tile by tile.
//
// Forward passes multiply with W, data gradients with its transpose: each has its own SparseLayers,
// with slots of their own.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/memory.h"
#include "cuda/product_choice.h"
#include "cuda/slots.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {

class NetworkWeights;

// One member's layer.
struct SparseLayer {
  int layer, member;
  std::unique_ptr<SparseProduct> product;
  LayerWeights weights;
  SparseChoice choice;
  int64_t begin = 0;    // where its compressed buffer begins, in elements
  int64_t elements = 0; // of the buffer
};

class SparseLayers {
 public:
  // `size` is that of the network's array.
  SparseLayers(Context& context, int64_t size, std::vector<SparseLayer> layers, bool transposed);

  // Finds the slots of the active weights of a mask like the network's own. The buffers hold no weights after it: write them anew.
  void findSlots(const uint8_t* mask);

  // What Adam and Polyak averaging are to keep up to date. It may change with findSlots(), which then says so to
  // graphs.
  Slots slots() const { return keepsTransposes() ? Slots{} : allSlots(); }
  // The others: to be called when the weights of a network have changed.
  void storeTransposes(const void* effective, const uint8_t* mask) const;
  // The layer's product if it was planned for so many rows; else null.
  const SparseLayer* find(int layer, int member, int rows) const;
  // The same of the first of these members, if so many go through the library at once; else null.
  const SparseLayer* taken(int layer, MemberRange members, int rows) const;
  void run(const SparseLayer& layer, const void* x, void* y) const;
  size_t bytes() const { return slots_.bytes() + compressed_.bytes(); }

 private:
  size_t elementBytes() const;
  void* bufferOf(const SparseLayer& layer) const;
  void findSlots(const SparseLayer& layer, const uint8_t* mask, uint32_t* slots);
  void verify(const SparseLayer& layer, const uint8_t* mask, const uint32_t* slots);
  bool slotsHold(const SparseLayer& layer, const uint8_t* mask, const uint32_t* slots, bool rounded);
  bool keepsTransposes() const { return transposed_ && group_ > 1; }
  Slots allSlots() const;
  // Whether the format is straight, and how; nothing if it is not.
  std::optional<uint32_t> findSingles(const uint8_t* mask, const uint32_t* slots);
  bool canBeStraight() const;
  StraightLines linesOf(const SparseLayer& layer) const;
  bool pairsHold(const SparseLayer& layer, const uint8_t* mask, const Slots& slots);
  // Other values compressed by the library, and written by write(values), give the same buffer. If they do not,
  // it is the library's.
  template <typename Write>
  bool holds(const SparseLayer& layer, const uint8_t* mask, const Write& write);
  Slots straightSlots(uint32_t singles) const;
  void becomeStraight(uint32_t singles);
  void countEntries();
  DeviceArray<uint32_t> shareSlots(const uint8_t* mask, const uint32_t* slots, int64_t* apart) const;
  void keepSlots(DeviceArray<uint32_t> slots);
  DeviceArray<uint8_t> matrixToCompress(const SparseLayer& layer) const;

  Context& context_;
  int64_t size_;
  std::vector<SparseLayer> layers_;
  bool transposed_;
  int group_;  // weights that share a slot
  int64_t entries_ = 0;
  std::vector<TransposedRows> rows_;
  bool checked_ = false, rounded_ = false;
  bool pairsChecked_ = false;
  std::optional<uint32_t> singles_;  // of Slots; nothing where the format is not straight
  DeviceArray<uint32_t> slots_;
  DeviceArray<uint8_t> compressed_;
};

}  // namespace rnm::cuda
