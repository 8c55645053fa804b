#include "cpu/network.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <climits>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/initial_weights.h"

namespace rnm::cpu {

namespace {

// A pass has a task for each tile of each member, counted by an int.
void checkTasks(int members, const TileView& batch) {
  if (int64_t{members} * batch.tiles <= INT_MAX) return;
  throw std::invalid_argument("Expected a smaller batch, or fewer members at once, than " +
                              std::to_string(batch.rows) + " rows and " + std::to_string(members) +
                              " members");
}

// Row-parallel work is cut into about this many pieces for each thread, small enough to balance...
constexpr int kPiecesPerThread = 4;
// ...but not into smaller ones than this, in weights: a piece has to be worth handing out.
constexpr int64_t kLeastPiece = 1024;
// Inputs whose entries of a transposed index are refreshed as one piece.
constexpr int kInputsPerPiece = 64;
// Polyak averages that are put off at most: their memory traffic has become a trifle.
constexpr int kMostPutOff = 64;

}  // namespace

CpuNetwork::CpuNetwork(const NetworkSpec& spec, ThreadPool& pool, const KernelTable& kernels)
    : Network(spec), pool_(pool), kernels_(kernels) {
  for (int member = 0; member < spec.members; ++member) {
    for (int l = 0; l < layers(); ++l) {
      layers_.emplace_back(spec, l);
    }
  }
  reserveScratch(pool.threads());
  allInputs_.resize(spec.sizes.front());
  std::iota(allInputs_.begin(), allInputs_.end(), static_cast<uint16_t>(0));
  planRows(pool.threads());
  initialise();
}

CpuNetwork::~CpuNetwork() {
  if (debt_.times > 0) std::erase(debt_.source->debtors_, this);
  settleDebtors();
}

void CpuNetwork::reserveScratch(int threads) {
  const int widest = *std::max_element(spec_.sizes.begin(), spec_.sizes.end());
  for (int t = 0; t < threads; ++t) {
    passScratch_.emplace_back(static_cast<size_t>(widest) * kTile * kForwardTiles * 2);
    rowScratch_.emplace_back(static_cast<size_t>(widest) * (kBandRows + 1));
    columnScratch_.emplace_back(static_cast<size_t>(widest) * kBandRows);
  }
}

Layer::Scratch CpuNetwork::scratch(int thread) {
  AlignedArray<float>& rows = rowScratch_[thread];
  const size_t widest = rows.size() / (kBandRows + 1);
  return {rows.data(), rows.data() + kBandRows * widest, columnScratch_[thread].data()};
}

void CpuNetwork::planRows(int threads) {
  int64_t weights = 0;
  for (const Layer& l : layers_) weights += int64_t{l.outputs()} * l.weights.perRow();
  const int64_t piece = std::max(kLeastPiece, weights / (kPiecesPerThread * threads));
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int rows = layers_[i].outputs();
    const int64_t pieces = std::max<int64_t>(1, rows * int64_t{layers_[i].weights.perRow()} / piece);
    // A multiple of 8 rows, so that pieces end where the kernels' row blocks and bands do.
    const int step = static_cast<int>((rows + pieces * 8 - 1) / (pieces * 8) * 8);
    for (int begin = 0; begin < rows; begin += step) {
      ranges_.push_back({static_cast<int>(i), begin, std::min(rows, begin + step)});
    }
  }
  shareRanges(threads, weights);
}

// Neighbouring pieces to each thread, so that of an ensemble it has the member whose passes it computes.
void CpuNetwork::shareRanges(int threads, int64_t weights) {
  const auto size = [this](const RowRange& r) {
    return int64_t{r.end - r.begin} * layers_[r.layer].weights.perRow();
  };
  auto begin = ranges_.begin();
  int64_t shared = 0;
  for (int t = 1; t <= threads; ++t) {
    auto end = begin;
    // A piece belongs to the thread in whose share its middle lies.
    while (end != ranges_.end() && (2 * shared + size(*end)) * threads <= 2 * weights * t) {
      shared += size(*end++);
    }
    // The largest first: a thread that comes last to a large piece would be waited for.
    std::stable_sort(begin, end, [&](const RowRange& a, const RowRange& b) { return size(a) > size(b); });
    rangeEnds_.push_back(static_cast<int>(end - ranges_.begin()));
    begin = end;
  }
}

