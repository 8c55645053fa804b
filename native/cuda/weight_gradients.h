// The weight gradients of a network's layers: as dense products, or sampled at the active weights.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/blas.h"
#include "cuda/product_choice.h"
#include "cuda/weights.h"

namespace rnm::cuda {

class WeightGradients {
 public:
  WeightGradients(Context& context, NetworkWeights& weights, int members)
      : context_(context), weights_(weights), members_(members) {}

  // What a layer's gradient is the product of, of members one after the other: delta^T input.
  struct Factors {
    MatrixRef delta, input;  // [rows, outputs], and [rows, inputs] of which products read `columns`
    int columns, rows;
  };
  // What there is of a backward pass before it: the factors of all members, and what is computed beside the
  // gradients of a layer but the first, of so many members, and how.
  struct Pass {
    std::function<Factors(int layer)> factors;
    std::function<void(int layer, int members)> beside;
    std::function<std::string(int layer, int members)> nameOfBeside;
  };
  // Chooses for passes of so many rows, the first of which decides. May measure, with what lies in the pass's
  // buffers and over it; gradients are as they were after it.
  void plan(int rows, const Pass& pass);
  bool planned() const { return rows_ > 0; }

  // Of members from `members.first` on, which the factors begin with. `dormant`: of dormant weights too, which
  // products leave anyway.
  void compute(int layer, MemberRange members, const Factors& factors, bool dormant);

 private:
  std::string whyDense(const NetworkWeights::Layer& layer) const;
  ProductQuestion questionOf(int index, const Pass& pass);
  std::string productOf(int index, const Pass& pass) const;
  MeasuredProduct measure(int index, const Pass& pass);
  // By a tile, or dense.
  void computeBy(std::optional<int> tile, int index, MemberRange members, const Factors& factors);
  void multiply(int index, MemberRange members, const Factors& factors);
  void sample(int index, MemberRange members, const Factors& factors, int tile);

  Context& context_;
  NetworkWeights& weights_;
  int members_, rows_ = 0;
  std::vector<SparseChoice> choices_;  // of layers, whose algorithm is the tile's number
};

}  // namespace rnm::cuda
