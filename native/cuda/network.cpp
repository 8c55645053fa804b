#include "cuda/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "cuda/matrix.h"

namespace rnm::cuda {

CudaNetwork::CudaNetwork(const NetworkSpec& spec, Context& context)
    : Network(spec), context_(context), weights_(context, spec_) {
  if (!squashed()) return;
  std::vector<float> centre, half;
  for (size_t j = 0; j < spec.low.size(); ++j) {
    centre.push_back(0.5f * (spec.high[j] + spec.low[j]));
    half.push_back(0.5f * (spec.high[j] - spec.low[j]));
  }
  centre_ = DeviceArray<float>(context, centre.size());
  half_ = DeviceArray<float>(context, half.size());
  centre_.write(centre.data(), 0, centre.size());
  half_.write(half.data(), 0, half.size());
}

const CudaNetwork& CudaNetwork::sameShape(const Network& other, const char* name) const {
  const auto* network = dynamic_cast<const CudaNetwork*>(&other);
  if (!network || !hasShapeOf(other) || &network->context_ != &context_) {
    throw std::invalid_argument(std::string("Expected ") + name +
                                " to be a network of this device with the same shape and patterns");
  }
  return *network;
}

const CudaNetwork& CudaNetwork::maskSource(const Network& source) const {
  const CudaNetwork& from = sameShape(source, "source");
  requireMasksOf(from);
  return from;
}

// ---------------------------------------------------------------- where things lie

void CudaNetwork::keepInput(const MatrixView& input, const DeviceView& view, MemberRange members) {
  if (kept_.capacity < view.rows) {
    context_.requireNoGraph("a first pass with this many rows");
    // If memory runs out there is nothing to go backward from.
    kept_.inputMatrix = {};
    kept_.capacity = 0;
    kept_.activity.clear();
    kept_.delta.clear();
    context_.memoryMoved();
    const size_t rows = static_cast<size_t>(spec_.members) * view.rows;
    for (int l = 0; l < layers(); ++l) {
      const size_t elements = rows * paddedWidth(width(l));
      kept_.activity.emplace_back(context_, elements * (l == last() ? 4 : elementBytes()));
      kept_.delta.emplace_back(context_, elements * elementBytes());
    }
    if (bf16()) {
      const size_t elements = view.rows * paddedWidth(spec_.sizes.front());
      kept_.convertedInput = DeviceArray<uint8_t>(context_, elements * elementBytes());
    }
    kept_.capacity = view.rows;
  }
  kept_.inputMatrix = input;
  kept_.input = view;
  kept_.members = members;
}

PassShape CudaNetwork::shapeOf(int layer, int members, int rows, int64_t memberRows) const {
  const int64_t ld = paddedWidth(width(layer));
  return {ld, memberRows * ld, members, rows, width(layer)};
}

PassShape CudaNetwork::keptShape(int layer) const {
  return shapeOf(layer, kept_.members.count, kept_.input.rows, kept_.capacity);
}

MatrixRef CudaNetwork::keptRef(const std::vector<DeviceArray<uint8_t>>& arrays, int layer,
                               int member, ElementType type) const {
  const int64_t ld = paddedWidth(width(layer)), stride = kept_.capacity * ld;
  const int64_t bytes = type == ElementType::bfloat16 ? 2 : 4;
  return {arrays[layer].data() + member * stride * bytes, ld, stride, type};
}

// The input as products read it; every member has the same.
MatrixRef CudaNetwork::inputRef(const DeviceView& input, bool keep) {
  if (!bf16()) return {input.data, input.ld, 0, ElementType::float32};
  const int64_t ld = paddedWidth(input.columns);
  void* converted = keep ? static_cast<void*>(kept_.convertedInput.data())
                         : context_.scratch(Context::Scratch::input, input.rows * ld * 2);
  convertInput(context_, input, converted, {ld, 0, 1, input.rows, input.columns});
  return {converted, ld, 0, ElementType::bfloat16};
}

// Where a layer's output of these members goes. Passes that keep nothing take turns with two
// buffers; the last layer has one of its own, in float32.
MatrixRef CudaNetwork::activityBuffer(int layer, MemberRange members, int rows, bool keep) {
  const ElementType kind = layer == last() ? ElementType::float32 : type();
  if (keep) return keptRef(kept_.activity, layer, members.first, kind);
  const int64_t ld = paddedWidth(width(layer)), stride = rows * ld;
  const auto slot = layer == last()  ? Context::Scratch::output
                    : layer % 2 == 0 ? Context::Scratch::hidden
                                     : Context::Scratch::otherHidden;
  const size_t bytes = members.count * stride * (kind == ElementType::bfloat16 ? 2 : 4);
  return {context_.scratch(slot, bytes), ld, stride, kind};
}

// ---------------------------------------------------------------- forward

void CudaNetwork::forward(const MatrixView& input, const MatrixView& output, MemberRange members,
                          bool keep) {
  checkMembers(members);
  const DeviceView x = deviceView(input, "input");
  if (x.columns != spec_.sizes.front()) {
    throw std::invalid_argument("Expected input to have " + std::to_string(spec_.sizes.front()) +
                                " columns but received " + std::to_string(x.columns));
  }
  const DeviceView y = deviceView(output, "output", x.rows, members.count * spec_.sizes.back());
  if (keep) keepInput(input, x, members);
  planSparse(x.rows);
  MatrixRef from = inputRef(x, keep);
  for (int l = 0; l < layers(); ++l) {
    const MatrixRef to = activityBuffer(l, members, x.rows, keep);
    if (!multiplySparse(weights_.sparse(), l, members, x.rows, from, to)) {
      forwardLayer(l, members, x.rows, from, to);
    }
    from = to;
  }
  const PassShape shape = {from.ld, from.stride, members.count, x.rows, width(last())};
  storeOutput(context_, static_cast<float*>(from.data), shape, centre_.data(), half_.data(), y);
}

// Only layers between hidden ones: inputs come as they are, and outputs are float32.
bool CudaNetwork::sparseWanted(int index, int rows) const {
  if (index == 0 || index == last()) return false;
  const NetworkWeights::Layer& layer = weights_.layer(index);
  // As far as is known narrower layers are faster dense, whatever their pattern.
  constexpr int kLeastWidth = 1024;
  const bool wide = std::min(layer.outputs, layer.inputs) >= kLeastWidth && rows >= kLeastWidth;
  const bool wanted = context_.sparseUse() == SparseUse::always ||
                      (context_.sparseUse() == SparseUse::automatic && wide);
  return wanted && fitsTensorCores(layer.outputs, layer.inputs, rows, type());
}

bool CudaNetwork::sparseFits(int index, int rows) const {
  return sparseWanted(index, rows) && fitsTensorCores(weights_.layer(index).pattern, type());
}

// The columns of a transposable mask fit as its rows do, but for those of a last group of fewer than
// four. Pruned again, every pattern fits.
bool CudaNetwork::transposeFits(int index, int rows) const {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  if (layer.pattern.dense() || !sparseWanted(index, rows)) return false;
  if (context_.prunesTransposes()) return true;
  return context_.dataGradient() == DataGradient::transposable &&
         spec_.maskShape == MaskShape::transposable && layer.inputs % kBandRows == 0 &&
         fitsTensorCores(layer.pattern, type());
}

// The first batch that fits decides for which number of rows sparse layers are planned; others are
// computed with the masked dense weights.
void CudaNetwork::planSparse(int rows) {
  // What float32 calls for, tensor cores do not have.
  if (sparsePlanned_ || context_.inGraph() || context_.precision() == Precision::fp32) return;
  std::vector<NetworkWeights::SparsePlan> plans;
  for (int l = 0; l < layers(); ++l) {
    if (!sparseFits(l, rows)) continue;
    const NetworkWeights::Layer& layer = weights_.layer(l);
    plans.push_back({l,
                     {layer.outputs, layer.inputs, rows, layer.ld, paddedWidth(layer.inputs),
                      paddedWidth(layer.outputs), type(), nullptr}});
  }
  if (plans.empty() || !context_.hasSparseBlas()) return;
  sparsePlanned_ = true;
  takeSparse(plans, false);
}

void CudaNetwork::takeSparse(const std::vector<NetworkWeights::SparsePlan>& plans,
                             bool transposed) {
  try {
    weights_.planSparse(plans, transposed);
  } catch (const std::runtime_error&) {
    // Who insists on it is told why the library does not take it; the same is computed without.
    if (context_.sparseUse() == SparseUse::always) throw;
  }
}

// The same for the data gradients of a network that learns: x = y W, with W^T for the weights.
void CudaNetwork::planTransposed(int rows) {
  if (transposedPlanned_ || context_.inGraph() || context_.precision() == Precision::fp32 ||
      spec_.role != Role::online) {
    return;
  }
  std::vector<NetworkWeights::SparsePlan> plans;
  for (int l = 0; l < layers(); ++l) {
    if (!transposeFits(l, rows)) continue;
    const NetworkWeights::Layer& layer = weights_.layer(l);
    const int64_t ld = paddedWidth(layer.outputs);
    plans.push_back({l,
                     {layer.inputs, layer.outputs, rows, ld, ld, paddedWidth(layer.inputs), type(),
                      nullptr}});
  }
  if (plans.empty() || !context_.hasSparseBlas()) return;
  transposedPlanned_ = true;
  takeSparse(plans, true);
}

// output = input W^T of planned layers, as they were planned; false if this one was not.
bool CudaNetwork::multiplySparse(const SparseLayers* sparse, int index, MemberRange members,
                                 int rows, const MatrixRef& input, const MatrixRef& output) {
  if (!sparse || !sparse->find(index, members.first, rows)) return false;
  const int64_t bytes = static_cast<int64_t>(elementBytes());
  for (int i = 0; i < members.count; ++i) {
    sparse->run(*sparse->find(index, members.first + i, rows),
                static_cast<const char*>(input.data) + i * input.stride * bytes,
                static_cast<char*>(output.data) + i * output.stride * bytes);
  }
  return true;
}

// output = input W^T + bias, of every member at once; ReLU but for the last layer.
void CudaNetwork::forwardLayer(int index, MemberRange members, int rows, const MatrixRef& input,
                               const MatrixRef& output) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  Product product{};
  product.rows = rows;
  product.columns = layer.outputs;
  product.depth = layer.inputs;
  product.batch = members.count;
  product.a = input;
  product.b = {const_cast<void*>(weights_.effective(index, members.first)), layer.ld, layer.stride,
               type()};
  product.transposeB = true;
  product.result = output;
  product.epilogue = index == last() ? Epilogue::bias : Epilogue::biasRelu;
  product.bias = index == last() ? weights_.bias(index, members.first)
                                 : weights_.effectiveBias(index, members.first);
  product.biasStride = layer.biasStride;
  context_.blas().multiply(product);
}

