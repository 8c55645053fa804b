#include "cpu/layer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace rnm::cpu {

Layer::Layer(const NetworkSpec& spec, int index)
    : weights(spec.sizes[index + 1], spec.sizes[index], spec.patterns[index], spec.maskShape,
              spec.role != Role::inference),
      bias(outputs()),
      srLambda_(spec.rule == GradientRule::srSte ? spec.srLambda : 0.0f),
      newMoment_(spec.newMoment),
      trainable_(spec.role == Role::online),
      denseGradient_(!weights.sparse() || spec.rule != GradientRule::masked) {
  if (!trainable_) return;
  const size_t count = static_cast<size_t>(outputs()) * gradientPerRow();
  gradient = AlignedArray<float>(count);
  moment1 = AlignedArray<float>(count);
  moment2 = AlignedArray<float>(count);
  biasGradient = AlignedArray<float>(outputs());
  biasMoment1 = AlignedArray<float>(outputs());
  biasMoment2 = AlignedArray<float>(outputs());
}

namespace {

AdamArgs adamArgs(const AdamStep& s, float* weights, const float* gradient, float* moment1,
                  float* moment2, size_t count) {
  return {weights, moment1, moment2,      gradient, count,
          s.beta1, s.rest1, s.beta2,      s.rest2,  s.stepSize,
          s.inverseCorrection2, s.epsilon};
}

}  // namespace

void Layer::adamRows(int begin, int end, const AdamSteps& steps, const KernelTable& kernels,
                     Scratch scratch) {
  kernels.adam(adamArgs(steps.biases, bias.data() + begin, biasGradient.data() + begin,
                        biasMoment1.data() + begin, biasMoment2.data() + begin, end - begin));
  if (weights.sparse() && denseGradient_) {
    for (int row = begin; row < end; ++row) straightThroughRow(row, steps.weights, kernels, scratch);
  } else {
    const size_t at = static_cast<size_t>(begin) * gradientPerRow();
    const size_t count = static_cast<size_t>(end - begin) * gradientPerRow();
    kernels.adam(adamArgs(steps.weights, weights.values() + at, gradient.data() + at, moment1.data() + at,
                          moment2.data() + at, count));
  }
}

// The whole W takes the step; active and dormant weights are unpacked for it and packed again. The gradient
// stays as it is, without the decay, for a mask update by gradient.
void Layer::straightThroughRow(int row, const AdamStep& step, const KernelTable& kernels,
                               Scratch scratch) {
  const size_t at = static_cast<size_t>(row) * inputs();
  weights.expandRow(row, scratch.row);
  const float* slope = gradient.data() + at;
  if (srLambda_ != 0.0f) {
    std::copy_n(slope, inputs(), scratch.other);
    weights.dormantColumns(row, scratch.columns);
    for (int k = 0; k < weights.dormantPerRow(); ++k) {
      const int column = scratch.columns[k];
      scratch.other[column] += srLambda_ * scratch.row[column];
    }
    slope = scratch.other;
  }
  kernels.adam(adamArgs(step, scratch.row, slope, moment1.data() + at, moment2.data() + at, inputs()));
  weights.storeRow(row, scratch.row);
}

namespace {

// The next value from k on whose columns differ, or count; looks at four of them at a time.
int nextDifference(const uint16_t* a, const uint16_t* b, int k, int count) {
  for (; k + 4 <= count; k += 4) {
    uint64_t these, those;
    std::memcpy(&these, a + k, sizeof these);
    std::memcpy(&those, b + k, sizeof those);
    if (these != those) break;
  }
  while (k < count && a[k] == b[k]) ++k;
  return k;
}

// Bit i: whether column first + i is active.
uint32_t activeBits(const uint16_t* columns, int count, int first) {
  uint32_t bits = 0;
  for (int k = 0; k < count; ++k) bits |= uint32_t{1} << (columns[k] - first);
  return bits;
}

}  // namespace

Layer::Group Layer::groupAt(int index) const {
  const auto [n, m] = weights.pattern();
  const int first = index * m;
  const int size = std::min(m, inputs() - first);
  return {first, size, std::min(n, size), index * n, index * (m - n)};
}

// Calls action(group) for the groups of a row whose masks differ, in ascending order.
template <typename Action>
void Layer::forEachDifference(int row, const NmMatrix& source, const Action& action) const {
  const int n = weights.pattern().n;
  const int count = weights.sparse() ? weights.perRow() : 0;
  for (int k = 0;;) {
    k = nextDifference(weights.rowColumns(row), source.rowColumns(row), k, count);
    if (k == count) return;
    action(groupAt(k / n));
    k = std::min((k / n + 1) * n, count);
  }
}

