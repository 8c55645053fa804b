// An ensemble of multilayer perceptrons on the GPU: passes are batched matrix products.
#pragma once

#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/bias_sums.h"
#include "cuda/blas.h"
#include "cuda/kernels.h"
#include "cuda/memory.h"
#include "cuda/weight_gradients.h"
#include "cuda/weights.h"

namespace rnm::cuda {

class CudaNetwork : public Network {
 public:
  CudaNetwork(const NetworkSpec& spec, Context& context);

  void forward(const MatrixView& input, const MatrixView& output, MemberRange members,
               bool keep) override;
  void backward(const MatrixView& outputGradient, MemberRange members, WantedGradients gradients,
                const MatrixView& inputGradient, int inputFirst) override;
  void adam(const AdamOptions& options) override;
  void polyak(const Network& source, float tau) override;
  void copyFrom(const Network& source) override;
  int64_t updateMasks(const MaskUpdate& update) override;
  void scaleDormant(float factor) override;
  int64_t followMasks(const Network& source) override;
  int64_t divergence(const Network& other, int member) const override;
  float largestWeight(int member) const override;
  float largestMoment() const override;
  int64_t idleUnits(int member) const override;
  void read(int member, int layer, Part part, float* target) const override;
  void write(int member, int layer, Part part, const float* source) override;
  size_t bytes() const override { return weights_.bytes(); }

  // Polyak averaging as its kernel takes it; throws if there can be none of these two.
  Average averageOf(const Network& source) const;
  // What follows an average that moved the weights.
  void averaged() const;
  bool isOf(const Context& context) const { return &context_ == &context; }

 private:
  // What a kept forward pass leaves for the backward pass: of each layer, of every member,
  // [member][row][ld], room for `capacity` rows.
  struct Kept {
    MatrixView inputMatrix;  // keeps the input alive
    DeviceView input;
    MemberRange members{0, 0};
    int capacity = 0;
    DeviceArray<uint8_t> convertedInput;            // bf16 only
    std::vector<DeviceArray<uint8_t>> activity;     // the last layer's is tanh's value, float32
    std::vector<DeviceArray<uint8_t>> delta;        // dL/d(pre-activation)
  };

  int width(int layer) const { return spec_.sizes[layer + 1]; }
  int last() const { return layers() - 1; }
  bool squashed() const { return !spec_.low.empty(); }
  bool bf16() const { return context_.precision() == Precision::bf16; }
  ElementType type() const { return bf16() ? ElementType::bfloat16 : ElementType::float32; }
  size_t elementBytes() const { return bf16() ? 2 : 4; }

  const CudaNetwork& sameShape(const Network& other, const char* name) const;
  const CudaNetwork& maskSource(const Network& source) const;
  void keepInput(const MatrixView& input, const DeviceView& view, MemberRange members);
  PassShape shapeOf(int layer, int members, int rows, int64_t memberRows) const;
  PassShape keptShape(int layer) const;
  MatrixRef inputRef(const DeviceView& input, bool keep);
  MatrixRef activityBuffer(int layer, MemberRange members, int rows, bool keep);
  MatrixRef keptRef(const std::vector<DeviceArray<uint8_t>>& arrays, int layer, int member,
                    ElementType type) const;
  MatrixRef keptDelta(int layer, int member) const;
  // Why products cannot go through cuSPARSELt whatever the pattern; empty if they can.
  std::string obstacle(int layer, bool transposed) const;
  // Whether tensor cores have a way for the masks that such products read.
  bool masksFit(int layer, bool transposed) const;
  bool writesOutput(const DeviceView& output) const;
  MatrixRef outputRef(const DeviceView& output) const;
  bool isDelta(MemberRange members, const DeviceView& outputGradient) const;
  bool decidesRows(int rows, bool keep) const;
  void planForward(int rows, bool keep);
  void planTransposed(int rows);
  void planSparse(int rows, bool transposed);
  SparseProduct::Shape productShape(int layer, int rows, bool transposed) const;
  int productInputs(int layer) const;
  // output = input W^T of layers as they were planned; false if this one is to be dense. `clean`: what
  // pads the input's rows is zero.
  bool multiplySparse(const SparseLayers* sparse, int layer, MemberRange members, int rows,
                      const MatrixRef& input, const MatrixRef& output, bool clean);
  void forwardLayer(int layer, MemberRange members, int rows, const MatrixRef& input,
                    const MatrixRef& output);
  BiasSums biasSums(MemberRange members, bool wanted) const;
  bool propagate(int index, MemberRange members, const MatrixRef& delta, bool clean,
                 const ColumnSums& sums);
  bool multiplyDelta(int layer, MemberRange members, const MatrixRef& delta, bool clean);
  void dataGradient(int layer, MemberRange members, const MatrixRef& delta,
                    const MatrixRef& target);
  void planGradients(int rows);
  WeightGradients::Factors gradientFactors(int layer, int member) const;
  void weightGradientOf(int layer, MemberRange members, WantedGradients gradients);
  void storeInputGradient(MemberRange members, const MatrixRef& delta, const DeviceView& target,
                          int first);

  Context& context_;
  NetworkWeights weights_;
  WeightGradients gradients_;
  DeviceArray<float> centre_, half_, low_, high_;  // of the output's range
  // For passes of how many rows sparse layers are planned, and whether that was for kept ones; and for
  // how many their data gradients are.
  int plannedRows_ = 0, transposedRows_ = 0;
  bool plannedKept_ = false;
  Kept kept_;
};

}  // namespace rnm::cuda
