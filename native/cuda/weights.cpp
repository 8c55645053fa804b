#include "cuda/weights.h"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

#include "core/initial_weights.h"
#include "core/swaps.h"
#include "cuda/error.h"
#include "cuda/matrix.h"

namespace rnm::cuda {
namespace {

// Columns are held in 16 bits on the CPU, whose checkpoints and limits are shared.
constexpr int kMaxWidth = 65535;
// Matrices begin at multiples of 256 bytes, for the sake of the products' loads.
constexpr int64_t kLayerAlignment = 128;

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

NetworkWeights::NetworkWeights(Context& context, const NetworkSpec& spec)
    : context_(context),
      role_(spec.role),
      members_(spec.members),
      srLambda_(spec.rule == GradientRule::srSte ? spec.srLambda : 0.0f),
      maskedRule_(spec.rule == GradientRule::masked),
      newMoment_(spec.newMoment),
      maskShape_(spec.maskShape),
      hasDormantGradient_(spec.members * spec.patterns.size(), 0) {
  layOut(spec);
  allocate();
  initialise(spec);
}

// ---------------------------------------------------------------- layout

void NetworkWeights::layOut(const NetworkSpec& spec) {
  for (size_t l = 0; l < spec.patterns.size(); ++l) {
    Layer layer{};
    layer.outputs = spec.sizes[l + 1];
    layer.inputs = spec.sizes[l];
    layer.pattern = spec.patterns[l];
    validatePattern(layer.pattern);
    validateMaskShape(maskShape_, layer.pattern);
    if (std::min(layer.outputs, layer.inputs) < 1 ||
        std::max(layer.outputs, layer.inputs) > kMaxWidth) {
      throw std::invalid_argument("Expected a layer's width to be from 1 to 65535 but received " +
                                  std::to_string(layer.inputs) + " to " +
                                  std::to_string(layer.outputs));
    }
    layer.ld = paddedWidth(layer.inputs);
    layer.stride = layer.outputs * layer.ld;
    layer.first = size_;
    layer.biasStride = paddedWidth(layer.outputs);
    layer.bias = roundUp(layer.first + members_ * layer.stride, kLayerAlignment);
    size_ = roundUp(layer.bias + members_ * layer.biasStride, kLayerAlignment);
    layer.places = layer.masked = -1;
    if (!layer.pattern.dense()) maskLayer(layer);
    layer.moments = moments_;
    if (layer.places < 0) layer.momentStride = layer.stride;
    layer.biasMoments = layer.moments + members_ * layer.momentStride;
    moments_ = layer.biasMoments + members_ * layer.biasStride;
    if (layer.masked >= 0) masked_[layer.masked].moments = layer.moments;
    if (learns()) addSegments(layer, static_cast<float>(stepScale(spec, static_cast<int>(l))));
    layers_.push_back(layer);
  }
  if (size_ >= kEverywhere) throw std::runtime_error("A network this large is not supported");
}

void NetworkWeights::maskLayer(Layer& layer) {
  MaskedLayer masked{};
  masked.first = layer.first;
  masked.stride = layer.stride;
  masked.members = members_;
  masked.outputs = layer.outputs;
  masked.inputs = layer.inputs;
  masked.ld = static_cast<int>(layer.ld);
  masked.n = layer.pattern.n;
  masked.m = layer.pattern.m;
  masked.groups = (layer.inputs + masked.m - 1) / masked.m;
  masked.perRow = layer.pattern.activePerRow(layer.inputs);
  masked.transposable = maskShape_ == MaskShape::transposable;
  masked.chosen = groups_;
  groups_ += static_cast<int64_t>(members_) * layer.outputs * masked.groups;
  masked.index = static_cast<int>(layers_.size());
  masked.rows = rows_;
  rows_ += static_cast<int64_t>(members_) * layer.outputs;
  masked.places = -1;
  if (maskedRule_ && learns()) {
    layer.places = masked.places = places_;
    layer.momentStride = masked.placeStride =
        roundUp(static_cast<int64_t>(layer.outputs) * masked.perRow, 8);
    places_ += members_ * masked.placeStride;
  }
  layer.masked = static_cast<int>(masked_.size());
  masked_.push_back(masked);
}

void NetworkWeights::addSegment(const Segment& segment) {
  const auto index = static_cast<uint32_t>(segments_.size());
  segments_.push_back(segment);
  for (int64_t begin = 0; begin < segment.count; begin += kPiece) {
    pieces_.push_back({index, static_cast<uint32_t>(begin)});
  }
}

// Whether groups follow each other in memory, all members' rows one after the other, and their moments likewise:
// neither is padded. Adam takes four weights at a time, of one group, which have all of its active ones or none.
bool NetworkWeights::inGroups(const Layer& layer) const {
  const auto& [n, m] = layer.pattern;
  if (layer.places < 0 || layer.ld != layer.inputs || layer.inputs % m != 0) return false;
  const bool gapless = layer.momentStride * m == layer.stride * n;
  return gapless && (m == 4 ? n <= 2 : n == 1 && m % 4 == 0);
}

// Weights take their steps with `rate` times the learning rate, biases with all of it.
void NetworkWeights::addSegments(const Layer& layer, float rate) {
  const auto segment = [rate](int64_t first, int64_t count, int64_t moments, uint32_t places,
                              const NmPattern& groups) {
    return Segment{static_cast<uint32_t>(first),    static_cast<uint32_t>(count),
                   static_cast<uint32_t>(moments),  places,
                   static_cast<uint32_t>(groups.n), static_cast<uint32_t>(groups.m),
                   rate};
  };
  if (inGroups(layer)) {
    addSegment(segment(layer.first, members_ * layer.stride, layer.moments, kEverywhere,
                       layer.pattern));
  } else if (layer.places < 0) {
    addSegment(segment(layer.first, members_ * layer.stride, layer.moments, kEverywhere, {}));
  } else {
    addSegment(segment(layer.first, members_ * layer.momentStride, layer.moments,
                       static_cast<uint32_t>(layer.places), {}));
  }
  Segment biases =
      segment(layer.bias, members_ * layer.biasStride, layer.biasMoments, kEverywhere, {});
  biases.rate = 1.0f;
  addSegment(biases);
}

void NetworkWeights::allocate() {
  const bool bf16 = context_.precision() == Precision::bf16;
  weights_ = DeviceArray<float>(context_, size_);
  // Where dormant weights are not kept, the weights are what products read.
  const bool apart = bf16 || (!masked_.empty() && role_ != Role::inference);
  if (apart) effective_ = DeviceArray<uint8_t>(context_, size_ * (bf16 ? 2 : 4));
  counter_ = DeviceArray<unsigned long long>(context_, 1);
  if (!masked_.empty()) {
    mask_ = DeviceArray<uint8_t>(context_, size_ / 8);
    chosen_ = DeviceArray<uint32_t>(context_, groups_);
    fillMaskOfDense();
    if (maskShape_ == MaskShape::transposable) uploadTileMasks();
    if (learns() && newMoment_ == NewMoment::rowMean) means_ = DeviceArray<float>(context_, rows_);
    if (learns() && context_.prunesTransposes()) {
      gradientMask_ = DeviceArray<uint8_t>(context_, mask_.size());
    }
  }
  if (learns()) {
    gradient_ = DeviceArray<float>(context_, size_);
    moment1_ = DeviceArray<float>(context_, moments_);
    moment2_ = DeviceArray<float>(context_, moments_);
    segmentArray_ = DeviceArray<Segment>(context_, segments_.size());
    segmentArray_.write(segments_.data(), 0, segments_.size());
    pieceArray_ = DeviceArray<Piece>(context_, pieces_.size());
    pieceArray_.write(pieces_.data(), 0, pieces_.size());
  }
  if (places_ > 0) {
    placeArray_ = DeviceArray<uint32_t>(context_, places_);
    check(cudaMemsetAsync(placeArray_.data(), 0xff, placeArray_.bytes(), context_.stream()),
          "clear memory");
  }
  arrays_ = {size_,           weights_.data(),      effective_.data(),
             mask_.data(),    {},                   {},
             gradient_.data(), moment1_.data(),     moment2_.data(),
             placeArray_.data(), segmentArray_.data(), pieceArray_.data(),
             static_cast<int64_t>(pieces_.size())};
}

void NetworkWeights::uploadTileMasks() {
  std::vector<uint16_t> all;
  std::vector<size_t> begins;
  const auto forBoth = [&](const auto& action) {
    for (MaskedLayer& layer : masked_) {
      action(layer, 0, kBandRows);
      if (layer.outputs % kBandRows != 0) action(layer, 1, layer.outputs % kBandRows);
    }
  };
  forBoth([&](MaskedLayer& layer, int which, int rows) {
    const std::vector<uint16_t>& masks = tileMasks(rows, layer.n);
    layer.tiles[which].count = static_cast<int64_t>(masks.size());
    begins.push_back(all.size());
    all.insert(all.end(), masks.begin(), masks.end());
  });
  tileMasks_ = DeviceArray<uint16_t>(context_, all.size());
  tileMasks_.write(all.data(), 0, all.size());
  size_t next = 0;
  forBoth([&](MaskedLayer& layer, int which, int) {
    layer.tiles[which].masks = tileMasks_.data() + begins[next++];
  });
}

// Of biases and dense layers everything is active.
void NetworkWeights::fillMaskOfDense() {
  for (const Layer& layer : layers_) {
    const int64_t begin = layer.masked < 0 ? layer.first : layer.bias;
    const int64_t end = layer.bias + members_ * layer.biasStride;
    check(cudaMemsetAsync(mask_.data() + begin / 8, 0xff, (end - begin) / 8, context_.stream()),
          "clear memory");
  }
}

void NetworkWeights::initialise(const NetworkSpec& spec) {
  InitialWeights initial(spec);
  std::vector<float> values;
  for (int member = 0; member < members_; ++member) {
    for (int l = 0; l < layers(); ++l) {
      const Layer& layer = layers_[l];
      values.resize(static_cast<size_t>(layer.outputs) * layer.inputs);
      initial.drawWeights(l, values.data(), values.size());
      writeRows(weights_.data() + layer.first + member * layer.stride, layer, values.data());
      initial.drawBiases(l, values.data());
      weights_.write(values.data(), layer.bias + member * layer.biasStride, layer.outputs);
    }
  }
  takeMasks(nullptr, masked_);
}

// ---------------------------------------------------------------- what passes use

const void* NetworkWeights::effective(int index, int member) const {
  const int64_t at = layers_[index].first + member * layers_[index].stride;
  if (!arrays_.effective) return arrays_.weights + at;
  return effective_.data() + at * (context_.precision() == Precision::bf16 ? 2 : 4);
}

const void* NetworkWeights::effectiveBias(int index, int member) const {
  if (context_.precision() != Precision::bf16) return bias(index, member);
  return effective_.data() + 2 * (layers_[index].bias + member * layers_[index].biasStride);
}

const float* NetworkWeights::bias(int index, int member) const {
  return weights_.data() + layers_[index].bias + member * layers_[index].biasStride;
}

float* NetworkWeights::gradient(int index, int member) const {
  return gradient_.data() + layers_[index].first + member * layers_[index].stride;
}

float* NetworkWeights::biasGradient(int index, int member) const {
  return gradient_.data() + layers_[index].bias + member * layers_[index].biasStride;
}

NetworkWeights::KeptGradient::KeptGradient(NetworkWeights& weights, int layer)
    : weights_(weights),
      layer_(layer),
      copy_(weights.context_, weights.members_ * weights.layers_[layer].stride) {
  check(cudaMemcpyAsync(copy_.data(), weights.gradient(layer, 0), copy_.bytes(),
                        cudaMemcpyDeviceToDevice, weights.context_.stream()),
        "keep gradients");
}

// An error of the GPU's is found by what comes next.
NetworkWeights::KeptGradient::~KeptGradient() {
  cudaMemcpyAsync(weights_.gradient(layer_, 0), copy_.data(), copy_.bytes(),
                  cudaMemcpyDeviceToDevice, weights_.context_.stream());
}

void NetworkWeights::sampleGradient(int index, MemberRange members, const SampledFactors& factors,
                                    int tile) {
  sampled_ = true;
  MaskedLayer some = masked_[layers_[index].masked];
  some.first += members.first * some.stride;
  some.places += members.first * some.placeStride;
  some.members = members.count;
  cuda::sampleGradient(context_, factors, some, arrays_, tile);
}

// Recording a graph computes nothing: each of its launches does.
void NetworkWeights::keepDormantGradients(MemberRange members) {
  if (context_.capturing()) return;
  std::fill_n(hasDormantGradient_.begin() + members.first * layers(), members.count * layers(), 1);
}

bool NetworkWeights::hasDormantGradients() const {
  for (size_t i = 0; i < hasDormantGradient_.size(); ++i) {
    if (layers_[i % layers_.size()].masked >= 0 && !hasDormantGradient_[i]) return false;
  }
  return true;
}

void NetworkWeights::planSparse(const std::vector<SparsePlan>& plans, bool transposed) {
  std::unique_ptr<SparseLayers>& held = transposed ? transposed_ : sparse_;
  Slots& slots = transposed ? arrays_.transposedSlots : arrays_.slots;
  if (held) {
    held.reset();
    slots = {};
    context_.memoryMoved();
  }
  if (plans.empty()) return;
  std::vector<SparseLayer> made;
  for (const SparsePlan& plan : plans) {
    const Layer& layer = layers_[plan.layer];
    for (int member = 0; member < members_; ++member) {
      SparseProduct::Shape shape = plan.shape;
      shape.bias = transposed ? nullptr : effectiveBias(plan.layer, member);
      made.push_back({plan.layer, member,
                      std::make_unique<SparseProduct>(context_, context_.sparseBlas(), shape,
                                                      plan.choice.algorithm),
                      {layer.first + member * layer.stride, layer.stride, layer.ld,
                       transposed ? shape.weightLd : 0},
                      plan.choice});
    }
  }
  auto sparse = std::make_unique<SparseLayers>(context_, size_, std::move(made), transposed);
  sparse->findSlots(transposed ? gradientMask() : mask_.data());
  slots = sparse->slots();
  held = std::move(sparse);
  context_.memoryMoved();
  refresh();
}

// What data gradients on tensor cores read.
const uint8_t* NetworkWeights::gradientMask() const {
  return prunesTranspose() ? gradientMask_.data() : mask_.data();
}

// ---------------------------------------------------------------- optimiser, targets, masks

void NetworkWeights::adam(const AdamStep& step) {
  cuda::adam(context_, arrays_, step, srLambda_);
  storeTransposes();
}

void NetworkWeights::storeTransposes() const {
  if (!transposed_) return;
  transposed_->storeTransposes(arrays_.effective ? arrays_.effective : weights_.data(), gradientMask());
}

Average NetworkWeights::averageOf(const NetworkWeights& source) const {
  return {arrays_, source.weights_.data(), 0};
}

void NetworkWeights::refresh() {
  const bool compressed = sparse_ || transposed_;
  if (!arrays_.effective && !compressed && role_ != Role::inference) return;
  refreshEffective(context_, arrays_, role_ != Role::inference);
  storeTransposes();
}

void NetworkWeights::copyFrom(const NetworkWeights& source) {
  context_.requireNoGraph("a copy of a network");
  const auto copy = [&](auto& target, const auto& from) {
    if (target.size() == 0) return;
    check(cudaMemcpyAsync(target.data(), from.data(), target.bytes(), cudaMemcpyDeviceToDevice,
                          context_.stream()),
          "copy a network");
  };
  copy(weights_, source.weights_);
  if (masked_.empty()) return refresh();
  takeMasks(source.mask_.data(), masked_);
}

void NetworkWeights::clearCounter() const {
  check(cudaMemsetAsync(counter_.data(), 0, counter_.bytes(), context_.stream()), "count");
}

int64_t NetworkWeights::readCounter() const {
  unsigned long long count = 0;
  counter_.read(&count, 0, 1);
  return static_cast<int64_t>(count);
}

// New masks, after choose() has chosen the active columns of all groups. Layers whose transpose is to be pruned
// anew may be parts of the network's own. Returns the number of changed entries.
template <typename Choose>
int64_t NetworkWeights::changeMasks(const Choose& choose, const std::vector<MaskedLayer>& pruned) {
  context_.requireNoGraph("a change of masks");
  for (const MaskedLayer& layer : masked_) {
    if (means_.size() > 0) averageMoments(context_, arrays_, layer, means_.data());
  }
  choose();
  forgetGradients();
  clearCounter();
  for (const MaskedLayer& layer : masked_) {
    changeMask(context_, arrays_, layer, chosen_.data(), means_.data(), counter_.data());
  }
  for (const MaskedLayer& layer : pruned) {
    if (!prunesTranspose()) break;
    pruneTranspose(context_, weights_.data(), mask_.data(), layer, gradientMask_.data());
  }
  const auto find = [](SparseLayers& layers, const uint8_t* mask, Slots& slots) {
    layers.findSlots(mask);
    slots = layers.slots();
  };
  if (sparse_) find(*sparse_, mask_.data(), arrays_.slots);
  if (transposed_) find(*transposed_, gradientMask(), arrays_.transposedSlots);
  refresh();
  return readCounter();
}

// Masks from the network's own weights, or those wanted.
int64_t NetworkWeights::takeMasks(const uint8_t* wanted, const std::vector<MaskedLayer>& pruned) {
  const auto choose = [&] {
    for (const MaskedLayer& layer : masked_) chooseMask(context_, arrays_, layer, wanted, chosen_.data());
  };
  return changeMasks(choose, pruned);
}

int64_t NetworkWeights::swapWeights(const MaskUpdate& update) {
  const auto choose = [&] {
    chooseSwaps(update.dropFraction);
    for (const MaskedLayer& layer : masked_) {
      const SwapRule rule = {update.seed, update.stream, update.rule == MaskRule::random, layer.index, layers()};
      cuda::swapWeights(context_, arrays_, layer, rule, means_.data(), chosen_.data());
    }
  };
  return changeMasks(choose, masked_);
}

// Leaves 1 in `chosen_` for the units that swap, and 0 for the others. The keys of all layers come to the host
// at once, where they are compared as the CPU does.
void NetworkWeights::chooseSwaps(double dropFraction) {
  for (const MaskedLayer& layer : masked_) findSwapKeys(context_, arrays_, layer, chosen_.data());
  std::vector<float> keys(chosen_.size());
  context_.download(keys.data(), chosen_.data(), chosen_.bytes(), chosen_.bytes(), 1);
  std::vector<uint32_t> swaps(chosen_.size());
  for (const MaskedLayer& layer : masked_) {
    const size_t units = static_cast<size_t>(layer.outputs) * layer.groups;
    for (int member = 0; member < members_; ++member) {
      const size_t first = layer.chosen + member * units;
      const std::vector<uint8_t> swap = rnm::chooseSwaps(keys.data() + first, units, dropFraction);
      std::copy(swap.begin(), swap.end(), swaps.begin() + first);
    }
  }
  chosen_.write(swaps.data(), 0, swaps.size());
}

// What becomes active has no gradient where gradients were sampled, or an old one: it is zero until the next
// backward pass. But gradients of dormant weights that were asked for stay: swaps may come later.
void NetworkWeights::forgetGradients() {
  if (!sampled_) return;
  for (size_t i = 0; i < hasDormantGradient_.size(); ++i) {
    const int member = static_cast<int>(i) / layers(), index = static_cast<int>(i) % layers();
    if (layers_[index].masked < 0 || hasDormantGradient_[i]) continue;
    check(cudaMemsetAsync(gradient(index, member), 0, layers_[index].stride * sizeof(float), context_.stream()),
          "clear memory");
  }
}

int64_t NetworkWeights::updateMasks(const MaskUpdate& update) {
  if (masked_.empty()) return 0;
  return update.rule == MaskRule::magnitude ? takeMasks(nullptr, masked_) : swapWeights(update);
}

int64_t NetworkWeights::followMasks(const NetworkWeights& source) {
  return masked_.empty() ? 0 : takeMasks(source.mask_.data(), masked_);
}

void NetworkWeights::scaleDormant(float factor) {
  if (!masked_.empty()) cuda::scaleDormant(context_, arrays_, factor);
}

int64_t NetworkWeights::divergence(const NetworkWeights& other, int member) const {
  if (masked_.empty()) return 0;
  context_.requireNoGraph("a comparison of masks");
  return counted([&](unsigned long long* different) {
    for (const MaskedLayer& layer : masked_) {
      const int64_t at = (layer.first + member * layer.stride) / 8;
      countDifferences(context_, mask_.data() + at, other.mask_.data() + at, layer.stride / 8, different);
    }
  });
}

float NetworkWeights::largestWeight(int member) const {
  context_.requireNoGraph("a look at weights");
  const int64_t bits = counted([&](unsigned long long* largest) {
    // What pads rows and biases is zero, or NaN where a row is.
    for (const Layer& layer : layers_) {
      const float* weights = weights_.data() + layer.first + member * layer.stride;
      const float* biases = weights_.data() + layer.bias + member * layer.biasStride;
      largestBits(context_, weights, layer.stride, largest);
      largestBits(context_, biases, layer.biasStride, largest);
    }
  });
  return std::bit_cast<float>(static_cast<uint32_t>(bits));
}

float NetworkWeights::largestMoment() const {
  context_.requireNoGraph("a look at moments");
  if (moment1_.size() == 0) return 0;
  const int64_t bits = counted([&](unsigned long long* largest) {
    for (const DeviceArray<float>* moments : {&moment1_, &moment2_}) {
      largestBits(context_, moments->data(), static_cast<int64_t>(moments->size()), largest);
    }
  });
  return std::bit_cast<float>(static_cast<uint32_t>(bits));
}

// ---------------------------------------------------------------- reading and writing from outside

void NetworkWeights::readRows(const float* array, const Layer& layer, int member,
                              float* target) const {
  context_.download(target, array + layer.first + member * layer.stride, layer.ld * sizeof(float),
                    layer.inputs * sizeof(float), layer.outputs);
}

// Products may read what pads rows. It is zero, but that a gradient which is not finite makes NaN of a row's
// padding as of the row: what is written ends that too.
void NetworkWeights::writeRows(float* rows, const Layer& layer, const float* source) {
  context_.requireNoGraph("a copy from the host");
  check(cudaMemsetAsync(rows, 0, layer.stride * sizeof(float), context_.stream()), "clear memory");
  context_.upload(rows, layer.ld * sizeof(float), source, layer.inputs * sizeof(float),
                  layer.outputs);
}

std::vector<uint8_t> NetworkWeights::readMask(const DeviceArray<uint8_t>& mask, const Layer& layer,
                                              int member) const {
  std::vector<uint8_t> entries(static_cast<size_t>(layer.outputs) * layer.inputs, 1);
  if (layer.masked < 0) return entries;
  std::vector<uint8_t> bits(layer.stride / 8);
  mask.read(bits.data(), (layer.first + member * layer.stride) / 8, bits.size());
  for (int row = 0; row < layer.outputs; ++row) {
    for (int column = 0; column < layer.inputs; ++column) {
      const int64_t at = row * layer.ld + column;
      entries[static_cast<size_t>(row) * layer.inputs + column] = bits[at / 8] >> (at % 8) & 1;
    }
  }
  return entries;
}

void NetworkWeights::zeroDormant(const Layer& layer, int member, float* values) const {
  const std::vector<uint8_t> mask = readMask(mask_, layer, member);
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) values[i] = 0.0f;
  }
}