// ---------------------------------------------------------------- backward

void CudaNetwork::backward(const MatrixView& outputGradient, MemberRange members,
                           bool weightGradient, const MatrixView& inputGradient, int inputFirst) {
  checkMembers(members);
  if (!kept_.inputMatrix.matrix || members.first < kept_.members.first ||
      members.first + members.count > kept_.members.first + kept_.members.count) {
    throw std::invalid_argument("Call forward with keep for these members before backward");
  }
  if (weightGradient) requireRole(Role::online, "weight gradients");
  const int rows = kept_.input.rows;
  const DeviceView dy =
      deviceView(outputGradient, "outputGradient", rows, members.count * spec_.sizes.back());
  DeviceView dx;
  if (inputGradient.matrix) {
    dx = deviceView(inputGradient, "inputGradient", rows, inputGradient.columns);
    if (inputFirst < 0 || inputFirst > spec_.sizes.front() - dx.columns) {
      throw std::invalid_argument("Expected inputGradient's columns to lie within the input");
    }
  }
  planTransposed(rows);
  const auto biasGradient = [&](int l) {
    return weightGradient ? weights_.biasGradient(l, members.first) : nullptr;
  };
  const auto shape = [&](int l) { return shapeOf(l, members.count, rows, kept_.capacity); };
  const auto delta = [&](int l) { return keptRef(kept_.delta, l, members.first, type()); };
  const auto* squash = static_cast<const float*>(
      keptRef(kept_.activity, last(), members.first, ElementType::float32).data);
  outputDelta(context_, dy, squash, half_.data(), delta(last()).data, shape(last()),
              biasGradient(last()), weights_.layer(last()).biasStride);
  for (int l = last(); l > 0; --l) {
    if (!multiplySparse(weights_.transposed(), l, members, rows, delta(l), delta(l - 1))) {
      dataGradient(l, members, delta(l - 1));
    }
    hiddenDelta(context_, delta(l - 1).data,
                keptRef(kept_.activity, l - 1, members.first, type()).data, shape(l - 1),
                biasGradient(l - 1), weights_.layer(l - 1).biasStride);
  }
  if (weightGradient) {
    for (int l = 0; l < layers(); ++l) weightGradientOf(l, members);
  }
  if (dx.data) storeInputGradient(members, dx, inputFirst);
}

