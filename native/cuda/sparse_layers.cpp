#include "cuda/sparse_layers.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "cuda/error.h"
#include "cuda/kernels.h"

namespace rnm::cuda {
namespace {

// Buffers begin at multiples of 256 bytes.
constexpr int64_t kBufferAlignment = 128;

}  // namespace

SparseLayers::SparseLayers(Context& context, int64_t size, std::vector<SparseLayer> layers)
    : context_(context), layers_(std::move(layers)) {
  int64_t elements = 0;
  for (SparseLayer& layer : layers_) {
    layer.elements = static_cast<int64_t>(layer.product->compressedBytes() / elementBytes());
    layer.begin = elements;
    elements += (layer.elements + kBufferAlignment - 1) / kBufferAlignment * kBufferAlignment;
  }
  slots_ = DeviceArray<uint32_t>(context, size);
  compressed_ = DeviceArray<uint8_t>(context, elements * elementBytes());
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

void SparseLayers::run(const SparseLayer& layer, const void* x, void* y) const {
  layer.product->run(bufferOf(layer), x, y);
}

void SparseLayers::findSlots(const uint8_t* mask) {
  check(cudaMemsetAsync(slots_.data(), 0xff, slots_.bytes(), context_.stream()), "find slots");
  for (const SparseLayer& layer : layers_) {
    findSlots(layer, mask);
    if (!checked_ && !slotsHold(layer, mask)) {
      throw std::runtime_error("cuSPARSELt's compressed format is not a permutation of the weights: "
                               "please report this with the output of `rnm-td3 info`, and make the "
                               "device with sparse: \"never\"");
    }
  }
  checked_ = true;
}

// Digit by digit, each weight's position within its layer goes through the library.
void SparseLayers::findSlots(const SparseLayer& layer, const uint8_t* mask) {
  const SparseProduct::Shape& shape = layer.product->shape();
  const int64_t count = shape.outputs * shape.weightLd;
  DeviceArray<uint8_t> digits(context_, layer.product->denseElements() * elementBytes());
  DeviceArray<uint32_t> positions(context_, layer.elements);
  for (int digit = 0; digit < kPositionDigits; ++digit) {
    writeDigits(context_, digits.data(), mask, layer.first, count, digit);
    layer.product->compress(digits.data(), bufferOf(layer));
    readDigits(context_, bufferOf(layer), layer.elements, positions.data(), digit);
  }
  DeviceArray<unsigned long long> found(context_, 1);
  storeSlots(context_, positions.data(), layer.elements, mask, layer.first, count, layer.begin,
             slots_.data(), found.data());
  unsigned long long number = 0;
  found.read(&number, 0, 1);
  if (static_cast<int64_t>(number) != layer.activeCount) {
    throw std::runtime_error("cuSPARSELt's compressed format hides weights: please report this with "
                             "the output of `rnm-td3 info`, and make the device with sparse: "
                             "\"never\"");
  }
}

// Other values compressed by the library, and written to their slots, have to give the same buffer.
bool SparseLayers::slotsHold(const SparseLayer& layer, const uint8_t* mask) {
  const SparseProduct::Shape& shape = layer.product->shape();
  const int64_t count = shape.outputs * shape.weightLd;
  const size_t bytes = layer.elements * elementBytes();
  DeviceArray<uint8_t> values(context_, layer.product->denseElements() * elementBytes());
  DeviceArray<uint8_t> expected(context_, bytes);
  writeTestValues(context_, values.data(), mask, layer.first, count);
  layer.product->compress(values.data(), expected.data());
  writeSlots(context_, values.data(), layer.first, count, slots_.data(), compressed_.data());
  std::vector<uint8_t> a(bytes), b(bytes);
  expected.read(a.data(), 0, bytes);
  compressed_.read(b.data(), layer.begin * elementBytes(), bytes);
  return a == b;
}

}  // namespace rnm::cuda
