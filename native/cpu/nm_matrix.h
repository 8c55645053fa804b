// NmMatrix: the one owner of a layer's weights, row-wise N:M sparse or dense.
//
// `values` holds the active weights, row by row; passes, Adam and Polyak work on it directly.
// `dormant` holds the last value of every inactive weight, likewise row by row in ascending
// column order: both together are the whole stored W, and neither repeats the other.
#pragma once

#include <cstdint>

#include "core/mask_shape.h"
#include "core/nm.h"
#include "cpu/aligned.h"
#include "cpu/kernels.h"

namespace rnm::cpu {

class NmMatrix {
 public:
  // All weights zero; sparse masks are those of the projection of zeros.
  // Without `keepDormant` dormant weights are not held and read as zero.
  NmMatrix(int outputs, int inputs, NmPattern pattern, MaskShape shape = MaskShape::row,
           bool keepDormant = true);

  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  bool sparse() const { return !pattern_.dense(); }
  const NmPattern& pattern() const { return pattern_; }
  MaskShape shape() const { return shape_; }
  int perRow() const { return perRow_; }
  int dormantPerRow() const { return keepDormant_ ? inputs_ - perRow_ : 0; }

  float* values() { return values_.data(); }
  const float* values() const { return values_.data(); }
  float* rowValues(int row) { return values_.data() + static_cast<size_t>(row) * perRow_; }
  const float* rowValues(int row) const { return values_.data() + static_cast<size_t>(row) * perRow_; }
  float* rowDormant(int row) { return dormant_.data() + static_cast<size_t>(row) * dormantPerRow(); }
  const float* rowDormant(int row) const {
    return dormant_.data() + static_cast<size_t>(row) * dormantPerRow();
  }
  const uint16_t* rowColumns(int row) const {
    return columns_.data() + static_cast<size_t>(row) * perRow_;
  }

  // Compress: takes a dense row [inputs] of the whole W at the present mask.
  void storeRow(int row, const float* weights);
  // The whole stored row, dormant weights included.
  void expandRow(int row, float* weights) const;
  // The row with zeros at dormant positions (a row of materialize()).
  void expandMaskedRow(int row, float* weights) const;
  void maskRow(int row, uint8_t* mask) const;
  // Dormant columns of a row, ascending: dormantPerRow() of them.
  void dormantColumns(int row, uint16_t* columns) const;

  // Gives a row these active columns and these weights. Returns how many mask entries changed.
  int setRow(int row, const uint16_t* columns, const float* weights);
  // A band is `rows` rows from `begin`, a multiple of kBandRows, on: those, or the last ones.
  // Gives a band these weights [rows, inputs] and the masks of their projection. Returns how many
  // mask entries changed.
  int setBand(int begin, int rows, const float* weights);
  // The columns [rows, perRow] that a projection of the present W would make active in a band;
  // scratch: [rows, inputs].
  void projectStoredBand(int begin, int rows, uint16_t* columns, float* scratch) const;

  // The transposed index (inputs -> values), which the data gradient reads. Built on demand, since
  // target networks never need it, and again after masks changed, which the owner has to say.
  void buildTransposed();
  bool hasTransposed() const { return hasTransposed_; }
  void outdateTransposed() { hasTransposed_ = false; }
  // Copies the values of these inputs into the index. Who reads them does so first: the values may
  // have changed since. Writing by inputs keeps threads off each other's cache lines.
  void refreshTransposed(const uint16_t* inputs, int count);
  // The inputs in the order in which their entries lie in memory.
  const uint16_t* transposedOrder() const { return transposedOrder_.data(); }
  // For an input: its entries' first place and their number without the filling.
  uint32_t transposedStart(int input) const { return transposedStart_[input]; }
  uint32_t transposedCount(int input) const { return transposedCount_[input]; }
  const uint16_t* transposedRows() const { return transposedRows_.data(); }
  // Which value an entry is.
  size_t transposedValue(uint32_t entry) const {
    return static_cast<size_t>(transposedRows_[entry]) * perRow_ + transposedPlace_[entry];
  }

  WeightsRef ref() const;
  size_t bytes() const;

 private:
  int outputs_, inputs_, perRow_;
  NmPattern pattern_;
  MaskShape shape_;
  bool keepDormant_;
  AlignedArray<float> values_, dormant_;
  AlignedArray<uint16_t> columns_;
  // The transposed index: see WeightsRef.
  uint32_t layOutTransposed();
  void reserveTransposed(size_t entries);
  bool hasTransposed_ = false;  // and up to date
  AlignedArray<uint16_t> transposedOrder_, transposedLength_, transposedCount_;  // [inputs]
  AlignedArray<uint32_t> transposedStart_;                                      // [inputs]
  AlignedArray<uint16_t> transposedRows_;    // [entries]
  AlignedArray<float> transposedValues_;     // [entries]
  AlignedArray<uint16_t> transposedPlace_;   // [entries]: which value of its row an entry is
};

}  // namespace rnm::cpu
