// One layer of one network: its weights, biases and what training keeps of them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "core/swaps.h"
#include "cpu/aligned.h"
#include "cpu/nm_matrix.h"

namespace rnm::cpu {

// A weight in a group whose masks differ, active in either: its places in a target and in the source, which
// are not the same, and the average.
struct Crossing {
  float* target;
  const float* source;
  float mean;
};

class Layer {
 public:
  // Layer `index` of a network.
  Layer(const NetworkSpec& spec, int index);

  NmMatrix weights;
  AlignedArray<float> bias;
  // Gradient and moments: [outputs, gradientPerRow()], compressed like the values under `masked`,
  // dense under the straight-through rules. Empty unless trainable.
  AlignedArray<float> gradient, moment1, moment2;
  // The gradient at all weights, [outputs, inputs], for a mask update by gradient: empty where `gradient` is that,
  // and before it is asked for.
  AlignedArray<float> wholeGradient;
  AlignedArray<float> biasGradient, biasMoment1, biasMoment2;

  int outputs() const { return weights.outputs(); }
  int inputs() const { return weights.inputs(); }
  bool trainable() const { return trainable_; }
  bool denseGradient() const { return denseGradient_; }
  int gradientPerRow() const { return denseGradient_ ? inputs() : weights.perRow(); }

  // All of these work on rows [begin, end), where begin is a multiple of kBandRows. They touch
  // nothing outside their rows, so that rows may run in parallel.
  struct Scratch {
    float* row;         // [kBandRows * inputs]
    float* other;       // [inputs]
    uint16_t* columns;  // [kBandRows * inputs]
  };
  // Biases and weights may have different rates.
  struct AdamSteps {
    AdamStep biases, weights;
  };
  void adamRows(int begin, int end, const AdamSteps& steps, const KernelTable& kernels, Scratch scratch);
  void polyakRows(int begin, int end, const Layer& source, float tau, const KernelTable& kernels,
                  Scratch scratch);
  // The same in two parts, for a source whose dormant weights stand still: what is active in either mask,
  // and what is dormant in both, which may wait and be made up for `times` at once, before either mask
  // changes. `crossings` are those of the rows.
  void appendCrossings(int begin, int end, const Layer& source, std::vector<Crossing>& crossings);
  void polyakActiveRows(int begin, int end, const Layer& source, float tau,
                        std::vector<Crossing>& crossings, const KernelTable& kernels);
  void polyakDormantRows(int begin, int end, const Layer& source, float tau, int times,
                         const KernelTable& kernels);
  // New masks from the layer's own weights, or another's masks. Returns changed mask entries.
  int64_t projectRows(int begin, int end, Scratch scratch);
  int64_t followRows(int begin, int end, const Layer& source, Scratch scratch);
  // Swaps within groups, as core/swaps.h describes them: first the keys of all units, [outputs, groups()], then
  // those of the units that were chosen. `layer` counts through all members.
  int groups() const;
  void swapKeys(int begin, int end, float* keys) const;
  int64_t swapRows(int begin, int end, int layer, const uint8_t* chosen, const MaskUpdate& update,
                   Scratch scratch);
  void scaleDormantRows(int begin, int end, float factor);
  void copyRows(int begin, int end, const Layer& source, Scratch scratch);

  void read(Part part, float* target) const;
  void write(Part part, const float* source);
  // The bits of the largest magnitude among all weights and biases: as integers, NaN is above all.
  uint32_t largestBits() const;
  // Likewise of the moments of weights and biases; 0 where there are none.
  uint32_t largestMomentBits() const;
  size_t bytes() const;
  // Room for a gradient at all weights, if there is none yet.
  void reserveWholeGradient();
  // Says that it is there: it was computed or written.
  void keepDormantGradient() { hasDormantGradient_ = true; }
  bool hasDormantGradient() const { return hasDormantGradient_; }
  const AlignedArray<float>& dormantGradient() const { return denseGradient_ ? gradient : wholeGradient; }

 private:
  // A group of M columns in a row: its first column, how many it has and how many of them are active,
  // and where its values and its dormant weights begin in the row.
  struct Group {
    int first, size, active, values, dormant;
  };
  Group groupAt(int index) const;
  void polyakRow(int row, const NmMatrix& source, float tau, const KernelTable& kernels,
                 Scratch scratch);
  template <typename Action>
  void forEachDifference(int row, const NmMatrix& source, const Action& action) const;
  template <typename Action>
  void forEachColumn(int row, const Group& group, const NmMatrix& source, const Action& action);
  int changeRowMask(int row, const uint16_t* columns, Scratch scratch);
  void remapMoment(AlignedArray<float>& moment, int row, const uint16_t* columns, float newMoment,
                   float* scratch);
  void moveMoments(int row, const uint16_t* columns, float* scratch);
  float newSecondMoment(int row) const;
  SwapUnit unitAt(int row, int index) const;
  SwapPlace smallestOf(const SwapUnit& unit, int row, int index) const;
  SwapUnit swapUnit(int row, int index, int layer, const MaskUpdate& update) const;
  static void writeActive(uint32_t bits, const Group& group, uint16_t* columns);
  int swapRow(int row, const uint16_t* columns, Scratch scratch);
  void straightThroughRow(int row, const AdamStep& step, const KernelTable& kernels, Scratch scratch);
  const AlignedArray<float>& array(Part part) const;
  void readRow(Part part, int row, float* target) const;
  void writeRow(Part part, int row, const float* source);
  void writeMask(const float* mask);

  float srLambda_;
  NewMoment newMoment_;
  bool trainable_, denseGradient_, hasDormantGradient_ = false;
};

}  // namespace rnm::cpu
