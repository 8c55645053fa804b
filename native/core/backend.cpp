#include "core/backend.h"

#include <cmath>
#include <stdexcept>

namespace rnm {

AdamStep adamStep(const AdamOptions& options, int64_t steps) {
  const double count = static_cast<double>(steps);
  const double correction1 = 1.0 - std::pow(options.beta1, count);
  const double correction2 = 1.0 - std::pow(options.beta2, count);
  return {static_cast<float>(options.beta1),
          static_cast<float>(1.0 - options.beta1),
          static_cast<float>(options.beta2),
          static_cast<float>(1.0 - options.beta2),
          static_cast<float>(options.learningRate / correction1),
          static_cast<float>(1.0 / std::sqrt(correction2)),
          static_cast<float>(options.epsilon)};
}

double stepScale(const NetworkSpec& spec, int layer) {
  const NmPattern& pattern = spec.patterns[layer];
  if (pattern.dense()) return 1.0;
  return std::pow(static_cast<double>(pattern.m) / pattern.n, spec.densityPower);
}

void checkView(const MatrixView& view, const char* name) {
  const int columns = view.matrix ? view.matrix->columns() : 0;
  if (view.first >= 0 && view.columns >= 1 && view.columns <= columns - view.first) return;
  throw std::invalid_argument(std::string("Expected ") + name + " to lie within its matrix of " +
                              std::to_string(columns) + " columns but received columns " +
                              std::to_string(view.first) + " to " +
                              std::to_string(static_cast<int64_t>(view.first) + view.columns - 1));
}

void checkShape(const char* name, int rows, int columns, int expectedRows, int expectedColumns) {
  if (rows == expectedRows && columns == expectedColumns) return;
  throw std::invalid_argument(std::string("Expected ") + name + " to have shape [" +
                              std::to_string(expectedRows) + ", " +
                              std::to_string(expectedColumns) + "] but received [" +
                              std::to_string(rows) + ", " + std::to_string(columns) + "]");
}

void requireApart(const std::vector<TargetPair>& pairs) {
  for (const TargetPair& one : pairs) {
    for (const TargetPair& other : pairs) {
      if (&one == &other || (one.target != other.target && one.target != other.source)) continue;
      throw std::invalid_argument("Expected no target of Polyak averaging to be in another pair");
    }
  }
}

void requireLimits(const std::vector<float>& low, const std::vector<float>& high, int actions) {
  if (low.size() == static_cast<size_t>(actions) && high.size() == low.size()) return;
  throw std::invalid_argument("Expected low and high to have one value for each action");
}

Network::Network(NetworkSpec spec) : spec_(std::move(spec)) {
  if (spec_.sizes.size() < 2) throw std::invalid_argument("Expected a network to have a layer");
  if (spec_.patterns.size() + 1 != spec_.sizes.size()) {
    throw std::invalid_argument("Expected one N:M pattern for each layer");
  }
  if (spec_.members < 1 || spec_.members > kMaxMembers) {
    throw std::invalid_argument("Expected members to be from 1 to " + std::to_string(kMaxMembers) +
                                " but received " + std::to_string(spec_.members));
  }
  if (!std::isfinite(spec_.densityPower)) {
    throw std::invalid_argument("Expected densityPower to be a finite number");
  }
  const size_t outputs = spec_.sizes.back();
  if (spec_.low.size() != spec_.high.size() ||
      (!spec_.low.empty() && spec_.low.size() != outputs)) {
    throw std::invalid_argument("Expected low and high to have one value for each output");
  }
}

void Network::requireRole(Role least, const char* what) const {
  if (spec_.role <= least) return;
  throw std::invalid_argument(std::string(spec_.role == Role::target ? "A target" : "An inference") +
                              " network takes no " + what);
}

void Network::checkMembers(MemberRange members) const {
  if (members.first < 0 || members.count < 1 || members.count > spec_.members - members.first) {
    throw std::invalid_argument("Expected members to lie within the ensemble of " +
                                std::to_string(spec_.members));
  }
}

void Network::checkInput(int columns) const {
  if (columns == spec_.sizes.front()) return;
  throw std::invalid_argument("Expected input to have " + std::to_string(spec_.sizes.front()) +
                              " columns but received " + std::to_string(columns));
}

void Network::checkPlace(int member, int layer) const {
  if (member < 0 || member >= spec_.members || layer < 0 || layer >= layers()) {
    throw std::invalid_argument("Expected member and layer to be within the network");
  }
}

bool Network::hasShapeOf(const Network& other) const {
  return other.spec_.sizes == spec_.sizes && other.spec_.members == spec_.members &&
         other.spec_.patterns == spec_.patterns;
}

void Network::checkGradients(WantedGradients gradients) const {
  if (gradients.active) return requireRole(Role::online, "weight gradients");
  if (!gradients.dormant) return;
  throw std::invalid_argument("Expected gradients of dormant weights to be asked for with those of active ones");
}

void Network::checkMaskUpdate(const MaskUpdate& update, bool hasGradients) const {
  if (update.rule == MaskRule::magnitude) return requireRole(Role::target, "mask updates");
  requireRole(Role::online, "mask updates by gradient or at random: it is projected or follows another one");
  if (!(update.dropFraction >= 0 && update.dropFraction <= 1)) {
    throw std::invalid_argument("Expected dropFraction to be from 0 to 1 but received " +
                                std::to_string(update.dropFraction));
  }
  if (update.rule == MaskRule::random || hasGradients) return;
  throw std::invalid_argument(
      "Call backward with gradients of dormant weights before a mask update by gradient");
}

// Masks that only fit along the rows must not get into a network whose data gradient relies on more.
void Network::requireMasksOf(const Network& source) const {
  if (spec_.maskShape == MaskShape::row || source.spec_.maskShape != MaskShape::row) return;
  throw std::invalid_argument("Expected source to have transposable masks, as this network has");
}

}  // namespace rnm
