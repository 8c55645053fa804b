// Dense and sparse products of one shape on made-up data, and the time that they take.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cuda/choice_cache.h"
#include "cuda/memory.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {

class SparseTrial {
 public:
  // For the layer of a network with so many members. A shape with a bias is a forward pass's, else
  // it is a data gradient's, whose dense product reads the weights by columns. `depth` is the dense
  // product's.
  SparseTrial(Context& context, const SparseProduct::Shape& shape, int depth, int members);

  // Waits for the GPU again and again; not while a graph is recorded. Throws std::runtime_error if
  // the library does not take the shape, or there is not enough memory to try it.
  MeasuredProduct measure();

 private:
  using Work = std::function<void()>;
  // The library's product with its algorithm, and every member's compressed weights.
  struct Sparse {
    std::unique_ptr<SparseProduct> product;
    DeviceArray<uint8_t> compressed;
    int64_t stride = 0;  // in bytes, from member to member
  };

  void fill(DeviceArray<uint8_t>& target, int64_t elements, int pattern);
  std::shared_ptr<Sparse> prepare(const SparseAlgorithm& algorithm);
  std::vector<std::shared_ptr<Sparse>> candidates();
  void multiplyDense(int count);
  void multiplySparse(const Sparse& sparse, int count);
  void* at(const DeviceArray<uint8_t>& array, int64_t element) const;

  Context& context_;
  SparseProduct::Shape shape_;
  int depth_, members_;
  int64_t elementBytes_, weightStride_, inputStride_, outputStride_;
  DeviceArray<uint8_t> weights_, input_, output_, bias_;
};

}  // namespace rnm::cuda
