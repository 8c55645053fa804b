#include "cuda/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "cuda/branch.h"
#include "cuda/matrix.h"
#include "cuda/sparse_choice.h"

namespace rnm::cuda {
namespace {

// Passes of fewer decide nothing about sparse products.
constexpr int kLeastRows = 8;

// Products read and write it as fast as what a network keeps itself.
bool isAligned(const DeviceView& view) { return reinterpret_cast<uintptr_t>(view.data) % 16 == 0; }

}  // namespace

CudaNetwork::CudaNetwork(const NetworkSpec& spec, Context& context)
    : Network(spec),
      context_(context),
      weights_(context, spec_),
      gradients_(context, weights_, spec.members) {
  if (!squashed()) return;
  std::vector<float> centre, half;
  for (size_t j = 0; j < spec.low.size(); ++j) {
    centre.push_back(0.5f * (spec.high[j] + spec.low[j]));
    half.push_back(0.5f * (spec.high[j] - spec.low[j]));
  }
  const auto onDevice = [&context](const std::vector<float>& values) {
    DeviceArray<float> array(context, values.size());
    array.write(values.data(), 0, values.size());
    return array;
  };
  centre_ = onDevice(centre), half_ = onDevice(half);
  low_ = onDevice(spec.low), high_ = onDevice(spec.high);
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
    const int capacity = paddedRows(view.rows);
    const size_t rows = static_cast<size_t>(spec_.members) * capacity;
    for (int l = 0; l < layers(); ++l) {
      const size_t elements = rows * paddedWidth(width(l));
      kept_.activity.emplace_back(context_, elements * (l == last() ? 4 : elementBytes()));
      kept_.delta.emplace_back(context_, elements * elementBytes());
    }
    if (bf16()) {
      const size_t elements = capacity * paddedWidth(spec_.sizes.front());
      kept_.convertedInput = DeviceArray<uint8_t>(context_, elements * elementBytes());
    }
    kept_.capacity = capacity;
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

MatrixRef CudaNetwork::keptDelta(int layer, int member) const {
  return keptRef(kept_.delta, layer, member, type());
}

// The input as products read it; every member has the same.
MatrixRef CudaNetwork::inputRef(const DeviceView& input, bool keep) {
  if (!bf16()) return {input.data, input.ld, 0, ElementType::float32};
  const int64_t ld = paddedWidth(input.columns);
  void* converted = keep ? static_cast<void*>(kept_.convertedInput.data())
                         : context_.scratch(Context::Scratch::input,
                                            paddedRows(input.rows) * ld * 2);
  convertInput(context_, input, converted, {ld, 0, 1, input.rows, input.columns});
  return {converted, ld, 0, ElementType::bfloat16};
}

// Where a layer's output of these members goes. Passes that keep nothing take turns with two
// buffers; the last layer has one of its own, in float32.
MatrixRef CudaNetwork::activityBuffer(int layer, MemberRange members, int rows, bool keep) {
  const ElementType kind = layer == last() ? ElementType::float32 : type();
  if (keep) return keptRef(kept_.activity, layer, members.first, kind);
  const int64_t ld = paddedWidth(width(layer)), stride = paddedRows(rows) * ld;
  const auto slot = layer == last()  ? Context::Scratch::output
                    : layer % 2 == 0 ? Context::Scratch::hidden
                                     : Context::Scratch::otherHidden;
  const size_t bytes = members.count * stride * (kind == ElementType::bfloat16 ? 2 : 4);
  return {context_.scratch(slot, bytes), ld, stride, kind};
}

// ---------------------------------------------------------------- forward

// The last product of linear outputs needs no kernel to bring them where they belong. A first layer may
// read what the output overwrites.
bool CudaNetwork::writesOutput(const DeviceView& output) const {
  return !squashed() && layers() > 1 && isAligned(output);
}

// The members' outputs lie side by side.
MatrixRef CudaNetwork::outputRef(const DeviceView& output) const {
  return {output.data, output.ld, width(last()), ElementType::float32};
}

void CudaNetwork::forward(const MatrixView& input, const MatrixView& output, MemberRange members,
                          bool keep) {
  checkMembers(members);
  const DeviceView x = deviceView(input, "input");
  checkInput(x.columns);
  const DeviceView y = deviceView(output, "output", x.rows, members.count * spec_.sizes.back());
  if (keep) keepInput(input, x, members);
  planForward(x.rows, keep);
  MatrixRef from = inputRef(x, keep);
  // What pads rows is left alone by dense products. There may be anything: other layers' activities,
  // or NaN where a sparse product met it.
  bool clean = true;
  const bool direct = writesOutput(y);
  for (int l = 0; l < layers(); ++l) {
    const MatrixRef to =
        direct && l == last() ? outputRef(y) : activityBuffer(l, members, x.rows, keep);
    const bool sparse = multiplySparse(weights_.sparse(), l, members, x.rows, from, to, clean);
    if (!sparse) forwardLayer(l, members, x.rows, from, to);
    clean = sparse;
    from = to;
  }
  if (direct) return;
  const PassShape shape = {from.ld, from.stride, members.count, x.rows, width(last())};
  const OutputRange range = {centre_.data(), half_.data(), low_.data(), high_.data()};
  storeOutput(context_, static_cast<float*>(from.data), shape, range, y);
}

std::string CudaNetwork::obstacle(int index, bool transposed) const {
  if (index == last()) return "the last layer: few outputs";
  if (index == 0 && transposed) return "the first layer: its input's gradient is float32";
  if (index == 0 && !bf16()) return "the first layer: float32 inputs are read where they lie";
  if (!transposed || context_.prunesTransposes()) return "";
  if (spec_.maskShape != MaskShape::transposable) return "masks are not transposable";
  // A last group of fewer columns is chosen row by row.
  return weights_.layer(index).inputs % kBandRows == 0 ? "" : "inputs are no multiple of 4";
}

// The columns of a transposable mask fit as its rows do. Pruned again, every pattern fits.
bool CudaNetwork::masksFit(int index, bool transposed) const {
  return (transposed && context_.prunesTransposes()) ||
         fitsTensorCores(weights_.layer(index).pattern, type());
}

// Compressed weights are planned for one number of rows; passes of others use the masked dense ones.
// The first pass decides which, but for those of a few rows, and the first that is kept for a backward
// pass, as of training's batches, decides anew.
bool CudaNetwork::decidesRows(int rows, bool keep) const {
  if (context_.inGraph() || rows < kLeastRows) return false;
  return plannedRows_ == 0 || (keep && !plannedKept_);
}

void CudaNetwork::planForward(int rows, bool keep) {
  if (!decidesRows(rows, keep)) return;
  const bool planned = plannedRows_ == rows;
  plannedRows_ = rows;
  plannedKept_ = keep;
  if (!planned) planSparse(rows, false);
}

// The first backward pass that is not of a few rows decides for data gradients.
void CudaNetwork::planTransposed(int rows) {
  if (context_.dataGradient() == DataGradient::dense || spec_.role != Role::online) return;
  if (context_.inGraph() || rows < kLeastRows || transposedRows_ > 0) return;
  transposedRows_ = rows;
  planSparse(rows, true);
}

// The first backward pass with weight gradients, likewise.
void CudaNetwork::planGradients(int rows) {
  if (context_.inGraph() || rows < kLeastRows || gradients_.planned()) return;
  gradients_.plan(rows, {[this](int layer) { return gradientFactors(layer, 0); },
                         [this](int layer, int members) {
                           multiplyDelta(layer, {0, members}, keptDelta(layer, 0), true);
                         },
                         [this, rows](int layer, int members) {
                           const SparseLayers* sparse = weights_.transposed();
                           const bool taken = sparse && sparse->taken(layer, {0, members}, rows);
                           return taken ? sparseLibrary() : "dense";
                         }});
}

// A data gradient is x = y W: the same product with W^T for the weights, and neither bias nor ReLU.
SparseProduct::Shape CudaNetwork::productShape(int index, int rows, bool transposed) const {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  const int64_t outputLd = paddedWidth(layer.outputs), inputLd = paddedWidth(layer.inputs);
  if (transposed) {
    return {layer.inputs, layer.outputs, rows, outputLd, outputLd, inputLd, type(), nullptr};
  }
  return {layer.outputs, layer.inputs, rows, layer.ld, inputLd, outputLd, type(),
          weights_.effectiveBias(index, 0)};
}

// How many inputs of a layer dense products read. In bfloat16 the first layer's include what pads them,
// zeros of the input and of the weights: tensor cores are slow where widths are no multiples of 8.
int CudaNetwork::productInputs(int index) const {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  return index == 0 && bf16() ? static_cast<int>(layer.ld) : layer.inputs;
}

void CudaNetwork::planSparse(int rows, bool transposed) {
  ProductChooser& chooser = context_.chooser();
  std::vector<NetworkWeights::SparsePlan> plans;
  std::vector<ProductQuestion> chosen;
  for (int l = 0; l < layers(); ++l) {
    const NmPattern& pattern = weights_.layer(l).pattern;
    if (pattern.dense()) continue;
    const SparseCandidate candidate = {pattern, masksFit(l, transposed),
                                       productShape(l, rows, transposed),
                                       transposed ? width(l) : productInputs(l), spec_.members};
    const ProductQuestion question = sparseQuestion(context_, candidate, obstacle(l, transposed));
    const SparseChoice choice = chooser.choose(question);
    if (!choice.any()) continue;
    plans.push_back({l, candidate.shape, choice});
    chosen.push_back(question);
  }
  try {
    weights_.planSparse(plans, transposed);
  } catch (const std::runtime_error& error) {
    // Who insists on it is told why the library does not take it; the same is computed without.
    if (context_.sparseUse() == SparseUse::always) throw;
    for (const auto& question : chosen) chooser.withdraw(question, error.what());
  }
}

bool CudaNetwork::multiplySparse(const SparseLayers* sparse, int index, MemberRange members,
                                 int rows, const MatrixRef& input, const MatrixRef& output,
                                 bool clean) {
  const SparseLayer* layer = sparse ? sparse->taken(index, members, rows) : nullptr;
  if (!layer) return false;
  const SparseProduct::Shape& shape = layer->product->shape();
  if (!clean && shape.paddedInputs() > shape.inputs) {
    clearPadding(context_, input.data, {input.ld, input.stride, members.count, rows, shape.inputs});
  }
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
  product.depth = productInputs(index);
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
                           WantedGradients gradients, const MatrixView& inputGradient,
                           int inputFirst) {
  checkMembers(members);
  if (!kept_.inputMatrix.matrix || members.first < kept_.members.first ||
      members.first + members.count > kept_.members.first + kept_.members.count) {
    throw std::invalid_argument("Call forward with keep for these members before backward");
  }
  checkGradients(gradients);
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
  if (gradients.active) planGradients(rows);
  const BiasSums sums = biasSums(members, gradients.active);
  const auto shape = [&](int l) { return shapeOf(l, members.count, rows, kept_.capacity); };
  const auto delta = [&](int l) { return keptDelta(l, members.first); };
  MatrixRef from = delta(last());
  if (isDelta(members, dy) && !gradients.active) {
    from = {dy.data, dy.ld, 0, ElementType::float32};
  } else {
    const auto* squash = static_cast<const float*>(
        keptRef(kept_.activity, last(), members.first, ElementType::float32).data);
    outputDelta(context_, dy, squash, half_.data(), from.data, shape(last()),
                sums.of(last()));
  }
  // A weight gradient needs no other layer's: only the first layer's comes when all deltas are there.
  Branch branch(context_);
  bool clean = true;
  for (int l = last(); l > 0; --l) {
    if (gradients.active) branch.run([&] { weightGradientOf(l, members, gradients); });
    clean = propagate(l, members, from, clean, sums.of(l - 1));
    from = delta(l - 1);
  }
  if (sums.unfinished()) branch.run([&] { sums.finish(); });
  if (gradients.active) weightGradientOf(0, members, gradients);
  if (dx.data) storeInputGradient(members, from, dx, inputFirst);
  branch.join();
  if (gradients.dormant) weights_.keepDormantGradients(members);
}

// The deltas of the layer before, and their sums. Returns whether what pads them is clean: see forward.
bool CudaNetwork::propagate(int index, MemberRange members, const MatrixRef& delta, bool clean,
                            const ColumnSums& sums) {
  const int rows = kept_.input.rows, before = index - 1;
  const MatrixRef to = keptDelta(before, members.first);
  const void* activity = keptRef(kept_.activity, before, members.first, type()).data;
  const PassShape shape = shapeOf(before, members.count, rows, kept_.capacity);
  if (index == last() && width(index) <= kNarrow) {
    const NetworkWeights::Layer& layer = weights_.layer(index);
    narrowDelta(context_, {width(index), delta.ld, delta.stride, layer.ld, layer.stride}, delta.data,
                weights_.effective(index, members.first), to.data, activity, shape, sums);
    return false;
  }
  const bool sparse = multiplyDelta(index, members, delta, clean);
  hiddenDelta(context_, to.data, activity, shape, sums);
  return sparse;
}

// The deltas of the layer before, but for its activation's derivative. Returns whether the product was sparse.
bool CudaNetwork::multiplyDelta(int index, MemberRange members, const MatrixRef& delta, bool clean) {
  const MatrixRef to = keptDelta(index - 1, members.first);
  const bool sparse = multiplySparse(weights_.transposed(), index, members, kept_.input.rows, delta, to, clean);
  if (!sparse) dataGradient(index, members, delta, to);
  return sparse;
}

BiasSums CudaNetwork::biasSums(MemberRange members, bool wanted) const {
  std::vector<BiasGradient> gradients;
  for (int l = 0; wanted && l < layers(); ++l) {
    gradients.push_back(
        {weights_.biasGradient(l, members.first), weights_.layer(l).biasStride, width(l)});
  }
  return BiasSums(context_, members.count, kept_.input.rows, std::move(gradients));
}

// Whether the gradient of one member's output is dL/d(pre-activation) as it lies, in the products' type.
bool CudaNetwork::isDelta(MemberRange members, const DeviceView& outputGradient) const {
  return !squashed() && !bf16() && members.count == 1 && isAligned(outputGradient);
}

// target = delta W: the gradient of a layer's input.
void CudaNetwork::dataGradient(int index, MemberRange members, const MatrixRef& delta,
                               const MatrixRef& target) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  Product product{};
  product.rows = kept_.input.rows;
  product.columns = productInputs(index);
  product.depth = layer.outputs;
  product.batch = members.count;
  product.a = delta;
  product.b = {const_cast<void*>(weights_.effective(index, members.first)), layer.ld, layer.stride,
               type()};
  product.result = target;
  context_.blas().multiply(product);
}

WeightGradients::Factors CudaNetwork::gradientFactors(int index, int member) const {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  const MatrixRef delta = keptDelta(index, member);
  MatrixRef input;
  if (index > 0) {
    input = keptRef(kept_.activity, index - 1, member, type());
  } else if (bf16()) {
    input = {kept_.convertedInput.data(), paddedWidth(layer.inputs), 0, ElementType::bfloat16};
  } else {
    input = {kept_.input.data, kept_.input.ld, 0, ElementType::float32};
  }
  return {delta, input, productInputs(index), kept_.input.rows};
}

void CudaNetwork::weightGradientOf(int index, MemberRange members, WantedGradients gradients) {
  gradients_.compute(index, members, gradientFactors(index, members.first), gradients.dormant);
}

// The whole input's gradient of each member, of which the wanted columns are summed: products of
// some columns alone would begin at addresses that tensor cores cannot read.
void CudaNetwork::storeInputGradient(MemberRange members, const MatrixRef& delta,
                                     const DeviceView& target, int first) {
  const int rows = kept_.input.rows;
  const int64_t ld = paddedWidth(spec_.sizes.front()), stride = rows * ld;
  void* full = context_.scratch(Context::Scratch::inputGradient, members.count * stride * 4);
  dataGradient(0, members, delta, {full, ld, stride, ElementType::float32});
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
  cuda::polyak(context_, {averageOf(source)}, tau);
  averaged();
}

void CudaNetwork::averaged() const { weights_.storeTransposes(); }

Average CudaNetwork::averageOf(const Network& source) const {
  requireRole(Role::target, "Polyak averaging");
  return weights_.averageOf(sameShape(source, "source").weights_);
}

void CudaNetwork::copyFrom(const Network& source) {
  weights_.copyFrom(maskSource(source).weights_);
}

int64_t CudaNetwork::updateMasks(const MaskUpdate& update) {
  checkMaskUpdate(update, weights_.hasDormantGradients());
  return weights_.updateMasks(update);
}

void CudaNetwork::scaleDormant(float factor) {
  requireRole(Role::target, "factor for dormant weights: it holds none");
  weights_.scaleDormant(factor);
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

float CudaNetwork::largestWeight(int member) const {
  checkMembers({member, 1});
  return weights_.largestWeight(member);
}

float CudaNetwork::largestMoment() const { return weights_.largestMoment(); }

int64_t CudaNetwork::idleUnits(int member) const {
  checkMembers({member, 1});
  context_.requireNoGraph("a look at activities");
  const MemberRange kept = kept_.inputMatrix.matrix ? kept_.members : MemberRange{0, 0};
  if (member < kept.first || member >= kept.first + kept.count) return 0;
  return weights_.counted([&](unsigned long long* idle) {
    for (int l = 0; l < last(); ++l) {
      countIdle(context_, keptRef(kept_.activity, l, member, type()).data,
                shapeOf(l, 1, kept_.input.rows, kept_.capacity), idle);
    }
  });
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
