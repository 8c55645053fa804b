// Dense matrix products by cuBLASLt, with bias and ReLU.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "cuda/blas_handles.h"
#include "cuda/context.h"
#include "cuda/libraries.h"

namespace rnm::cuda {

enum class ElementType { float32, bfloat16 };

// A row-major matrix, or the first of a batch of them that lie `stride` elements apart (0: all the
// same one; fewer than a row: side by side).
struct MatrixRef {
  void* data = nullptr;
  int64_t ld = 0;      // elements from row to row
  int64_t stride = 0;  // elements from matrix to matrix
  ElementType type = ElementType::float32;
};

enum class Epilogue { none, bias, biasRelu };

// result[rows, columns] = op(a)[rows, depth] op(b)[depth, columns], for each of a batch.
struct Product {
  int rows, columns, depth, batch;
  MatrixRef a;
  bool transposeA;  // a is [depth, rows]
  MatrixRef b;
  bool transposeB;  // b is [columns, depth]
  MatrixRef result;
  Epilogue epilogue = Epilogue::none;
  const void* bias = nullptr;  // [columns], of the result's type
  int64_t biasStride = 0;      // elements from one matrix's to the next one's
};

class Blas {
 public:
  explicit Blas(Context& context);
  ~Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;

  // Enqueues the product. What a shape needs is looked up once and then kept: the same shape takes
  // the same algorithm, and so gives the same numbers.
  void multiply(const Product& product);

 private:
  struct Plan;
  using Key = std::array<int64_t, 22>;
  static Key keyOf(const Product& product);
  Plan& planOf(const Product& product);

  Context& context_;
  const CublasLt& lt_;
  BlasHandle blas_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

}  // namespace rnm::cuda