// Calls action(target, active, source, active) with the places of a group's weights, column by column.
template <typename Action>
void Layer::forEachColumn(int row, const Group& group, const NmMatrix& source, const Action& action) {
  const auto [first, size, active, values, dormant] = group;
  const uint32_t mine = activeBits(weights.rowColumns(row) + values, active, first);
  const uint32_t theirs = activeBits(source.rowColumns(row) + values, active, first);
  // Chosen by a bit, not by a branch, which would be guessed wrong half the time.
  float* target[2] = {weights.rowDormant(row) + dormant, weights.rowValues(row) + values};
  const float* other[2] = {source.rowDormant(row) + dormant, source.rowValues(row) + values};
  for (int i = 0; i < size; ++i) {
    const uint32_t here = mine >> i & 1, there = theirs >> i & 1;
    action(target[here]++, here, other[there]++, there);
  }
}

// Values and dormant weights at the same place in both rows belong to the same column, except in
// groups whose masks differ. Those, a few in a hundred, are averaged before the others, while the
// weights are as they were, and written last.
void Layer::polyakRow(int row, const NmMatrix& source, float tau, const KernelTable& kernels,
                      Scratch scratch) {
  float* mean = scratch.row;
  forEachDifference(row, source, [&](const Group& group) {
    forEachColumn(row, group, source, [&](const float* target, uint32_t, const float* other, uint32_t) {
      *mean++ = *target + tau * (*other - *target);
    });
  });
  kernels.polyak(weights.rowValues(row), source.rowValues(row), weights.perRow(), tau, 1);
  kernels.polyak(weights.rowDormant(row), source.rowDormant(row), weights.dormantPerRow(), tau, 1);
  mean = scratch.row;
  forEachDifference(row, source, [&](const Group& group) {
    forEachColumn(row, group, source,
                  [&](float* target, uint32_t, const float*, uint32_t) { *target = *mean++; });
  });
}

void Layer::polyakRows(int begin, int end, const Layer& source, float tau,
                       const KernelTable& kernels, Scratch scratch) {
  kernels.polyak(bias.data() + begin, source.bias.data() + begin, end - begin, tau, 1);
  for (int row = begin; row < end; ++row) polyakRow(row, source.weights, tau, kernels, scratch);
}

void Layer::appendCrossings(int begin, int end, const Layer& source,
                            std::vector<Crossing>& crossings) {
  for (int row = begin; row < end; ++row) {
    forEachDifference(row, source.weights, [&](const Group& group) {
      forEachColumn(row, group, source.weights,
                    [&](float* target, uint32_t here, const float* other, uint32_t there) {
                      if ((here | there) != 0) crossings.push_back({target, other, 0.0f});
                    });
    });
  }
}

void Layer::polyakActiveRows(int begin, int end, const Layer& source, float tau,
                             std::vector<Crossing>& crossings, const KernelTable& kernels) {
  for (Crossing& c : crossings) c.mean = *c.target + tau * (*c.source - *c.target);
  kernels.polyak(bias.data() + begin, source.bias.data() + begin, end - begin, tau, 1);
  const size_t count = static_cast<size_t>(end - begin) * weights.perRow();
  kernels.polyak(weights.rowValues(begin), source.weights.rowValues(begin), count, tau, 1);
  for (const Crossing& c : crossings) *c.target = c.mean;
}

// By the kernel in the stretches between groups whose masks differ.
void Layer::polyakDormantRows(int begin, int end, const Layer& source, float tau, int times,
                              const KernelTable& kernels) {
  for (int row = begin; row < end; ++row) {
    float* target = weights.rowDormant(row);
    const float* other = source.weights.rowDormant(row);
    int from = 0;
    forEachDifference(row, source.weights, [&](const Group& group) {
      kernels.polyak(target + from, other + from, group.dormant - from, tau, times);
      from = group.dormant + group.size - group.active;
      forEachColumn(row, group, source.weights,
                    [&](float* t, uint32_t here, const float* s, uint32_t there) {
                      if ((here | there) != 0) return;
                      for (int i = 0; i < times; ++i) *t += tau * (*s - *t);
                    });
    });
    kernels.polyak(target + from, other + from, weights.dormantPerRow() - from, tau, times);
  }
}

// The second moment of a weight of the row that becomes active.
float Layer::newSecondMoment(int row) const {
  if (newMoment_ == NewMoment::zero) return 0.0f;
  const float* values = moment2.data() + static_cast<size_t>(row) * gradientPerRow();
  double sum = 0;
  for (int k = 0; k < weights.perRow(); ++k) {
    sum += values[denseGradient_ ? weights.rowColumns(row)[k] : k];
  }
  return static_cast<float>(sum / weights.perRow());
}

