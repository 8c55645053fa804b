// The CPU's network passes. A thread takes a tile of the batch, forward two, through all layers, so that
// activations stay in cache and threads meet once per pass; the weight gradient is a second phase,
// split over output rows. No result depends on the number of threads.
#pragma once

#include <vector>

#include "core/backend.h"
#include "cpu/kernels.h"
#include "cpu/layer.h"
#include "cpu/matrix.h"
#include "cpu/thread_pool.h"

namespace rnm::cpu {

class CpuNetwork : public Network {
 public:
  CpuNetwork(const NetworkSpec& spec, ThreadPool& pool, const KernelTable& kernels);
  ~CpuNetwork() override;
  CpuNetwork(const CpuNetwork&) = delete;
  CpuNetwork& operator=(const CpuNetwork&) = delete;

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
  size_t bytes() const override;

 private:
  // What a kept forward pass leaves for the backward pass, per member and tile.
  struct Kept {
    MatrixView inputMatrix;  // keeps the input alive
    TileView input;
    MemberRange members{0, 0};
    int tiles = 0;
    // [layer][member][tile][width of the layer's output][32]; the last layer's is tanh's value.
    std::vector<AlignedArray<float>> activity;
    std::vector<AlignedArray<float>> delta;  // dL/d(pre-activation), same shape
  };
  // Inputs of a sparse layer whose part of the transposed index is refreshed as one piece.
  struct InputRange {
    NmMatrix* weights;
    const uint16_t* inputs;
    int count;
  };
  struct RowRange {
    int layer, begin, end;  // layer counts through all members
  };
  // Polyak averages of dormant weights that were put off. Under `masked` a source's dormant weights stand
  // still until its masks change: many averages at once give the same bits, and read and write each
  // weight but once.
  struct Debt {
    const CpuNetwork* source = nullptr;
    float tau = 0;
    int times = 0;
  };

  int width(int layer) const { return spec_.sizes[layer + 1]; }
  bool squashed() const { return !spec_.low.empty(); }
  Layer& layer(int member, int index) { return layers_[member * layers() + index]; }
  const Layer& layer(int member, int index) const { return layers_[member * layers() + index]; }
  // Where a layer's kept values of one member and tile begin.
  float* keptTile(std::vector<AlignedArray<float>>& kept, int index, int member, int tile) {
    return kept[index].data() +
           (static_cast<size_t>(member) * kept_.tiles + tile) * keptStride(index);
  }
  // From tile to tile. An odd number of features: a feature's place in all tiles would otherwise
  // share a few sets of the L1 cache, and weight gradients read it in all of them.
  size_t keptStride(int index) const { return static_cast<size_t>(width(index) | 1) * kTile; }

  void initialise();
  void planRows(int threads);
  void shareRanges(int threads, int64_t weights);
  void reserveScratch(int threads);
  Layer::Scratch scratch(int thread);
  bool dormantStandStill() const;
  void polyakActive(const CpuNetwork& source, float tau);
  void findCrossings(const CpuNetwork& source);
  void settle() const;
  void settleDebtors() const;
  void keepInput(const MatrixView& input, const TileView& view, MemberRange members);
  const CpuNetwork& sameShape(const Network& other, const char* name) const;
  const CpuNetwork& maskSource(const Network& source) const;

  void forwardTiles(const TileView& x, const TileView& y, int member, int slot, int tile, bool keep,
                    int thread);
  void squash(float* y, float* kept) const;
  void refreshIndices(MemberRange members, int inputFirst, int inputCount);
  void outputDelta(const TileView& outputGradient, int member, int slot, int tile);
  void backwardTile(int member, int tile, const TileView* inputGradient, int inputFirst,
                    bool accumulate);
  void weightGradientRows(const RowRange& range, bool dormant);
  bool hasDormantGradients() const;
  int64_t swapWeights(const MaskUpdate& update);
  bool isIdle(int member, int layer, int unit) const;
  template <typename Action>
  int64_t changeRows(const Action& action);

  ThreadPool& pool_;
  const KernelTable& kernels_;
  // [member][layer]. Mutable, like the debt: what was put off is done when it is read.
  mutable std::vector<Layer> layers_;
  mutable Debt debt_;
  std::vector<std::vector<Crossing>> crossings_;  // of each of ranges_, while there is a debt
  mutable std::vector<const CpuNetwork*> debtors_;  // networks whose debt has this one as its source
  std::vector<RowRange> ranges_;   // all rows of all layers, in pieces of similar work
  std::vector<Layer::AdamSteps> steps_;  // of each layer, in the present Adam step
  std::vector<int> rangeEnds_;     // where the pieces end that a thread begins with
  std::vector<InputRange> indexPieces_;  // of the present backward pass
  std::vector<uint16_t> allInputs_;      // 0, 1, ... of the first layer
  // Per thread: for two layers of the widest kind, the tiles of a task.
  std::vector<AlignedArray<float>> passScratch_;
  std::vector<AlignedArray<float>> rowScratch_;   // per thread: see Layer::Scratch
  std::vector<AlignedArray<uint16_t>> columnScratch_;
  Kept kept_;
};

}  // namespace rnm::cpu