// target = delta W: the gradient of a layer's input.
void CudaNetwork::dataGradient(int index, MemberRange members, const MatrixRef& target) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  Product product{};
  product.rows = kept_.input.rows;
  product.columns = layer.inputs;
  product.depth = layer.outputs;
  product.batch = members.count;
  product.a = keptRef(kept_.delta, index, members.first, type());
  product.b = {const_cast<void*>(weights_.effective(index, members.first)), layer.ld, layer.stride,
               type()};
  product.result = target;
  context_.blas().multiply(product);
}

// gradient = delta^T input, dense whatever the mask: Adam takes what it needs.
void CudaNetwork::weightGradientOf(int index, MemberRange members) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  Product product{};
  product.rows = layer.outputs;
  product.columns = layer.inputs;
  product.depth = kept_.input.rows;
  product.batch = members.count;
  product.a = keptRef(kept_.delta, index, members.first, type());
  product.transposeA = true;
  if (index > 0) {
    product.b = keptRef(kept_.activity, index - 1, members.first, type());
  } else if (bf16()) {
    product.b = {kept_.convertedInput.data(), paddedWidth(layer.inputs), 0, ElementType::bfloat16};
  } else {
    product.b = {kept_.input.data, kept_.input.ld, 0, ElementType::float32};
  }
  product.result = {weights_.gradient(index, members.first), layer.ld, layer.stride,
                    ElementType::float32};
  context_.blas().multiply(product);
}

