#include "cuda/sparse_layers.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/error.h"
#include "cuda/sparse_choice.h"

namespace rnm::cuda {
namespace {

// Buffers begin at multiples of 256 bytes.
constexpr int64_t kBufferAlignment = 128;

// Runs work of the library, and has its failures say what helps.
template <typename Work>
void advised(const Work& work) {
  try {
    work();
  } catch (const SparseFailure& failure) {
    throw std::runtime_error(std::string(failure.what()) + kWithoutSparse);
  }
}

}  // namespace

SparseLayers::SparseLayers(Context& context, int64_t size, std::vector<SparseLayer> layers,
                           bool transposed)
    : context_(context),
      size_(size),
      layers_(std::move(layers)),
      transposed_(transposed),
      group_(context.precision() == Precision::bf16 ? 4 : 2) {
  int64_t elements = 0;
  for (SparseLayer& layer : layers_) {
    layer.elements = static_cast<int64_t>(layer.product->compressedBytes() / elementBytes());
    layer.begin = elements;
    const auto room = static_cast<int64_t>(layer.product->compressedRoom() / elementBytes());
    elements += (room + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  }
  compressed_ = DeviceArray<uint8_t>(context, elements * elementBytes());
  countEntries();
}

// Of all members of a layer, which follow each other.
void SparseLayers::countEntries() {
  entries_ = transposed_ ? 0 : size_ / group_;
  for (size_t i = 0; transposed_ && i < layers_.size();) {
    const SparseLayer& layer = layers_[i];
    const auto& [first, count, ld, transposedLd] = layer.weights;
    TransposedRows rows{};
    rows.first = first;
    rows.stride = count;
    rows.ld = ld;
    rows.entries = entries_;
    rows.rows = static_cast<int>(count / ld);
    rows.columns = layer.product->shape().outputs;
    rows.groups = (rows.rows + group_ - 1) / group_;
    rows.begin = layer.begin;
    rows.columnValues = layer.product->shape().paddedInputs() / 2;
    for (; i < layers_.size() && layers_[i].layer == layer.layer; ++i) ++rows.members;
    if (rows.members > 1) rows.beginStride = layers_[i - 1].begin - layers_[i - 2].begin;
    entries_ += rows.members * ld * rows.groups;
    rows_.push_back(rows);
  }
}

void SparseLayers::storeTransposes(const void* effective, const uint8_t* mask) const {
  if (!keepsTransposes()) return;
  for (const TransposedRows& rows : rows_) storeTranspose(context_, effective, mask, rows, allSlots());
}

size_t SparseLayers::elementBytes() const {
  return context_.precision() == Precision::bf16 ? 2 : 4;
}

void* SparseLayers::bufferOf(const SparseLayer& layer) const {
  return compressed_.data() + layer.begin * elementBytes();
}

const SparseLayer* SparseLayers::find(int layer, int member, int rows) const {
  for (const SparseLayer& each : layers_) {
    if (each.layer == layer && each.member == member && each.product->shape().rows == rows) {
      return &each;
    }
  }
  return nullptr;
}

const SparseLayer* SparseLayers::taken(int layer, MemberRange members, int rows) const {
  const SparseLayer* found = find(layer, members.first, rows);
  return found && found->choice.takes(members.count) ? found : nullptr;
}

void SparseLayers::run(const SparseLayer& layer, const void* x, void* y) const {
  advised([&] { layer.product->run(bufferOf(layer), x, y); });
}

void SparseLayers::findSlots(const uint8_t* mask) {
  DeviceArray<uint32_t> slots(context_, size_);
  check(cudaMemsetAsync(slots.data(), 0xff, slots.bytes(), context_.stream()), "find slots");
  for (const SparseLayer& layer : layers_) {
    advised([&] { findSlots(layer, mask, slots.data()); });
    if (!checked_) verify(layer, mask, slots.data());
  }
  checked_ = true;
  if (const auto singles = findSingles(mask, slots.data())) return becomeStraight(*singles);
  if (group_ == 1) return keepSlots(std::move(slots));
  int64_t apart = 0;
  DeviceArray<uint32_t> shared = shareSlots(mask, slots.data(), &apart);
  if (apart == 0) return keepSlots(std::move(shared));
  group_ = 1;
  keepSlots(std::move(slots));
}

void SparseLayers::verify(const SparseLayer& layer, const uint8_t* mask, const uint32_t* slots) {
  for (const bool rounded : {false, true}) {
    // What the first layer has shown is true of all.
    if (&layer != &layers_.front() && rounded != rounded_) continue;
    rounded_ = rounded;
    if (slotsHold(layer, mask, slots, rounded)) return;
  }
  throw std::runtime_error("cuSPARSELt's compressed format is not a permutation of the weights: "
                           "please report this with the output of `rnm-td3 info`" +
                           std::string(kWithoutSparse));
}

DeviceArray<uint32_t> SparseLayers::shareSlots(const uint8_t* mask, const uint32_t* slots,
                                               int64_t* apart) const {
  DeviceArray<uint32_t> shared(context_, entries_);
  DeviceArray<unsigned long long> counter(context_, 1);
  if (!transposed_) {
    cuda::shareSlots(context_, slots, mask, size_, group_, shared.data(), counter.data());
  }
  for (const TransposedRows& rows : rows_) {
    shareTransposedSlots(context_, slots, mask, rows, group_, shared.data(), counter.data());
  }
  unsigned long long count = 0;
  counter.read(&count, 0, 1);
  *apart = static_cast<int64_t>(count);
  return shared;
}

void SparseLayers::keepSlots(DeviceArray<uint32_t> slots) {
  singles_.reset();
  if (slots_.size() != slots.size()) {
    slots_ = std::move(slots);
    context_.memoryMoved();
    return;
  }
  check(cudaMemcpyAsync(slots_.data(), slots.data(), slots.bytes(), cudaMemcpyDeviceToDevice,
                        context_.stream()),
        "keep slots");
}

// Of zeros.
DeviceArray<uint8_t> SparseLayers::matrixToCompress(const SparseLayer& layer) const {
  return {context_, layer.product->denseElements() * elementBytes()};
}

// Digit by digit, each weight's position within its layer goes through the library.
void SparseLayers::findSlots(const SparseLayer& layer, const uint8_t* mask, uint32_t* slots) {
  const LayerWeights& weights = layer.weights;
  DeviceArray<uint8_t> digits = matrixToCompress(layer);
  DeviceArray<uint32_t> positions(context_, layer.elements);
  for (int digit = 0; digit < kPositionDigits; ++digit) {
    writeDigits(context_, digits.data(), mask, weights, digit);
    layer.product->compress(digits.data(), bufferOf(layer));
    readDigits(context_, bufferOf(layer), layer.elements, positions.data(), digit);
  }
  DeviceArray<unsigned long long> counters(context_, 2);
  storeSlots(context_, positions.data(), layer.elements, mask, weights, layer.begin, slots,
             counters.data());
  countDifferences(context_, mask + weights.first / 8, nullptr, weights.count / 8,
                   counters.data() + 1);
  unsigned long long count[2];  // found, and active
  counters.read(count, 0, 2);
  if (count[0] != count[1]) {
    throw std::runtime_error("cuSPARSELt's compressed format hides weights: please report this with "
                             "the output of `rnm-td3 info`" +
                             std::string(kWithoutSparse));
  }
}

template <typename Write>
bool SparseLayers::holds(const SparseLayer& layer, const uint8_t* mask, const Write& write) {
  DeviceArray<uint8_t> values = matrixToCompress(layer);
  DeviceArray<uint8_t> expected(context_, layer.product->compressedRoom());
  // Others again, so that what is not written shows.
  writeDigits(context_, values.data(), mask, layer.weights, 0);
  layer.product->compress(values.data(), bufferOf(layer));
  writeTestValues(context_, values.data(), mask, layer.weights);
  layer.product->compress(values.data(), expected.data());
  write(values.data());
  const size_t bytes = layer.elements * elementBytes();
  std::vector<uint8_t> a(bytes), b(bytes);
  expected.read(a.data(), 0, bytes);
  compressed_.read(b.data(), layer.begin * elementBytes(), bytes);
  if (a == b) return true;
  check(cudaMemcpyAsync(bufferOf(layer), expected.data(), bytes, cudaMemcpyDeviceToDevice,
                        context_.stream()),
        "find slots");
  return false;
}

bool SparseLayers::slotsHold(const SparseLayer& layer, const uint8_t* mask, const uint32_t* slots,
                             bool rounded) {
  return holds(layer, mask, [&](const void* values) {
    writeSlots(context_, values, layer.weights, slots, rounded, compressed_.data());
  });
}

// ---------------------------------------------------------------- straight formats

bool SparseLayers::canBeStraight() const {
  if (group_ != 4) return false;
  if (transposed_) return true;
  // Rows have to follow each other in a buffer as they do in the network.
  return layers_.size() <= kStraightRanges &&
         std::all_of(layers_.begin(), layers_.end(), [](const SparseLayer& layer) {
           return layer.weights.ld == layer.product->shape().paddedInputs();
         });
}

StraightLines SparseLayers::linesOf(const SparseLayer& layer) const {
  const SparseProduct::Shape& shape = layer.product->shape();
  StraightLines lines{};
  lines.first = layer.weights.first;
  lines.lineStep = transposed_ ? 1 : layer.weights.ld;
  lines.step = transposed_ ? layer.weights.ld : 1;
  lines.begin = layer.begin;
  lines.lineValues = shape.paddedInputs() / 2;
  lines.lines = shape.outputs;
  lines.length = shape.inputs;
  return lines;
}

std::optional<uint32_t> SparseLayers::findSingles(const uint8_t* mask, const uint32_t* slots) {
  if (!canBeStraight()) return std::nullopt;
  DeviceArray<unsigned long long> sights(context_, kStraightSights);
  for (const SparseLayer& layer : layers_) {
    checkStraight(context_, slots, mask, linesOf(layer), sights.data());
  }
  unsigned long long seen[kStraightSights];
  sights.read(seen, 0, kStraightSights);
  if (seen[0] > 0) return std::nullopt;
  uint32_t singles = 0;
  for (int c = 0; c < 4; ++c) {
    const bool first = seen[1 + 2 * c] > 0, second = seen[2 + 2 * c] > 0;
    if (first && second) return std::nullopt;
    if (second) singles |= 1u << c;
  }
  for (const SparseLayer& layer : layers_) {
    if (!pairsChecked_ && !pairsHold(layer, mask, straightSlots(singles))) return std::nullopt;
  }
  pairsChecked_ = true;
  return singles;
}

// Groups without active weights have no slots to look at: what is written where they are thought to be has
// to be what the library has there.
bool SparseLayers::pairsHold(const SparseLayer& layer, const uint8_t* mask, const Slots& slots) {
  const int64_t valueLd = transposed_ ? layer.weights.transposedLd : layer.weights.ld;
  return holds(layer, mask, [&](const void* values) {
    writePairs(context_, values, valueLd, mask, linesOf(layer), slots);
  });
}

Slots SparseLayers::straightSlots(uint32_t singles) const {
  Slots slots{nullptr, compressed_.data(), group_, rounded_, 1, singles, {}};
  if (transposed_) return slots;
  slots.straight = 0;
  for (const SparseLayer& layer : layers_) {
    slots.ranges[slots.straight++] = {layer.weights.first, layer.weights.count, layer.begin};
  }
  return slots;
}

Slots SparseLayers::allSlots() const {
  if (singles_) return straightSlots(*singles_);
  return {slots_.data(), compressed_.data(), group_, rounded_, 0, 0, {}};
}

// Kernels of graphs have it among their arguments.
void SparseLayers::becomeStraight(uint32_t singles) {
  if (singles_ == singles) return;
  singles_ = singles;
  slots_ = {};
  context_.memoryMoved();
}

}  // namespace rnm::cuda