namespace {

// A layer's part of a mask.
std::vector<uint8_t> bitsOf(const NetworkWeights::Layer& layer, const float* source) {
  std::vector<uint8_t> bits(layer.stride / 8, 0);
  for (int row = 0; row < layer.outputs; ++row) {
    for (int column = 0; column < layer.inputs; ++column) {
      if (*source++ == 0.0f) continue;
      const int64_t at = row * layer.ld + column;
      bits[at / 8] |= static_cast<uint8_t>(1 << at % 8);
    }
  }
  return bits;
}

}  // namespace

void NetworkWeights::writeMask(const Layer& layer, int member, const float* source) {
  if (layer.masked < 0) return;
  std::vector<uint16_t> active;
  for (int row = 0; row < layer.outputs; ++row) {
    appendActive(source + static_cast<size_t>(row) * layer.inputs, layer.inputs, layer.pattern, row,
                 active);
  }
  validateMask(active.data(), layer.outputs, layer.inputs, layer.pattern, maskShape_);
  const std::vector<uint8_t> bits = bitsOf(layer, source);
  DeviceArray<uint8_t> wanted(context_, mask_.size());
  check(cudaMemcpyAsync(wanted.data(), mask_.data(), mask_.bytes(), cudaMemcpyDeviceToDevice,
                        context_.stream()),
        "copy a mask");
  wanted.write(bits.data(), (layer.first + member * layer.stride) / 8, bits.size());
  MaskedLayer own = masked_[layer.masked];
  own.first += member * own.stride;
  own.members = 1;
  takeMasks(wanted.data(), {own});
}