// The whole input's gradient of each member, of which the wanted columns are summed: products of
// some columns alone would begin at addresses that tensor cores cannot read.
void CudaNetwork::storeInputGradient(MemberRange members, const DeviceView& target, int first) {
  const int rows = kept_.input.rows;
  const int64_t ld = paddedWidth(spec_.sizes.front()), stride = rows * ld;
  void* full = context_.scratch(Context::Scratch::inputGradient, members.count * stride * 4);
  dataGradient(0, members, {full, ld, stride, ElementType::float32});
  sumMembers(context_, static_cast<const float*>(full),
             {ld, stride, members.count, rows, spec_.sizes.front()}, first, target);
}

// ---------------------------------------------------------------- optimiser, targets, masks, state

void CudaNetwork::adam(const AdamOptions& options) {
  requireRole(Role::online, "Adam steps");
  // Recording a graph takes no step: each of its launches does.
  const int64_t steps = adamSteps_ + 1;
  weights_.adam(adamStep(options, steps));
  if (!context_.capturing()) adamSteps_ = steps;
}

void CudaNetwork::polyak(const Network& source, float tau) {
  requireRole(Role::target, "Polyak averaging");
  weights_.polyak(sameShape(source, "source").weights_, tau);
}

void CudaNetwork::copyFrom(const Network& source) {
  weights_.copyFrom(maskSource(source).weights_);
}

int64_t CudaNetwork::updateMasks() {
  requireRole(Role::target, "mask updates");
  return weights_.updateMasks();
}

int64_t CudaNetwork::followMasks(const Network& source) {
  requireRole(Role::target, "mask updates");
  return weights_.followMasks(maskSource(source).weights_);
}

int64_t CudaNetwork::divergence(const Network& other, int member) const {
  const CudaNetwork& to = sameShape(other, "other");
  checkMembers({member, 1});
  return weights_.divergence(to.weights_, member);
}

void CudaNetwork::read(int member, int layer, Part part, float* target) const {
  checkPlace(member, layer);
  weights_.read(member, layer, part, target);
}

void CudaNetwork::write(int member, int layer, Part part, const float* source) {
  checkPlace(member, layer);
  weights_.write(member, layer, part, source);
}

}  // namespace rnm::cuda