void CpuNetwork::initialise() {
  InitialWeights initial(spec_);
  std::vector<float> band;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& target = layers_[i];
    const int l = static_cast<int>(i) % layers();
    for (int begin = 0; begin < target.outputs(); begin += kBandRows) {
      const int rows = std::min(kBandRows, target.outputs() - begin);
      band.resize(static_cast<size_t>(rows) * target.inputs());
      initial.drawWeights(l, band.data(), band.size());
      target.weights.setBand(begin, rows, band.data());
    }
    initial.drawBiases(l, target.bias.data());
  }
}

const CpuNetwork& CpuNetwork::sameShape(const Network& other, const char* name) const {
  const auto* network = dynamic_cast<const CpuNetwork*>(&other);
  if (!network || !hasShapeOf(other)) {
    throw std::invalid_argument(std::string("Expected ") + name +
                                " to be a network of this device with the same shape and patterns");
  }
  return *network;
}

const CpuNetwork& CpuNetwork::maskSource(const Network& source) const {
  const CpuNetwork& from = sameShape(source, "source");
  requireMasksOf(from);
  return from;
}

// ---------------------------------------------------------------- forward

void CpuNetwork::keepInput(const MatrixView& input, const TileView& view, MemberRange members) {
  if (kept_.tiles != view.tiles) {
    // The old buffers go first. If there is no memory for the new ones, nothing is kept.
    kept_ = Kept{};
    Kept next;
    for (int l = 0; l < layers(); ++l) {
      const size_t size = static_cast<size_t>(spec_.members) * view.tiles * keptStride(l);
      next.activity.emplace_back(size);
      next.delta.emplace_back(size);
    }
    next.tiles = view.tiles;
    kept_ = std::move(next);
  }
  kept_.inputMatrix = input;
  kept_.input = view;
  kept_.members = members;
}

void CpuNetwork::forward(const MatrixView& input, const MatrixView& output, MemberRange members,
                         bool keep) {
  checkMembers(members);
  const TileView x = tileView(input, "input");
  checkInput(x.columns);
  const TileView y = tileView(output, "output", x.rows, members.count * spec_.sizes.back());
  checkTasks(members.count, x);
  if (keep) keepInput(input, x, members);
  const int perMember = (x.tiles + kForwardTiles - 1) / kForwardTiles;
  pool_.run(members.count * perMember, [&](int task, int thread) {
    const int slot = task / perMember, tile = task % perMember * kForwardTiles;
    forwardTiles(x, y, members.first + slot, slot, tile, keep, thread);
  });
}

// Some tiles from `tile` on through all layers.
void CpuNetwork::forwardTiles(const TileView& x, const TileView& y, int member, int slot, int tile,
                              bool keep, int thread) {
  const int last = layers() - 1, tiles = std::min(kForwardTiles, x.tiles - tile);
  AlignedArray<float>& scratch = passScratch_[thread];
  const float* in = x.tile(tile);
  size_t inStride = x.stride;
  for (int l = 0; l <= last; ++l) {
    const Layer& current = layer(member, l);
    float* out = scratch.data() + l % 2 * (scratch.size() / 2);
    size_t outStride = static_cast<size_t>(width(l)) * kTile;
    if (l == last) {
      out = y.column(tile, slot * width(last)), outStride = y.stride;
    } else if (keep) {
      out = keptTile(kept_.activity, l, member, tile), outStride = keptStride(l);
    }
    kernels_.forward({current.weights.ref(), current.bias.data(), in, out, inStride, outStride, tiles,
                      l < last});
    in = out, inStride = outStride;
  }
  for (int t = tile; squashed() && t < tile + tiles; ++t) {
    squash(y.column(t, slot * width(last)),
           keep ? keptTile(kept_.activity, last, member, t) : nullptr);
  }
}

