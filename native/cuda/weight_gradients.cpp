#include "cuda/weight_gradients.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "cuda/branch.h"
#include "cuda/kernels.h"
#include "cuda/sparse_choice.h"
#include "cuda/stopwatch.h"

namespace rnm::cuda {
namespace {

// A warp's lanes are rows of W.
constexpr int kLeastOutputs = 32;
// What is measured has at most one of so many weights active: see docs/gpu.md.
constexpr int kLeastSparse = 4;

std::vector<int> tilesFor(const NmPattern& pattern) {
  std::vector<int> tiles;
  for (int tile = 0; tile < sampledTiles(); ++tile) {
    if (sampledTileFits(tile, pattern)) tiles.push_back(tile);
  }
  return tiles;
}

}  // namespace

void WeightGradients::plan(int rows, const Pass& pass) {
  std::vector<SparseChoice> choices(weights_.layers());
  for (int l = 0; l < weights_.layers(); ++l) {
    if (weights_.layer(l).pattern.dense()) continue;
    choices[l] = context_.chooser().choose(questionOf(l, pass));
  }
  choices_ = std::move(choices);
  rows_ = rows;
  // Graphs that were recorded before hold dense products.
  const auto sparse = [](const SparseChoice& choice) { return choice.any(); };
  if (std::any_of(choices_.begin(), choices_.end(), sparse)) context_.memoryMoved();
}

// Empty if there is nothing against sampling but its time.
std::string WeightGradients::whyDense(const NetworkWeights::Layer& layer) const {
  const bool forced = context_.weightGradient() == WeightGradient::sampled;
  if (context_.weightGradient() == WeightGradient::dense) return "weight gradients: dense";
  if (!forced && context_.sparseUse() == SparseUse::never) return "sparse: never";
  if (layer.places < 0) return "dormant weights learn too";
  if (context_.precision() == Precision::bf16) return "bf16: dense tensor cores are always faster";
  if (layer.outputs < kLeastOutputs) return "few outputs";
  if (!forced && layer.pattern.n * kLeastSparse > layer.pattern.m) return "more than 1 of 4 weights";
  return "";
}

// Everything that the times of measure() depend on.
std::string WeightGradients::productOf(int index, const Pass& pass) const {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  std::string product = std::string(nameOf(context_.precision())) + " weight gradient of " +
                        layer.pattern.name() + ", outputs " + std::to_string(layer.outputs) +
                        ", inputs " + std::to_string(layer.inputs) + ", rows " +
                        std::to_string(pass.factors(index).rows) + ", members " +
                        std::to_string(members_);
  if (index == 0) return product;
  product += ", beside a data gradient, " + pass.nameOfBeside(index, members_);
  return members_ == 1 ? product : product + ", of one " + pass.nameOfBeside(index, 1);
}

ProductQuestion WeightGradients::questionOf(int index, const Pass& pass) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  const bool forced = context_.weightGradient() == WeightGradient::sampled;
  ProductQuestion question{};
  LayerChoice& about = question.about;
  about.outputs = layer.outputs;
  about.inputs = layer.inputs;
  about.rows = pass.factors(index).rows;
  about.members = members_;
  about.pattern = layer.pattern.name();
  about.precision = nameOf(context_.precision());
  about.pass = "weight gradient";
  about.first = index == 0;
  question.obstacle = whyDense(layer);
  if (question.obstacle.empty()) question.product = productOf(index, pass);
  question.forced = forced ? "weight gradients: sampled" : "";
  question.remedy =
      ". What helps: weightGradient \"dense\" in the device's options, or --weight-gradient dense on the "
      "command line, computes the same";
  question.measure = [this, index, &pass] { return measure(index, pass); };
  question.require = [pattern = layer.pattern](const SparseAlgorithm& algorithm) {
    if (!sampledTileFits(algorithm.id.value_or(-1), pattern)) throw std::runtime_error("no such tile");
  };
  return question;
}

// In turns: dense and with every tile, of one member and of all. What counts is how long both take, the gradient
// and what is computed beside it: a kernel that is fast alone may leave the other no room.
MeasuredProduct WeightGradients::measure(int index, const Pass& pass) {
  context_.synchronize("finish before a measurement");
  const Factors factors = pass.factors(index);
  const NetworkWeights::KeptGradient kept(weights_, index);
  const std::vector<int> tiles = tilesFor(weights_.layer(index).pattern);
  std::vector<std::optional<int>> ways = {std::nullopt};
  ways.insert(ways.end(), tiles.begin(), tiles.end());
  std::vector<std::function<void()>> works;
  for (const int count : {1, members_}) {
    for (const std::optional<int> way : ways) {
      works.push_back([=, this, &pass, &factors] {
        Branch branch(context_);
        branch.run([&] { computeBy(way, index, {0, count}, factors); });
        if (index > 0) pass.beside(index, count);
        branch.join();
      });
    }
  }
  const std::vector<double> times = microsecondsOf(context_, works);
  const double* one = times.data();
  const double* all = one + ways.size();
  const auto best = std::min_element(all + 1, all + ways.size()) - all;
  return {{ways[best], {}, {}, {}}, {one[0], one[best]}, {all[0], all[best]}};
}

void WeightGradients::compute(int index, MemberRange members, const Factors& factors, bool dormant) {
  const bool sparse = !dormant && factors.rows == rows_ && choices_[index].takes(members.count);
  computeBy(sparse ? choices_[index].algorithm.id : std::nullopt, index, members, factors);
}

void WeightGradients::computeBy(std::optional<int> tile, int index, MemberRange members,
                                const Factors& factors) {
  if (tile) return sample(index, members, factors, *tile);
  multiply(index, members, factors);
}

// Dense whatever the mask: Adam takes what it needs.
void WeightGradients::multiply(int index, MemberRange members, const Factors& factors) {
  const NetworkWeights::Layer& layer = weights_.layer(index);
  Product product{};
  product.rows = layer.outputs;
  product.columns = factors.columns;
  product.depth = factors.rows;
  product.batch = members.count;
  product.a = factors.delta;
  product.transposeA = true;
  product.b = factors.input;
  product.result = {weights_.gradient(index, members.first), layer.ld, layer.stride,
                    ElementType::float32};
  context_.blas().multiply(product);
}

void WeightGradients::sample(int index, MemberRange members, const Factors& factors, int tile) {
  weights_.sampleGradient(index, members,
                          {static_cast<const float*>(factors.delta.data), factors.delta.ld,
                           factors.delta.stride, static_cast<const float*>(factors.input.data),
                           factors.input.ld, factors.input.stride, factors.rows},
                          tile);
}

}  // namespace rnm::cuda