// For restoring a state: what the last change of masks left, whatever the weights are now.
void NetworkWeights::writeGradientMask(const Layer& layer, int member, const float* source) {
  if (!prunesTranspose()) throw std::invalid_argument("This part of a layer is read only");
  if (layer.masked < 0) return;
  const std::vector<uint8_t> mask = readMask(mask_, layer, member);
  const int rows = context_.precision() == Precision::bf16 ? 4 : 2;
  for (int column = 0; column < layer.inputs; ++column) {
    int found = 0;
    for (int row = 0; row < layer.outputs; ++row) {
      const size_t at = static_cast<size_t>(row) * layer.inputs + column;
      if (row % rows == 0) found = 0;
      if (source[at] == 0.0f) continue;
      if (mask[at] == 1 && ++found <= rows / 2) continue;
      throw std::invalid_argument(
          "Expected gradientMask to lie within the mask, with at most " + std::to_string(rows / 2) +
          " of every " + std::to_string(rows) + " rows in a column, but received another at row " +
          std::to_string(row) + ", column " + std::to_string(column));
    }
  }
  const std::vector<uint8_t> bits = bitsOf(layer, source);
  gradientMask_.write(bits.data(), (layer.first + member * layer.stride) / 8, bits.size());
  if (!transposed_) return;
  transposed_->findSlots(gradientMask());
  arrays_.transposedSlots = transposed_->slots();
  refresh();
}

