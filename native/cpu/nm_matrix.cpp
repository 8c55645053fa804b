#include "cpu/nm_matrix.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace rnm::cpu {

// Columns and rows are held in 16 bits.
constexpr int kMaxWidth = 65535;

NmMatrix::NmMatrix(int outputs, int inputs, NmPattern pattern, MaskShape shape, bool keepDormant)
    : outputs_(outputs),
      inputs_(inputs),
      pattern_(pattern),
      shape_(shape),
      keepDormant_(keepDormant) {
  validatePattern(pattern);
  validateMaskShape(shape, pattern);
  if (outputs < 1 || inputs < 1 || outputs > kMaxWidth || inputs > kMaxWidth) {
    throw std::invalid_argument("Expected a layer's width to be from 1 to 65535 but received " +
                                std::to_string(inputs) + " to " + std::to_string(outputs));
  }
  perRow_ = pattern.activePerRow(inputs);
  values_ = AlignedArray<float>(static_cast<size_t>(outputs) * perRow_);
  if (!sparse()) return;
  dormant_ = AlignedArray<float>(static_cast<size_t>(outputs) * dormantPerRow());
  columns_ = AlignedArray<uint16_t>(values_.size());
  const std::vector<float> zeros(static_cast<size_t>(kBandRows) * inputs, 0.0f);
  for (int begin = 0; begin < outputs; begin += kBandRows) {
    projectBand(zeros.data(), std::min(kBandRows, outputs - begin), inputs, pattern, shape,
                columns_.data() + static_cast<size_t>(begin) * perRow_);
  }
}

void NmMatrix::storeRow(int row, const float* weights) {
  float* values = rowValues(row);
  if (!sparse()) {
    std::copy_n(weights, inputs_, values);
    return;
  }
  const uint16_t* columns = rowColumns(row);
  if (!keepDormant_) {
    for (int k = 0; k < perRow_; ++k) values[k] = weights[columns[k]];
    return;
  }
  float* dormant = rowDormant(row);
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
  if (!keepDormant_) return expandMaskedRow(row, weights);
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

int NmMatrix::setBand(int begin, int rows, const float* weights) {
  std::vector<uint16_t> columns(sparse() ? static_cast<size_t>(rows) * perRow_ : 0);
  if (sparse()) projectBand(weights, rows, inputs_, pattern_, shape_, columns.data());
  int changed = 0;
  for (int i = 0; i < rows; ++i) {
    const float* row = weights + static_cast<size_t>(i) * inputs_;
    if (sparse()) {
      changed += setRow(begin + i, columns.data() + static_cast<size_t>(i) * perRow_, row);
    } else {
      storeRow(begin + i, row);
    }
  }
  return changed;
}

void NmMatrix::projectStoredBand(int begin, int rows, uint16_t* columns, float* scratch) const {
  for (int i = 0; i < rows; ++i) expandRow(begin + i, scratch + static_cast<size_t>(i) * inputs_);
  projectBand(scratch, rows, inputs_, pattern_, shape_, columns);
}

// Orders the inputs by their number of entries, longest first, and gives every group of them room.
// Returns how many entries there are.
uint32_t NmMatrix::layOutTransposed() {
  std::iota(transposedOrder_.data(), transposedOrder_.data() + inputs_, static_cast<uint16_t>(0));
  std::stable_sort(
      transposedOrder_.data(), transposedOrder_.data() + inputs_,
      [this](uint16_t a, uint16_t b) { return transposedCount_[a] > transposedCount_[b]; });
  uint32_t entries = 0;
  for (int i = 0; i < inputs_; ++i) {
    const int longest = transposedOrder_[i / kTransposedGroup * kTransposedGroup];
    const int input = transposedOrder_[i];
    transposedLength_[input] = transposedCount_[longest];
    transposedStart_[input] = entries;
    entries += transposedLength_[input];
  }
  return entries;
}

// All arrays or none: the last one's size says that there is room in each.
void NmMatrix::reserveTransposed(size_t entries) {
  if (entries <= transposedValues_.size()) return;
  // Some room to spare: the next masks need a little more or less.
  const size_t room = entries + entries / 16;
  AlignedArray<uint16_t> rows(room), place(room);
  AlignedArray<float> values(room);
  transposedRows_ = std::move(rows);
  transposedPlace_ = std::move(place);
  transposedValues_ = std::move(values);
}

void NmMatrix::buildTransposed() {
  if (!sparse()) return;
  hasTransposed_ = false;
  if (transposedStart_.size() == 0) {
    transposedOrder_ = AlignedArray<uint16_t>(inputs_);
    transposedLength_ = AlignedArray<uint16_t>(inputs_);
    transposedCount_ = AlignedArray<uint16_t>(inputs_);
    transposedStart_ = AlignedArray<uint32_t>(inputs_);
  }
  std::fill_n(transposedCount_.data(), inputs_, static_cast<uint16_t>(0));
  for (size_t k = 0; k < values_.size(); ++k) ++transposedCount_[columns_[k]];
  reserveTransposed(layOutTransposed());
  // Entries that fill up a group stay zero weights.
  std::fill_n(transposedRows_.data(), transposedRows_.size(), static_cast<uint16_t>(0));
  std::fill_n(transposedValues_.data(), transposedValues_.size(), 0.0f);
  std::fill_n(transposedCount_.data(), inputs_, static_cast<uint16_t>(0));
  for (int row = 0; row < outputs_; ++row) {
    const uint16_t* columns = rowColumns(row);
    for (int place = 0; place < perRow_; ++place) {
      const uint32_t entry = transposedStart_[columns[place]] + transposedCount_[columns[place]]++;
      transposedRows_[entry] = static_cast<uint16_t>(row);
      transposedPlace_[entry] = static_cast<uint16_t>(place);
    }
  }
  hasTransposed_ = true;
}

void NmMatrix::refreshTransposed(const uint16_t* inputs, int count) {
  for (int i = 0; i < count; ++i) {
    const uint32_t end = transposedStart_[inputs[i]] + transposedCount_[inputs[i]];
    for (uint32_t entry = transposedStart_[inputs[i]]; entry < end; ++entry) {
      transposedValues_[entry] = values_[transposedValue(entry)];
    }
  }
}

WeightsRef NmMatrix::ref() const {
  // A block of whole groups: about one tile of inputs, and at least four values of a row.
  const int groups =
      sparse() ? std::max(std::max(1, kTile / pattern_.m), (3 + pattern_.n) / pattern_.n) : 0;
  return {inputs_,
          outputs_,
          perRow_,
          sparse() ? groups * pattern_.n : kTile,
          values_.data(),
          columns_.data(),
          transposedOrder_.data(),
          transposedStart_.data(),
          transposedLength_.data(),
          transposedRows_.data(),
          transposedValues_.data()};
}

size_t NmMatrix::bytes() const {
  return values_.bytes() + dormant_.bytes() + columns_.bytes() + transposedOrder_.bytes() +
         transposedStart_.bytes() + transposedLength_.bytes() + transposedCount_.bytes() +
         transposedRows_.bytes() + transposedValues_.bytes() + transposedPlace_.bytes();
}

}  // namespace rnm::cpu
