// Products with a 2:4 (1:2 under tf32) sparse operand by cuSPARSELt, for the public bindings.
#pragma once

#include "cuda/matmul.h"
#include "cuda/sparse_blas.h"
#include "cuda/sparse_handles.h"

namespace rnm::cuda {

class SparseMatmul final : public CudaMatmul {
 public:
  explicit SparseMatmul(const MatmulSpec& spec);
  // Waits for what an error may have left enqueued.
  ~SparseMatmul() override { cudaStreamSynchronize(stream().get()); }

  void write(MatmulOperand operand, const float* values) override;
  void prune(MatmulPrune how) override;
  bool pruned() const override;
  void compress() override;
  void search() override;
  MatmulInfo info() const override;

 private:
  void enqueue() override;
  void describe(SparseDescriptor& descriptor, MatmulOperand operand);
  void describeProduct();
  void plan();
  // Memory for what the plan needs now: the algorithm decides.
  void makeRoom();
  void requireCompressed() const;
  int algorithmAttribute(cusparseLtMatmulAlgAttribute_t attribute) const;
  MatmulOperand sparse() const {
    return spec().sparse == MatmulSparse::a ? MatmulOperand::a : MatmulOperand::b;
  }
  const void* operand(MatmulOperand which) const {
    return which == sparse() ? compressed_.data() : data(which);
  }

  SparseBlas blas_;
  const CusparseLt& lt_;
  SparseDescriptor a_, b_, d_;
  Roomy<cusparseLtMatmulDescriptor_t> operation_;
  SparseSelection algorithm_;
  SparsePlan plan_;
  DeviceBuffer compressed_, compressScratch_, workspace_;
  size_t compressedBytes_ = 0;  // that the library asks for
  bool isCompressed_ = false;
};

}  // namespace rnm::cuda
