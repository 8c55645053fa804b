#include "cpu/nm_matrix.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace rnm::cpu {

// Columns and rows are held in 16 bits.
constexpr int kMaxWidth = 65536;

NmMatrix::NmMatrix(int outputs, int inputs, NmPattern pattern)
    : outputs_(outputs), inputs_(inputs), pattern_(pattern) {
  validatePattern(pattern);
  if (outputs < 1 || inputs < 1 || outputs > kMaxWidth || inputs > kMaxWidth) {
    throw std::invalid_argument("Expected a layer's width to be from 1 to 65536 but received " +
                                std::to_string(inputs) + " to " + std::to_string(outputs));
  }
  perRow_ = pattern.activePerRow(inputs);
  values_ = AlignedArray<float>(static_cast<size_t>(outputs) * perRow_);
  if (!sparse()) return;
  dormant_ = AlignedArray<float>(static_cast<size_t>(outputs) * dormantPerRow());
  columns_ = AlignedArray<uint16_t>(values_.size());
  const std::vector<float> zeros(inputs, 0.0f);
  for (int row = 0; row < outputs; ++row) {
    projectRow(zeros.data(), inputs, pattern, columns_.data() + static_cast<size_t>(row) * perRow_);
  }
}

void NmMatrix::storeRow(int row, const float* weights) {
  float* values = rowValues(row);
  if (!sparse()) {
    std::copy_n(weights, inputs_, values);
    return;
  }
  float* dormant = rowDormant(row);
  const uint16_t* columns = rowColumns(row);
  int next = 0;
  for (int column = 0; column < inputs_; ++column) {
    if (next < perRow_ && columns[next] == column) {
      values[next++] = weights[column];
    } else {
      *dormant++ = weights[column];
    }
  }
}

void NmMatrix::expandRow(int row, float* weights) const {
  const float* values = rowValues(row);
  if (!sparse()) {
    std::copy_n(values, inputs_, weights);
    return;
  }
  // Between two active columns lies a run of dormant ones.
  const float* dormant = rowDormant(row);
  const uint16_t* columns = rowColumns(row);
  int column = 0;
  for (int k = 0; k < perRow_; ++k) {
    for (; column < columns[k]; ++column) weights[column] = *dormant++;
    weights[column++] = values[k];
  }
  for (; column < inputs_; ++column) weights[column] = *dormant++;
}

void NmMatrix::expandMaskedRow(int row, float* weights) const {
  const float* values = rowValues(row);
  if (!sparse()) {
    std::copy_n(values, inputs_, weights);
    return;
  }
  std::fill_n(weights, inputs_, 0.0f);
  const uint16_t* columns = rowColumns(row);
  for (int k = 0; k < perRow_; ++k) weights[columns[k]] = values[k];
}

void NmMatrix::maskRow(int row, uint8_t* mask) const {
  std::fill_n(mask, inputs_, static_cast<uint8_t>(sparse() ? 0 : 1));
  if (!sparse()) return;
  const uint16_t* columns = rowColumns(row);
  for (int k = 0; k < perRow_; ++k) mask[columns[k]] = 1;
}

void NmMatrix::dormantColumns(int row, uint16_t* columns) const {
  complementRow(rowColumns(row), perRow_, inputs_, columns);
}

int NmMatrix::setRow(int row, const uint16_t* columns, const float* weights) {
  uint16_t* mine = columns_.data() + static_cast<size_t>(row) * perRow_;
  const int changed = rowDivergence(mine, perRow_, columns, perRow_);
  std::copy_n(columns, perRow_, mine);
  storeRow(row, weights);
  return changed;
}

void NmMatrix::projectStoredRow(int row, uint16_t* columns, float* scratch) const {
  expandRow(row, scratch);
  projectRow(scratch, inputs_, pattern_, columns);
}

bool NmMatrix::sameRowMask(int row, const NmMatrix& other) const {
  return !sparse() || std::equal(rowColumns(row), rowColumns(row) + perRow_, other.rowColumns(row));
}

void NmMatrix::buildTransposed() {
  if (!sparse()) return;
  if (!hasTransposed()) {
    transposedStart_ = AlignedArray<uint32_t>(inputs_ + 1);
    transposedRows_ = AlignedArray<uint16_t>(values_.size());
    transposedSlots_ = AlignedArray<uint32_t>(values_.size());
    transposedValues_ = AlignedArray<float>(values_.size());
  }
  // Counting sort by column; rows stay ascending within a column.
  std::vector<uint32_t> next(inputs_ + 1, 0);
  for (size_t k = 0; k < values_.size(); ++k) ++next[columns_[k] + 1];
  for (int i = 0; i < inputs_; ++i) next[i + 1] += next[i];
  std::copy(next.begin(), next.end(), transposedStart_.data());
  for (size_t k = 0; k < values_.size(); ++k) {
    const uint32_t slot = next[columns_[k]]++;
    transposedSlots_[k] = slot;
    transposedRows_[slot] = static_cast<uint16_t>(k / perRow_);
  }
  refreshTransposed(0, outputs_);
}

void NmMatrix::refreshTransposed(int begin, int end) {
  if (!hasTransposed()) return;
  const size_t last = static_cast<size_t>(end) * perRow_;
  for (size_t k = static_cast<size_t>(begin) * perRow_; k < last; ++k) {
    transposedValues_[transposedSlots_[k]] = values_[k];
  }
}

WeightsRef NmMatrix::ref() const {
  // A block of whole groups that spans about one tile of inputs.
  const int groups = sparse() ? std::max(1, kTile / pattern_.m) : 0;
  return {inputs_,
          outputs_,
          perRow_,
          sparse() ? groups * pattern_.n : kTile,
          values_.data(),
          columns_.data(),
          transposedStart_.data(),
          transposedRows_.data(),
          transposedValues_.data()};
}

size_t NmMatrix::bytes() const {
  return values_.bytes() + dormant_.bytes() + columns_.bytes() + transposedStart_.bytes() +
         transposedRows_.bytes() + transposedSlots_.bytes() + transposedValues_.bytes();
}

}  // namespace rnm::cpu