// Moments of active weights alone, for other active columns.
void Layer::remapMoment(AlignedArray<float>& moment, int row, const uint16_t* columns,
                        float newMoment, float* scratch) {
  float* values = moment.data() + static_cast<size_t>(row) * weights.perRow();
  std::fill_n(scratch, inputs(), newMoment);
  const uint16_t* before = weights.rowColumns(row);
  for (int k = 0; k < weights.perRow(); ++k) scratch[before[k]] = values[k];
  for (int k = 0; k < weights.perRow(); ++k) values[k] = scratch[columns[k]];
}

// Under `masked` a weight that goes dormant loses its moments, and one that becomes active begins without a
// first one; under the straight-through rules moments belong to all of W and stay.
void Layer::moveMoments(int row, const uint16_t* columns, float* scratch) {
  if (!trainable_ || denseGradient_) return;
  const float second = newSecondMoment(row);
  remapMoment(moment1, row, columns, 0.0f, scratch);
  remapMoment(moment2, row, columns, second, scratch);
}

int Layer::changeRowMask(int row, const uint16_t* columns, Scratch scratch) {
  if (std::equal(columns, columns + weights.perRow(), weights.rowColumns(row))) return 0;
  moveMoments(row, columns, scratch.other);
  weights.expandRow(row, scratch.row);
  return weights.setRow(row, columns, scratch.row);
}

// ---------------------------------------------------------------- swaps

int Layer::groups() const { return (inputs() + weights.pattern().m - 1) / weights.pattern().m; }

SwapUnit Layer::unitAt(int row, int index) const {
  const Group group = groupAt(index);
  const bool transposable = weights.shape() == MaskShape::transposable;
  const int rows = unitRows(weights.pattern(), transposable, outputs(), inputs(), row, index);
  SwapUnit unit = {rows, group.size, group.active, {}};
  for (int r = 0; r < rows; ++r) {
    unit.active[r] = activeBits(weights.rowColumns(row + r) + group.values, group.active, group.first);
  }
  return unit;
}

// The smallest active weight of the unit at a row's group.
SwapPlace Layer::smallestOf(const SwapUnit& unit, int row, int index) const {
  return smallestActive(unit, [&](int r, int column) {
    const int rank = std::popcount(unit.active[r] & ((uint32_t{1} << column) - 1));
    return weights.rowValues(row + r)[index * weights.pattern().n + rank];
  });
}

void Layer::swapKeys(int begin, int end, float* keys) const {
  for (int row = begin; row < end; ++row) {
    for (int g = 0; g < groups(); ++g) {
      const SwapUnit unit = unitAt(row, g);
      keys[static_cast<size_t>(row) * groups() + g] =
          unit.rows > 0 ? smallestOf(unit, row, g).magnitude : kNoUnit;
    }
  }
}

SwapUnit Layer::swapUnit(int row, int index, int layer, const MaskUpdate& update) const {
  const SwapUnit unit = unitAt(row, index);
  const SwapPlace dropped = smallestOf(unit, row, index);
  if (update.rule == MaskRule::random) {
    const uint64_t number = static_cast<uint64_t>(row) * groups() + index;
    return swappedAtRandom(unit, dropped, swapBits(update.seed, update.stream, layer, number));
  }
  const float* slopes = dormantGradient().data() + static_cast<size_t>(row) * inputs() + groupAt(index).first;
  return swappedByGradient(unit, dropped,
                           [&](int r, int column) { return slopes[static_cast<size_t>(r) * inputs() + column]; });
}

int64_t Layer::swapRows(int begin, int end, int layer, const uint8_t* chosen, const MaskUpdate& update,
                        Scratch scratch) {
  int64_t changed = 0;
  for (int band = begin; band < end; band += kBandRows) {
    const int rows = std::min(kBandRows, end - band);
    std::copy_n(weights.rowColumns(band), static_cast<size_t>(rows) * weights.perRow(), scratch.columns);
    for (int row = band; row < band + rows; ++row) {
      for (int g = 0; g < groups(); ++g) {
        if (!chosen[static_cast<size_t>(row) * groups() + g]) continue;
        const SwapUnit after = swapUnit(row, g, layer, update);
        for (int r = 0; r < after.rows; ++r) {
          uint16_t* columns = scratch.columns + static_cast<size_t>(row - band + r) * weights.perRow();
          writeActive(after.active[r], groupAt(g), columns);
        }
      }
    }
    for (int i = 0; i < rows; ++i) {
      changed += swapRow(band + i, scratch.columns + static_cast<size_t>(i) * weights.perRow(), scratch);
    }
  }
  return changed;
}