// The output's range; tanh's value is kept for its derivative.
void CpuNetwork::squash(float* y, float* kept) const {
  for (int j = 0; j < width(layers() - 1); ++j) {
    const float low = spec_.low[j], high = spec_.high[j];
    kernels_.squash(y + j * kTile, kept ? kept + j * kTile : nullptr,
                    {0.5f * (high + low), 0.5f * (high - low), low, high});
  }
}

// ---------------------------------------------------------------- backward

void CpuNetwork::backward(const MatrixView& outputGradient, MemberRange members,
                          WantedGradients gradients, const MatrixView& inputGradient,
                          int inputFirst) {
  checkMembers(members);
  if (!kept_.inputMatrix.matrix || members.first < kept_.members.first ||
      members.first + members.count > kept_.members.first + kept_.members.count) {
    throw std::invalid_argument("Call forward with keep for these members before backward");
  }
  checkGradients(gradients);
  const TileView dy = tileView(outputGradient, "outputGradient", kept_.input.rows,
                               members.count * spec_.sizes.back());
  TileView dx;
  if (inputGradient.matrix) {
    dx = tileView(inputGradient, "inputGradient", kept_.input.rows, inputGradient.columns);
    if (inputFirst < 0 || inputFirst > spec_.sizes.front() - dx.columns) {
      throw std::invalid_argument("Expected inputGradient's columns to lie within the input");
    }
  }
  const int firstLayer = members.first * layers();
  const int endLayer = firstLayer + members.count * layers();
  for (int l = firstLayer; gradients.dormant && l < endLayer; ++l) layers_[l].reserveWholeGradient();
  refreshIndices(members, inputFirst, dx.data ? dx.columns : 0);
  // A tile's members run one after the other, since they add to the same input gradient.
  const int perTask = dx.data ? members.count : 1;
  pool_.run(members.count / perTask * kept_.tiles, [&](int task, int) {
    const int tile = task % kept_.tiles;
    for (int i = 0; i < perTask; ++i) {
      const int slot = task / kept_.tiles + i;
      outputDelta(dy, members.first + slot, slot, tile);
      backwardTile(members.first + slot, tile, dx.data ? &dx : nullptr, inputFirst, i > 0);
    }
  });
  if (!gradients.active) return;
  pool_.run(rangeEnds_, [&](int task, int) {
    const RowRange& range = ranges_[task];
    if (range.layer >= firstLayer && range.layer < endLayer) weightGradientRows(range, gradients.dormant);
  });
  for (int l = firstLayer; gradients.dormant && l < endLayer; ++l) layers_[l].keepDormantGradient();
}

// The transposed indices that a backward pass reads: of the first layer only the inputs whose gradient
// is asked for, and none at all where nobody asks.
void CpuNetwork::refreshIndices(MemberRange members, int inputFirst, int inputCount) {
  std::vector<InputRange>& pieces = indexPieces_;
  pieces.clear();
  for (int m = members.first; m < members.first + members.count; ++m) {
    for (int l = inputCount > 0 ? 0 : 1; l < layers(); ++l) {
      NmMatrix& weights = layer(m, l).weights;
      if (!weights.sparse()) continue;
      if (!weights.hasTransposed()) weights.buildTransposed();
      if (l == 0) {
        pieces.push_back({&weights, allInputs_.data() + inputFirst, inputCount});
        continue;
      }
      for (int begin = 0; begin < weights.inputs(); begin += kInputsPerPiece) {
        pieces.push_back({&weights, weights.transposedOrder() + begin,
                          std::min(kInputsPerPiece, weights.inputs() - begin)});
      }
    }
  }
  pool_.run(static_cast<int>(pieces.size()), [&](int task, int) {
    pieces[task].weights->refreshTransposed(pieces[task].inputs, pieces[task].count);
  });
}