std::vector<uint32_t> NetworkWeights::readPlaces(const Layer& layer, int member) const {
  const MaskedLayer& masked = masked_[layer.masked];
  std::vector<uint32_t> places(static_cast<size_t>(layer.outputs) * masked.perRow);
  placeArray_.read(places.data(), layer.places + member * layer.momentStride, places.size());
  for (uint32_t& place : places) {
    const int64_t at = place - (layer.first + member * layer.stride);
    place = static_cast<uint32_t>(at / layer.ld * layer.inputs + at % layer.ld);
  }
  return places;
}

void NetworkWeights::readMoments(const float* moments, const Layer& layer, int member,
                                 float* target) const {
  const float* mine = moments + layer.moments + member * layer.momentStride;
  if (layer.places < 0) {
    return context_.download(target, mine, layer.ld * sizeof(float), layer.inputs * sizeof(float),
                             layer.outputs);
  }
  const std::vector<uint32_t> places = readPlaces(layer, member);
  std::vector<float> values(places.size());
  context_.download(values.data(), mine, values.size() * sizeof(float),
                    values.size() * sizeof(float), 1);
  std::fill_n(target, static_cast<size_t>(layer.outputs) * layer.inputs, 0.0f);
  for (size_t k = 0; k < places.size(); ++k) target[places[k]] = values[k];
}

