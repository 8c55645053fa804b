#include "cuda/sparse_choice.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "cuda/sparse_trial.h"

namespace rnm::cuda {
namespace {

// Sparse weights cost a write for each active one in every step, and clocks are not exact: what is
// no more than this much faster stays dense.
constexpr double kLeastGain = 1.02;

bool faster(const ProductTimes& times) { return times.dense > kLeastGain * times.sparse; }

const char* nameOf(Precision precision) {
  switch (precision) {
    case Precision::bf16: return "bf16";
    case Precision::tf32: return "tf32";
    default: return "fp32";
  }
}

const char* passOf(const SparseProduct::Shape& shape) {
  return shape.bias ? "forward" : "data gradient";
}

// Everything that a product's time depends on, but for the machine.
std::string productOf(const SparseChooser::Layer& layer) {
  const SparseProduct::Shape& s = layer.shape;
  const bool padded = layer.depth != s.inputs;
  return std::string(s.type == ElementType::bfloat16 ? "bf16 " : "tf32 ") + passOf(s) +
         ", outputs " + std::to_string(s.outputs) + ", inputs " + std::to_string(s.inputs) +
         (padded ? " of " + std::to_string(layer.depth) : "") + ", rows " +
         std::to_string(s.rows) + ", members " + std::to_string(layer.members);
}

std::string gainOf(const ProductTimes& times) {
  char text[64];
  std::snprintf(text, sizeof text, "%d%% of the dense time",
                static_cast<int>(100 * times.sparse / times.dense + 0.5));
  return text;
}

}  // namespace

SparseChooser::SparseChooser(Context& context, std::string cacheFolder)
    : context_(context), cacheFolder_(std::move(cacheFolder)) {}

// Empty if there is nothing against sparse products but their time.
std::string SparseChooser::whyDense(const Layer& layer, const std::string& obstacle) {
  if (context_.precision() == Precision::fp32) return "masked dense: no hardware path in fp32";
  if (!layer.fits) {
    return std::string("masked dense: no hardware path for more than ") +
           (layer.shape.type == ElementType::bfloat16 ? "2 of 4" : "1 of 2") + " weights";
  }
  if (!obstacle.empty()) return obstacle;
  if (context_.sparseUse() == SparseUse::never) return "sparse: never";
  return context_.hasSparseBlas() ? "" : context_.sparseProblem();
}

SparseChoice SparseChooser::choose(const Layer& layer, const std::string& obstacle) {
  const std::string reason = whyDense(layer, obstacle);
  if (!reason.empty()) {
    tellAll(layer, {}, reason, nullptr);
    return {};
  }
  const Known& found = known(layer);
  const bool forced = context_.sparseUse() == SparseUse::always;
  if (!found.measured) {
    if (forced) throw std::runtime_error(found.failure + kWithoutSparse);
    tellAll(layer, {}, found.failure, nullptr);
    return {};
  }
  const MeasuredProduct& m = *found.measured;
  const SparseChoice choice{layer.members, forced || faster(m.one), forced || faster(m.all), forced,
                            m.algorithm};
  tellAll(layer, choice, forced ? "sparse: always" : "", &found);
  return choice;
}

void SparseChooser::withdraw(const Layer& layer, const std::string& reason) {
  tellAll(layer, {}, reason, nullptr);
}

// A failure is remembered as well, so that not every network of a shape tries again; but not on
// disk, since memory may have been short.
const SparseChooser::Known& SparseChooser::known(const Layer& layer) {
  const std::string product = productOf(layer);
  const auto there = known_.find(product);
  if (there != known_.end()) return there->second;
  Known found;
  found.measured = kept(layer, product);
  found.cached = found.measured.has_value();
  if (!found.cached) {
    try {
      found.measured =
          cache().keep(product, SparseTrial(context_, layer.shape, layer.depth, layer.members).measure());
    } catch (const std::runtime_error& error) {
      found.failure = error.what();
    }
  }
  return known_[product] = std::move(found);
}

// What was measured before, unless the library does not take that algorithm: then it is measured
// anew, so that times are always those of what is run.
std::optional<MeasuredProduct> SparseChooser::kept(const Layer& layer, const std::string& product) {
  const std::optional<MeasuredProduct> measured = cache().find(product);
  if (!measured) return measured;
  try {
    SparseProduct(context_, context_.sparseBlas(), layer.shape, measured->algorithm);
    return measured;
  } catch (const std::runtime_error&) {
    cache().forget(product);
    return std::nullopt;
  }
}

const ChoiceCache& SparseChooser::cache() {
  if (!cache_) {
    cache_.emplace(cacheFolder_, context_.description() + ", cuBLASLt " + cublasLt().version() +
                                     ", cuSPARSELt " + cusparseLt().version());
  }
  return *cache_;
}

void SparseChooser::tellAll(const Layer& layer, const SparseChoice& choice,
                            const std::string& reason, const Known* known) {
  tell(layer, layer.members, choice.any() && choice.all, reason, known);
  if (layer.members > 1) tell(layer, 1, choice.any() && choice.one, reason, known);
}

void SparseChooser::tell(const Layer& layer, int count, bool sparse, const std::string& reason,
                         const Known* known) {
  LayerChoice told{};
  told.outputs = layer.shape.outputs;
  told.inputs = layer.shape.inputs;
  if (!layer.shape.bias) std::swap(told.outputs, told.inputs);
  told.rows = layer.shape.rows;
  told.members = count;
  told.pattern = std::to_string(layer.pattern.n) + ":" + std::to_string(layer.pattern.m);
  told.precision = nameOf(context_.precision());
  told.pass = passOf(layer.shape);
  told.sparse = sparse;
  told.reason = reason;
  if (known) {
    const ProductTimes& times = count == layer.members ? known->measured->all : known->measured->one;
    told.denseMicroseconds = times.dense;
    told.sparseMicroseconds = times.sparse;
    told.cached = known->cached;
    if (reason.empty()) told.reason = gainOf(times);
  }
  for (LayerChoice& each : report_) {
    if (each.sameLayer(told)) {
      each = told;
      return;
    }
  }
  report_.push_back(told);
}

}  // namespace rnm::cuda