// dL/d(pre-activation) of the last layer; padding lanes become zero.
void CpuNetwork::outputDelta(const TileView& outputGradient, int member, int slot, int tile) {
  const int last = layers() - 1;
  const int lanes = outputGradient.lanes(tile);
  const float* dy = outputGradient.column(tile, slot * width(last));
  const float* t = keptTile(kept_.activity, last, member, tile);
  float* delta = keptTile(kept_.delta, last, member, tile);
  if (!squashed()) {
    std::copy_n(dy, width(last) * kTile, delta);
  } else {
    for (int j = 0; j < width(last); ++j) {
      const float half = 0.5f * (spec_.high[j] - spec_.low[j]);
      for (int at = j * kTile; at < (j + 1) * kTile; ++at) {
        delta[at] = dy[at] * (half * (1.0f - t[at] * t[at]));
      }
    }
  }
  for (int j = 0; lanes < kTile && j < width(last); ++j) {
    std::fill_n(delta + j * kTile + lanes, kTile - lanes, 0.0f);
  }
}

void CpuNetwork::backwardTile(int member, int tile, const TileView* inputGradient, int inputFirst,
                              bool accumulate) {
  for (int l = layers() - 1; l > 0; --l) {
    kernels_.dataGradient({layer(member, l).weights.ref(),
                           keptTile(kept_.delta, l, member, tile),
                           keptTile(kept_.delta, l - 1, member, tile), 0, width(l - 1),
                           keptTile(kept_.activity, l - 1, member, tile), false});
  }
  if (!inputGradient) return;
  kernels_.dataGradient({layer(member, 0).weights.ref(), keptTile(kept_.delta, 0, member, tile),
                         inputGradient->tile(tile), inputFirst, inputGradient->columns, nullptr,
                         accumulate});
}

void CpuNetwork::weightGradientRows(const RowRange& range, bool dormant) {
  Layer& target = layers_[range.layer];
  const int member = range.layer / layers();
  const int l = range.layer % layers();
  const float* x = l == 0 ? kept_.input.data : keptTile(kept_.activity, l - 1, member, 0);
  const size_t xStride = l == 0 ? kept_.input.stride : keptStride(l - 1);
  WeightGradientArgs args = {target.weights.ref(), x, keptTile(kept_.delta, l, member, 0), xStride,
                             keptStride(l), kept_.tiles, range.begin, range.end,
                             target.denseGradient(), target.gradient.data(),
                             target.biasGradient.data()};
  kernels_.weightGradient(args);
  if (!dormant || target.denseGradient()) return;
  args.dense = true;
  args.gradient = target.wholeGradient.data();
  kernels_.weightGradient(args);
}

// ---------------------------------------------------------------- optimiser, targets, masks

void CpuNetwork::adam(const AdamOptions& options) {
  requireRole(Role::online, "Adam steps");
  ++adamSteps_;
  steps_.resize(layers());
  for (int l = 0; l < layers(); ++l) {
    AdamOptions scaled = options;
    scaled.learningRate *= stepScale(spec_, l);
    steps_[l] = {adamStep(options, adamSteps_), adamStep(scaled, adamSteps_)};
  }
  pool_.run(rangeEnds_, [&](int task, int thread) {
    const RowRange& r = ranges_[task];
    layers_[r.layer].adamRows(r.begin, r.end, steps_[r.layer % layers()], kernels_, scratch(thread));
  });
}

