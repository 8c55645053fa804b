#include "cuda/product_choice.h"

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace rnm::cuda {
namespace {

// Clocks are not exact, and compressed weights cost a write for each active one in every step: what is no
// more than this much faster stays dense.
constexpr double kLeastGain = 1.02;

bool faster(const ProductTimes& times) { return times.dense > kLeastGain * times.sparse; }

std::string gainOf(const ProductTimes& times) {
  char text[64];
  std::snprintf(text, sizeof text, "%d%% of the dense time",
                static_cast<int>(100 * times.sparse / times.dense + 0.5));
  return text;
}

}  // namespace

ProductChooser::ProductChooser(Context& context, std::string cacheFolder)
    : context_(context), cacheFolder_(std::move(cacheFolder)) {}

SparseChoice ProductChooser::choose(const ProductQuestion& question) {
  if (!question.obstacle.empty()) {
    withdraw(question, question.obstacle);
    return {};
  }
  const Known& found = known(question);
  const bool forced = !question.forced.empty();
  if (!found.measured) {
    if (forced) throw std::runtime_error(found.failure + question.remedy);
    withdraw(question, found.failure);
    return {};
  }
  const MeasuredProduct& m = *found.measured;
  const SparseChoice choice{question.about.members, forced || faster(m.one), forced || faster(m.all),
                            forced, m.algorithm};
  tellAll(question, choice, question.forced, &found);
  return choice;
}

void ProductChooser::withdraw(const ProductQuestion& question, const std::string& reason) {
  tellAll(question, {}, reason, nullptr);
}

// A failure is remembered as well, so that not every network of a shape tries again; but not on
// disk, since memory may have been short.
const ProductChooser::Known& ProductChooser::known(const ProductQuestion& question) {
  const auto there = known_.find(question.product);
  if (there != known_.end()) return there->second;
  Known found;
  found.measured = kept(question);
  found.cached = found.measured.has_value();
  if (!found.cached) {
    try {
      found.measured = cache().keep(question.product, question.measure());
    } catch (const std::runtime_error& error) {
      found.failure = error.what();
    }
  }
  return known_[question.product] = std::move(found);
}

// What was measured before, unless that algorithm is not taken: then it is measured anew, so that
// times are always those of what is run.
std::optional<MeasuredProduct> ProductChooser::kept(const ProductQuestion& question) {
  const std::optional<MeasuredProduct> measured = cache().find(question.product);
  if (!measured) return measured;
  try {
    question.require(measured->algorithm);
    return measured;
  } catch (const std::runtime_error&) {
    cache().forget(question.product);
    return std::nullopt;
  }
}

const ChoiceCache& ProductChooser::cache() {
  if (!cache_) {
    cache_.emplace(cacheFolder_, context_.description() + ", cuBLASLt " + cublasLt().version());
  }
  return *cache_;
}

void ProductChooser::tellAll(const ProductQuestion& question, const SparseChoice& choice,
                             const std::string& reason, const Known* known) {
  const int members = question.about.members;
  tell(question, members, choice.any() && choice.all, reason, known);
  if (members > 1) tell(question, 1, choice.any() && choice.one, reason, known);
}

void ProductChooser::tell(const ProductQuestion& question, int count, bool sparse,
                          const std::string& reason, const Known* known) {
  LayerChoice told = question.about;
  told.members = count;
  told.sparse = sparse;
  told.reason = reason;
  if (known) {
    const ProductTimes& times =
        count == question.about.members ? known->measured->all : known->measured->one;
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
