#include "cuda/sparse_choice.h"

#include <utility>

#include "cuda/sparse_trial.h"

namespace rnm::cuda {
namespace {

const char* passOf(const SparseProduct::Shape& shape) {
  return shape.bias ? "forward" : "data gradient";
}

// Everything that a product's time depends on, but for the machine.
std::string productOf(const SparseCandidate& candidate) {
  const SparseProduct::Shape& s = candidate.shape;
  const bool padded = candidate.depth != s.inputs;
  return std::string(s.type == ElementType::bfloat16 ? "bf16 " : "tf32 ") + passOf(s) +
         ", outputs " + std::to_string(s.outputs) + ", inputs " + std::to_string(s.inputs) +
         (padded ? " of " + std::to_string(candidate.depth) : "") + ", rows " +
         std::to_string(s.rows) + ", members " + std::to_string(candidate.members) + ", " +
         sparseLibrary();
}

// Empty if there is nothing against sparse products but their time.
std::string whyDense(Context& context, const SparseCandidate& candidate,
                     const std::string& obstacle) {
  if (context.precision() == Precision::fp32) return "masked dense: no hardware path in fp32";
  if (!candidate.fits) {
    return std::string("masked dense: no hardware path for more than ") +
           (candidate.shape.type == ElementType::bfloat16 ? "2 of 4" : "1 of 2") + " weights";
  }
  if (!obstacle.empty()) return obstacle;
  if (context.sparseUse() == SparseUse::never) return "sparse: never";
  return context.hasSparseBlas() ? "" : context.sparseProblem();
}

// The layer's shape as it is told, which that of its transpose is not.
LayerChoice layerOf(const Context& context, const SparseCandidate& candidate) {
  LayerChoice layer{};
  layer.outputs = candidate.shape.outputs;
  layer.inputs = candidate.shape.inputs;
  if (!candidate.shape.bias) std::swap(layer.outputs, layer.inputs);
  layer.rows = candidate.shape.rows;
  layer.members = candidate.members;
  layer.pattern = candidate.pattern.name();
  layer.precision = nameOf(context.precision());
  layer.pass = passOf(candidate.shape);
  return layer;
}

}  // namespace

const char* nameOf(Precision precision) {
  switch (precision) {
    case Precision::bf16: return "bf16";
    case Precision::tf32: return "tf32";
    default: return "fp32";
  }
}

std::string sparseLibrary() { return "cuSPARSELt " + cusparseLt().version(); }

ProductQuestion sparseQuestion(Context& context, const SparseCandidate& candidate,
                               const std::string& obstacle) {
  const std::string dense = whyDense(context, candidate, obstacle);
  return {layerOf(context, candidate), dense.empty() ? productOf(candidate) : "", dense,
          context.sparseUse() == SparseUse::always ? "sparse: always" : "", kWithoutSparse,
          [&context, candidate] {
            return SparseTrial(context, candidate.shape, candidate.depth, candidate.members).measure();
          },
          [&context, candidate](const SparseAlgorithm& algorithm) {
            SparseProduct(context, context.sparseBlas(), candidate.shape, algorithm);
          }};
}

}  // namespace rnm::cuda