void CpuNetwork::polyak(const Network& source, float tau) {
  requireRole(Role::target, "Polyak averaging");
  const CpuNetwork& from = sameShape(source, "source");
  from.requireRole(Role::target, "part in Polyak averaging");
  const bool putOff = from.dormantStandStill();
  from.settle();
  settleDebtors();
  if (!putOff || debt_.source != &from || debt_.tau != tau) settle();
  if (putOff) return polyakActive(from, tau);
  pool_.run(rangeEnds_, [&](int task, int thread) {
    const RowRange& r = ranges_[task];
    layers_[r.layer].polyakRows(r.begin, r.end, from.layers_[r.layer], tau, kernels_,
                                scratch(thread));
  });
}

void CpuNetwork::polyakActive(const CpuNetwork& source, float tau) {
  if (debt_.times == 0) {
    findCrossings(source);
    source.debtors_.push_back(this);
  }
  pool_.run(rangeEnds_, [&](int task, int) {
    const RowRange& r = ranges_[task];
    layers_[r.layer].polyakActiveRows(r.begin, r.end, source.layers_[r.layer], tau,
                                      crossings_[task], kernels_);
  });
  debt_ = {&source, tau, debt_.times + 1};
  if (debt_.times == kMostPutOff) settle();
}

// Not by the pool: this may allocate, and tasks must not throw.
void CpuNetwork::findCrossings(const CpuNetwork& source) {
  crossings_.resize(ranges_.size());
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const RowRange& r = ranges_[i];
    crossings_[i].clear();
    layers_[r.layer].appendCrossings(r.begin, r.end, source.layers_[r.layer], crossings_[i]);
  }
}

bool CpuNetwork::dormantStandStill() const {
  return spec_.role == Role::online && spec_.rule == GradientRule::masked;
}

// Before the network's dormant weights are read, and before its masks or its source's change.
void CpuNetwork::settle() const {
  if (debt_.times == 0) return;
  pool_.run(rangeEnds_, [&](int task, int) {
    const RowRange& r = ranges_[task];
    layers_[r.layer].polyakDormantRows(r.begin, r.end, debt_.source->layers_[r.layer], debt_.tau,
                                       debt_.times, kernels_);
  });
  std::erase(debt_.source->debtors_, this);
  debt_ = {};
}

void CpuNetwork::settleDebtors() const {
  while (!debtors_.empty()) debtors_.back()->settle();
}

// Runs action(layer, range, scratch) -> changed entries over all rows, whose masks may change.
template <typename Action>
int64_t CpuNetwork::changeRows(const Action& action) {
  settle();
  settleDebtors();
  std::atomic<int64_t> changed{0};
  pool_.run(rangeEnds_, [&](int task, int thread) {
    changed += action(layers_[ranges_[task].layer], ranges_[task], scratch(thread));
  });
  for (Layer& target : layers_) target.weights.outdateTransposed();
  return changed;
}

void CpuNetwork::copyFrom(const Network& source) {
  const CpuNetwork& from = maskSource(source);
  from.settle();
  changeRows([&](Layer& target, const RowRange& r, Layer::Scratch s) {
    target.copyRows(r.begin, r.end, from.layers_[r.layer], s);
    return 0;
  });
}

bool CpuNetwork::hasDormantGradients() const {
  return std::all_of(layers_.begin(), layers_.end(), [](const Layer& each) {
    return !each.weights.sparse() || each.hasDormantGradient();
  });
}

int64_t CpuNetwork::updateMasks(const MaskUpdate& update) {
  checkMaskUpdate(update, hasDormantGradients());
  if (update.rule != MaskRule::magnitude) return swapWeights(update);
  return changeRows([](Layer& target, const RowRange& r, Layer::Scratch s) {
    return target.projectRows(r.begin, r.end, s);
  });
}