// The group's part of a row's active columns, from bits.
void Layer::writeActive(uint32_t bits, const Group& group, uint16_t* columns) {
  uint16_t* next = columns + group.values;
  for (; bits != 0; bits &= bits - 1) *next++ = static_cast<uint16_t>(group.first + std::countr_zero(bits));
}

// Gives a row other active columns. What swaps becomes 0, as do its moments, but for a second one that begins
// with the row's mean.
int Layer::swapRow(int row, const uint16_t* columns, Scratch scratch) {
  const uint16_t* before = weights.rowColumns(row);
  if (std::equal(columns, columns + weights.perRow(), before)) return 0;
  weights.expandRow(row, scratch.row);
  const float second = denseGradient_ ? newSecondMoment(row) : 0.0f;
  const size_t at = static_cast<size_t>(row) * inputs();
  const auto clear = [&](int column, float secondMoment) {
    scratch.row[column] = 0.0f;
    if (!denseGradient_) return;
    moment1[at + column] = 0.0f;
    moment2[at + column] = secondMoment;
  };
  for (int k = 0; k < weights.perRow(); ++k) {
    if (!std::binary_search(columns, columns + weights.perRow(), before[k])) clear(before[k], 0.0f);
    if (!std::binary_search(before, before + weights.perRow(), columns[k])) clear(columns[k], second);
  }
  moveMoments(row, columns, scratch.other);
  return weights.setRow(row, columns, scratch.row);
}

void Layer::scaleDormantRows(int begin, int end, float factor) {
  if (!weights.sparse()) return;
  float* dormant = weights.rowDormant(begin);
  const size_t count = static_cast<size_t>(end - begin) * weights.dormantPerRow();
  for (size_t i = 0; i < count; ++i) dormant[i] *= factor;
}

void Layer::reserveWholeGradient() {
  if (denseGradient_ || wholeGradient.size() > 0) return;
  wholeGradient = AlignedArray<float>(static_cast<size_t>(outputs()) * inputs());
}

int64_t Layer::projectRows(int begin, int end, Scratch scratch) {
  int64_t changed = 0;
  if (!weights.sparse()) return changed;
  for (int band = begin; band < end; band += kBandRows) {
    const int rows = std::min(kBandRows, end - band);
    weights.projectStoredBand(band, rows, scratch.columns, scratch.row);
    for (int i = 0; i < rows; ++i) {
      changed += changeRowMask(band + i, scratch.columns + i * weights.perRow(), scratch);
    }
  }
  return changed;
}

int64_t Layer::followRows(int begin, int end, const Layer& source, Scratch scratch) {
  int64_t changed = 0;
  if (!weights.sparse()) return changed;
  for (int row = begin; row < end; ++row) {
    changed += changeRowMask(row, source.weights.rowColumns(row), scratch);
  }
  return changed;
}

void Layer::copyRows(int begin, int end, const Layer& source, Scratch scratch) {
  std::copy(source.bias.data() + begin, source.bias.data() + end, bias.data() + begin);
  for (int row = begin; row < end; ++row) {
    source.weights.expandRow(row, scratch.row);
    if (weights.sparse()) {
      const uint16_t* columns = source.weights.rowColumns(row);
      moveMoments(row, columns, scratch.other);
      weights.setRow(row, columns, scratch.row);
    } else {
      weights.storeRow(row, scratch.row);
    }
  }
}

// ---------------------------------------------------------------- reading and writing from outside

const AlignedArray<float>& Layer::array(Part part) const {
  switch (part) {
    case Part::weightMoment1: return moment1;
    case Part::weightMoment2: return moment2;
    case Part::weightGradient: return gradient;
    case Part::bias: return bias;
    case Part::biasMoment1: return biasMoment1;
    case Part::biasMoment2: return biasMoment2;
    case Part::biasGradient: return biasGradient;
    default: throw std::invalid_argument("This part of a layer is not held as one array");
  }
}

void Layer::readRow(Part part, int row, float* target) const {
  if (part == Part::dormantGradient) {
    std::fill_n(target, inputs(), 0.0f);
    if (!hasDormantGradient_) return;
    std::copy_n(dormantGradient().data() + static_cast<size_t>(row) * inputs(), inputs(), target);
    return;
  }
  if (part == Part::weight) return weights.expandRow(row, target);
  if (part == Part::maskedWeight) return weights.expandMaskedRow(row, target);
  if (part == Part::mask || part == Part::gradientMask) {
    std::vector<uint8_t> mask(inputs());
    weights.maskRow(row, mask.data());
    std::copy(mask.begin(), mask.end(), target);
    return;
  }
  const float* values = array(part).data() + static_cast<size_t>(row) * gradientPerRow();
  if (denseGradient_) {
    std::copy_n(values, inputs(), target);
    return;
  }
  std::fill_n(target, inputs(), 0.0f);
  for (int k = 0; k < weights.perRow(); ++k) target[weights.rowColumns(row)[k]] = values[k];
}

