// Dense products by cuBLASLt, for the public bindings.
#pragma once

#include "cuda/blas_handles.h"
#include "cuda/matmul.h"

namespace rnm::cuda {

// cuBLASLt's matrices are column-major, in which a row-major matrix appears transposed. A row-major
// D is therefore computed as D^T = op(B)^T op(A)^T.
class DenseMatmul final : public CudaMatmul {
 public:
  explicit DenseMatmul(const MatmulSpec& spec);
  // Waits for what an error may have left enqueued.
  ~DenseMatmul() override { cudaStreamSynchronize(stream().get()); }

  void prune(MatmulPrune how) override;
  bool pruned() const override;
  void compress() override;
  void search() override;
  MatmulInfo info() const override;

 private:
  void enqueue() override;
  void describe();
  void layOut(BlasLayout& layout, MatmulOperand operand);
  void findAlgorithms();
  // Takes this algorithm, with the workspace that it needs.
  void choose(size_t algorithm);
  template <typename Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value);
  // Whether cuBLASLt has to transpose an operand that the product takes as op(operand).
  cublasOperation_t operationOf(MatmulOperand operand) const;
  bool swapped() const { return spec().rowMajorD; }
  MatmulOperand first() const { return swapped() ? MatmulOperand::b : MatmulOperand::a; }
  MatmulOperand second() const { return swapped() ? MatmulOperand::a : MatmulOperand::b; }

  const CublasLt& lt_;
  BlasHandle blas_;
  BlasOperation operation_;
  BlasLayout first_, second_, d_;
  std::vector<cublasLtMatmulHeuristicResult_t> algorithms_;  // the library's best guess first
  size_t chosen_ = 0;
  DeviceBuffer workspace_;
};

}  // namespace rnm::cuda