// A layer's units are compared with each other: all keys come before the first swap.
int64_t CpuNetwork::swapWeights(const MaskUpdate& update) {
  std::vector<std::vector<float>> keys(layers_.size());
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    if (layer.weights.sparse()) keys[l].resize(static_cast<size_t>(layer.outputs()) * layer.groups());
  }
  pool_.run(rangeEnds_, [&](int task, int) {
    const RowRange& r = ranges_[task];
    if (layers_[r.layer].weights.sparse()) layers_[r.layer].swapKeys(r.begin, r.end, keys[r.layer].data());
  });
  std::vector<std::vector<uint8_t>> chosen;
  for (const auto& each : keys) chosen.push_back(chooseSwaps(each.data(), each.size(), update.dropFraction));
  return changeRows([&](Layer& target, const RowRange& r, Layer::Scratch s) {
    if (!target.weights.sparse()) return int64_t{0};
    return target.swapRows(r.begin, r.end, r.layer, chosen[r.layer].data(), update, s);
  });
}

void CpuNetwork::scaleDormant(float factor) {
  requireRole(Role::target, "factor for dormant weights: it holds none");
  settle();
  settleDebtors();
  pool_.run(rangeEnds_, [&](int task, int) {
    const RowRange& r = ranges_[task];
    layers_[r.layer].scaleDormantRows(r.begin, r.end, factor);
  });
}

int64_t CpuNetwork::followMasks(const Network& source) {
  requireRole(Role::target, "mask updates");
  const CpuNetwork& from = maskSource(source);
  return changeRows([&](Layer& target, const RowRange& r, Layer::Scratch s) {
    return target.followRows(r.begin, r.end, from.layers_[r.layer], s);
  });
}

int64_t CpuNetwork::divergence(const Network& other, int member) const {
  const CpuNetwork& to = sameShape(other, "other");
  checkMembers({member, 1});
  int64_t total = 0;
  for (int l = 0; l < layers(); ++l) {
    const NmMatrix& a = layer(member, l).weights;
    const NmMatrix& b = to.layer(member, l).weights;
    if (!a.sparse()) continue;
    for (int row = 0; row < a.outputs(); ++row) {
      total += rowDivergence(a.rowColumns(row), a.perRow(), b.rowColumns(row), b.perRow());
    }
  }
  return total;
}

float CpuNetwork::largestWeight(int member) const {
  checkMembers({member, 1});
  settle();
  uint32_t most = 0;
  for (int l = 0; l < layers(); ++l) most = std::max(most, layer(member, l).largestBits());
  return std::bit_cast<float>(most);
}

float CpuNetwork::largestMoment() const {
  uint32_t most = 0;
  for (const Layer& layer : layers_) most = std::max(most, layer.largestMomentBits());
  return std::bit_cast<float>(most);
}

bool CpuNetwork::isIdle(int member, int l, int unit) const {
  for (int tile = 0; tile < kept_.tiles; ++tile) {
    const size_t at = (static_cast<size_t>(member) * kept_.tiles + tile) * keptStride(l);
    const float* values = kept_.activity[l].data() + at + static_cast<size_t>(unit) * kTile;
    const auto isActive = [](float value) { return value != 0.0f; };
    if (std::any_of(values, values + kept_.input.lanes(tile), isActive)) return false;
  }
  return true;
}

int64_t CpuNetwork::idleUnits(int member) const {
  checkMembers({member, 1});
  const MemberRange kept = kept_.inputMatrix.matrix ? kept_.members : MemberRange{0, 0};
  if (member < kept.first || member >= kept.first + kept.count) return 0;
  int64_t idle = 0;
  for (int l = 0; l + 1 < layers(); ++l) {
    for (int unit = 0; unit < width(l); ++unit) idle += isIdle(member, l, unit);
  }
  return idle;
}

// ---------------------------------------------------------------- state

void CpuNetwork::read(int member, int index, Part part, float* target) const {
  checkPlace(member, index);
  if (part == Part::weight) settle();
  layer(member, index).read(part, target);
}

void CpuNetwork::write(int member, int index, Part part, const float* source) {
  checkPlace(member, index);
  settle();
  settleDebtors();
  layer(member, index).write(part, source);
}

size_t CpuNetwork::bytes() const {
  size_t total = 0;
  for (const Layer& l : layers_) total += l.bytes();
  return total;
}

}  // namespace rnm::cpu