void Layer::read(Part part, float* target) const {
  const bool ofTraining = part != Part::weight && part != Part::maskedWeight &&
                          part != Part::mask && part != Part::gradientMask && part != Part::bias;
  if (ofTraining && !trainable_) {
    throw std::invalid_argument("A target network holds no moments and no gradients");
  }
  if (part >= Part::bias) {
    std::copy_n(array(part).data(), outputs(), target);
    return;
  }
  for (int row = 0; row < outputs(); ++row) {
    readRow(part, row, target + static_cast<size_t>(row) * inputs());
  }
}

void Layer::writeRow(Part part, int row, const float* source) {
  if (part == Part::dormantGradient) {
    AlignedArray<float>& all = denseGradient_ ? gradient : wholeGradient;
    std::copy_n(source, inputs(), all.data() + static_cast<size_t>(row) * inputs());
    return;
  }
  if (part == Part::weight) return weights.storeRow(row, source);
  float* values = (part == Part::weightMoment1 ? moment1 : moment2).data() +
                  static_cast<size_t>(row) * gradientPerRow();
  for (int k = 0; k < gradientPerRow(); ++k) {
    values[k] = source[denseGradient_ ? k : weights.rowColumns(row)[k]];
  }
}

void Layer::writeMask(const float* mask) {
  if (!weights.sparse()) return;
  // All rows are checked before any is changed.
  std::vector<uint16_t> columns;
  for (int row = 0; row < outputs(); ++row) {
    appendActive(mask + static_cast<size_t>(row) * inputs(), inputs(), weights.pattern(), row,
                 columns);
  }
  validateMask(columns.data(), outputs(), inputs(), weights.pattern(), weights.shape());
  std::vector<float> scratch(inputs()), other(inputs());
  for (int row = 0; row < outputs(); ++row) {
    changeRowMask(row, columns.data() + static_cast<size_t>(row) * weights.perRow(),
                  {scratch.data(), other.data(), nullptr});
  }
  weights.outdateTransposed();
}

void Layer::write(Part part, const float* source) {
  const bool ofTraining = part == Part::weightMoment1 || part == Part::weightMoment2 ||
                          part == Part::dormantGradient || part == Part::biasMoment1 ||
                          part == Part::biasMoment2;
  if (ofTraining && !trainable_) {
    throw std::invalid_argument("A target network holds no moments and no gradients");
  }
  if (part == Part::dormantGradient) reserveWholeGradient();
  if (part == Part::mask) {
    writeMask(source);
  } else if (part == Part::bias || part == Part::biasMoment1 || part == Part::biasMoment2) {
    std::copy_n(source, outputs(), const_cast<float*>(array(part).data()));
  } else if (part == Part::weight || ofTraining) {
    for (int row = 0; row < outputs(); ++row) {
      writeRow(part, row, source + static_cast<size_t>(row) * inputs());
    }
    if (part == Part::dormantGradient) keepDormantGradient();
  } else {
    throw std::invalid_argument("This part of a layer is read only");
  }
}

namespace {

uint32_t largestOf(const float* values, size_t count) {
  uint32_t most = 0;
  for (size_t i = 0; i < count; ++i) {
    most = std::max(most, std::bit_cast<uint32_t>(values[i]) & 0x7fffffffu);
  }
  return most;
}

}  // namespace

uint32_t Layer::largestBits() const {
  const size_t rows = outputs();
  return std::max({largestOf(weights.values(), rows * weights.perRow()),
                   largestOf(weights.rowDormant(0), rows * weights.dormantPerRow()),
                   largestOf(bias.data(), rows)});
}

uint32_t Layer::largestMomentBits() const {
  uint32_t most = 0;
  for (const AlignedArray<float>* moments : {&moment1, &moment2, &biasMoment1, &biasMoment2}) {
    most = std::max(most, largestOf(moments->data(), moments->size()));
  }
  return most;
}

size_t Layer::bytes() const {
  return weights.bytes() + bias.bytes() + gradient.bytes() + wholeGradient.bytes() + moment1.bytes() +
         moment2.bytes() + biasGradient.bytes() + biasMoment1.bytes() + biasMoment2.bytes();
}

}  // namespace rnm::cpu
