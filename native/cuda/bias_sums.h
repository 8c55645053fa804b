// The gradients of biases: sums of deltas over the batch, of all layers of a backward pass.
//
// The kernels that compute a layer's deltas sum them as well, in chunks of rows. Where a batch is more than
// one chunk, those of all layers are added up together, chunk by chunk in order.
#pragma once

#include <vector>

#include "cuda/context.h"

namespace rnm::cuda {

// Rows of a chunk.
constexpr int kChunkRows = 256;
constexpr int chunksOf(int rows) { return (rows + kChunkRows - 1) / kChunkRows; }

// Where a chunk's sums of some layer go: [member][chunk][width], or the gradient itself if there is one
// chunk.
struct ColumnSums {
  float* data;  // null if they are not wanted
  int64_t memberStride, chunkStride;
};

// A layer's gradient: its place for the first member, and from member to member.
struct BiasGradient {
  float* data;
  int64_t stride;
  int width;
};

class BiasSums {
 public:
  // Of no layers if the sums are not wanted.
  BiasSums(Context& context, int members, int rows, std::vector<BiasGradient> layers);
  ColumnSums of(int layer) const;
  // Whether there is something left to add up, by finish(), once the deltas of all layers are computed.
  bool unfinished() const { return partial_ != nullptr; }
  void finish() const;

 private:
  int64_t begin(size_t layer) const;

  Context& context_;
  int members_, chunks_;
  std::vector<BiasGradient> layers_;
  float* partial_ = nullptr;  // of one layer after the other, if there are several chunks
};

}  // namespace rnm::cuda
