// The layers of a network that tensor cores take as sparse, and how their weights stay compressed
// without ever being compressed during training.
//
// The library's compressed format is opaque, but compressing only moves values. So matrices are
// compressed whose active weights carry digits of their own position; reading them back tells where
// each weight's value lies: its slot. From then on Adam and Polyak averaging write values straight
// into their slots. The slots change with the masks alone.
//
// Forward passes multiply with W, data gradients with its transpose: each has its own SparseLayers,
// with slots of their own.
#pragma once

#include <memory>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/memory.h"
#include "cuda/sparse_blas.h"
#include "cuda/sparse_choice.h"

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

// A slot of a weight that is not in a compressed buffer.
constexpr uint32_t kNoSlot = 0xffffffffu;

// Where each weight of a network lies in a compressed buffer, as kernels see it.
struct Slots {
  uint32_t* of;      // null: no weight lies there
  void* compressed;
};

class SparseLayers {
 public:
  // Plans every layer that fits, for batches of so many rows. `size` is that of the network's array.
  SparseLayers(Context& context, int64_t size, std::vector<SparseLayer> layers);

  // Finds the slots of the active weights of a mask like the network's own. The buffers hold no weights after it: write them anew.
  void findSlots(const uint8_t* mask);

  Slots slots() const { return {slots_.data(), compressed_.data()}; }
  // The layer's product if it was planned for so many rows; else null.
  const SparseLayer* find(int layer, int member, int rows) const;
  void run(const SparseLayer& layer, const void* x, void* y) const;
  size_t bytes() const { return slots_.bytes() + compressed_.bytes(); }

 private:
  size_t elementBytes() const;
  void* bufferOf(const SparseLayer& layer) const;
  void findSlots(const SparseLayer& layer, const uint8_t* mask);
  bool slotsHold(const SparseLayer& layer, const uint8_t* mask);
  DeviceArray<uint8_t> matrixToCompress(const SparseLayer& layer) const;

  Context& context_;
  std::vector<SparseLayer> layers_;
  bool checked_ = false;
  DeviceArray<uint32_t> slots_;
  DeviceArray<uint8_t> compressed_;
};

}  // namespace rnm::cuda
