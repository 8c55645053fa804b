// Products with 2:4 (bfloat16) or 1:2 (tf32) sparse weights by cuSPARSELt.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "core/nm.h"
#include "cuda/blas.h"
#include "cuda/context.h"
#include "cuda/libraries.h"
#include "cuda/sparse_handles.h"

namespace rnm::cuda {

// It may not be moved once it is initialised.
using SparseHandle = std::unique_ptr<Roomy<cusparseLtHandle_t>>;

// The library, initialised. One for each context that uses it.
class SparseBlas {
 public:
  // Throws std::runtime_error with the cause if it cannot be used.
  SparseBlas();
  ~SparseBlas();
  SparseBlas(const SparseBlas&) = delete;
  SparseBlas& operator=(const SparseBlas&) = delete;

  const CusparseLt& functions() const { return lt_; }
  const cusparseLtHandle_t* handle() const { return handle_->get(); }

 private:
  const CusparseLt& lt_;
  SparseHandle handle_;
};

// What a compressed matrix of `rows` rows has to have room for: more than the library asks for. It writes
// the positions of whole tiles, which for 48 columns of float32 is beyond what it asks for (0.8, on Hopper).
size_t compressedRoom(size_t bytes, int64_t rows);

// Whether every mask of this pattern has at most 2 active weights in each aligned four (bfloat16),
// or 1 in each aligned two (float32, which the tensor cores round to tf32).
bool fitsTensorCores(const NmPattern& pattern, ElementType type);
// One of the library's algorithms, by what the library tells of it: attributes that it does not tell
// are those of its default, as are all of them here.
struct SparseAlgorithm {
  std::optional<int> id, splitK, splitMode, splitBuffers;
  bool operator==(const SparseAlgorithm&) const = default;
};

// y = relu(x W^T + bias), or y = x W^T, for one W of [outputs, inputs] in the library's compressed
// format.
//
// The library takes only multiples of 8 or 16 (float32: 4 or 16), so that more than the shape is
// read and written: x is [paddedRows, paddedInputs], of which columns beyond the inputs have to be
// finite, and y is [paddedRows, paddedOutputs], which gets 0 beyond the outputs and anything beyond
// the rows. The bias has paddedOutputs elements, 0 beyond the outputs.
class SparseProduct {
 public:
  struct Shape {
    int outputs, inputs, rows;
    int64_t weightLd, inputLd, outputLd;
    ElementType type;
    const void* bias;  // null: neither bias nor ReLU

    int64_t paddedOutputs() const;
    int64_t paddedInputs() const;
    int64_t paddedRows() const;
  };
  // Throws std::runtime_error if the library does not take the shape, or this algorithm for it.
  SparseProduct(Context& context, SparseBlas& blas, const Shape& shape,
                const SparseAlgorithm& algorithm = {});
  SparseProduct(const SparseProduct&) = delete;
  SparseProduct& operator=(const SparseProduct&) = delete;

  const Shape& shape() const { return shape_; }
  size_t compressedBytes() const { return compressedBytes_; }
  // What a buffer for it has to have.
  size_t compressedRoom() const { return cuda::compressedRoom(compressedBytes_, shape_.paddedOutputs()); }
  // `dense` is [paddedOutputs, weightLd], with zeros where W is dormant or padded, and nowhere else.
  void compress(const void* dense, void* compressed);
  int64_t denseElements() const { return shape_.paddedOutputs() * shape_.weightLd; }
  void run(const void* compressed, const void* x, void* y);
  // Has the library try its algorithms, which waits. What was compressed before is of no use after it.
  void search(const void* compressed, const void* x, void* y);
  // The one that is used: as given, as the library's default or its search has it.
  SparseAlgorithm algorithm() const;

 private:
  void describe();
  void addBiasAndRelu();
  void select(const SparseAlgorithm& algorithm);
  void plan();
  std::optional<int> attribute(cusparseLtMatmulAlgAttribute_t name) const;
  void setAttribute(cusparseLtMatmulAlgAttribute_t name, std::optional<int> value);

  Context& context_;
  SparseBlas& blas_;
  const CusparseLt& lt_;
  Shape shape_;
  // In this order: a structure goes before those that it was made from.
  SparseDescriptor weights_, input_, output_;
  Roomy<cusparseLtMatmulDescriptor_t> operation_;
  SparseSelection algorithm_;
  SparsePlan plan_;
  size_t compressedBytes_ = 0, compressScratch_ = 0, workspace_ = 0;
};

}  // namespace rnm::cuda