void NetworkWeights::writeMoments(float* moments, const Layer& layer, int member,
                                  const float* source) {
  float* mine = moments + layer.moments + member * layer.momentStride;
  if (layer.places < 0) return writeRows(mine, layer, source);
  const std::vector<uint32_t> places = readPlaces(layer, member);
  std::vector<float> values(places.size());
  for (size_t k = 0; k < places.size(); ++k) values[k] = source[places[k]];
  context_.upload(mine, values.size() * sizeof(float), values.data(),
                  values.size() * sizeof(float), 1);
}

namespace {

bool ofTraining(Part part) {
  return part != Part::weight && part != Part::maskedWeight && part != Part::mask &&
         part != Part::gradientMask && part != Part::bias;
}

}  // namespace

void NetworkWeights::read(int member, int index, Part part, float* target) const {
  const Layer& layer = layers_[index];
  if (ofTraining(part) && !learns()) {
    throw std::invalid_argument("A target network holds no moments and no gradients");
  }
  const int64_t bias = layer.bias + member * layer.biasStride;
  const int64_t biasMoments = layer.biasMoments + member * layer.biasStride;
  switch (part) {
    case Part::weight: return readRows(weights_.data(), layer, member, target);
    case Part::maskedWeight:
      readRows(weights_.data(), layer, member, target);
      return zeroDormant(layer, member, target);
    case Part::mask:
    case Part::gradientMask: {
      const bool pruned = part == Part::gradientMask && prunesTranspose();
      const std::vector<uint8_t> mask = readMask(pruned ? gradientMask_ : mask_, layer, member);
      std::copy(mask.begin(), mask.end(), target);
      return;
    }
    case Part::weightMoment1: return readMoments(moment1_.data(), layer, member, target);
    case Part::weightMoment2: return readMoments(moment2_.data(), layer, member, target);
    case Part::weightGradient:
      readRows(gradient_.data(), layer, member, target);
      if (maskedRule_) zeroDormant(layer, member, target);
      return;
    case Part::dormantGradient:
      if (hasDormantGradient_[member * layers() + index]) {
        return readRows(gradient_.data(), layer, member, target);
      }
      std::fill_n(target, static_cast<size_t>(layer.outputs) * layer.inputs, 0.0f);
      return;
    case Part::bias: return weights_.read(target, bias, layer.outputs);
    case Part::biasMoment1: return moment1_.read(target, biasMoments, layer.outputs);
    case Part::biasMoment2: return moment2_.read(target, biasMoments, layer.outputs);
    case Part::biasGradient: return gradient_.read(target, bias, layer.outputs);
  }
}

void NetworkWeights::write(int member, int index, Part part, const float* source) {
  const Layer& layer = layers_[index];
  const int64_t biasMoments = layer.biasMoments + member * layer.biasStride;
  if (part == Part::maskedWeight || part == Part::weightGradient || part == Part::biasGradient) {
    throw std::invalid_argument("This part of a layer is read only");
  }
  if (ofTraining(part) && !learns()) {
    throw std::invalid_argument("A target network holds no moments and no gradients");
  }
  switch (part) {
    case Part::weight:
      writeRows(weights_.data() + layer.first + member * layer.stride, layer, source);
      return refresh();
    case Part::bias:
      weights_.write(source, layer.bias + member * layer.biasStride, layer.outputs);
      return refresh();
    case Part::mask: return writeMask(layer, member, source);
    case Part::gradientMask: return writeGradientMask(layer, member, source);
    case Part::weightMoment1: return writeMoments(moment1_.data(), layer, member, source);
    case Part::weightMoment2: return writeMoments(moment2_.data(), layer, member, source);
    case Part::dormantGradient:
      writeRows(gradient(index, member), layer, source);
      hasDormantGradient_[member * layers() + index] = 1;
      return;
    case Part::biasMoment1: return moment1_.write(source, biasMoments, layer.outputs);
    default: return moment2_.write(source, biasMoments, layer.outputs);
  }
}

size_t NetworkWeights::bytes() const {
  return weights_.bytes() + effective_.bytes() + mask_.bytes() + gradient_.bytes() +
         moment1_.bytes() + moment2_.bytes() + placeArray_.bytes() + chosen_.bytes() +
         segmentArray_.bytes() + pieceArray_.bytes() + gradientMask_.bytes() + means_.bytes() +
         tileMasks_.bytes() + (sparse_ ? sparse_->bytes() : 0) +
         (transposed_ ? transposed_->bytes() : 0);
}

}  // namespace rnm::cuda
