// The kernel contract: what a device has to be able to do for TD3 on row-wise N:M networks.
//
// Its unit is a network pass, not a matrix product, so that a CPU can keep a batch tile in cache
// through all layers and a GPU can enqueue a pass as a few kernels. Everything above it (the addon
// and the TypeScript) is written once against this file; one conformance suite checks every
// backend. Calls are ordered as on one stream, but for `together`. Invalid arguments throw
// std::invalid_argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/mask_shape.h"
#include "core/nm.h"

namespace rnm {

// A batch matrix of float32, [rows, columns]: one row per sample. Its layout is the backend's.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  // Copies columns [first, first + count) of all rows from/to a row-major array [rows, count].
  virtual void upload(const float* source, int first, int count) = 0;
  virtual void download(float* target, int first, int count) const = 0;

 protected:
  Matrix(int rows, int columns) : rows_(rows), columns_(columns) {}

 private:
  int rows_, columns_;
};

// Columns [first, first + columns) of a matrix: how inputs are concatenated without a copy.
// Shares ownership: a network that keeps its input for the backward pass keeps it alive.
struct MatrixView {
  std::shared_ptr<Matrix> matrix;
  int first = 0;
  int columns = 0;
};

// Throws unless the view lies within its matrix; `name` is for the error message.
void checkView(const MatrixView& view, const char* name);
void checkShape(const char* name, int rows, int columns, int expectedRows, int expectedColumns);

// How weight gradients treat dormant weights:
//   masked  only active weights get gradients and Adam steps (RNM-TD3, arXiv 2602.14578)
//   ste     straight-through: the dense gradient goes to all weights
//   srSte   ste plus srLambda * (1 - mask) * W (Zhou et al. 2021, "Learning N:M fine-grained
//           structured sparse neural networks from scratch", eq. 9)
enum class GradientRule { masked, ste, srSte };

// What a network is for, and so what it holds:
//   online     everything
//   target     no gradients and moments
//   inference  no dormant weights either: masks are fixed, and only active weights count
enum class Role { online, target, inference };

// Members of an ensemble: few enough for the columns of all their outputs to be counted by an int.
constexpr int kMaxMembers = 1024;

// How far a layer's initial weights reach:
//   dense     as a dense layer's, PyTorch's default
//   variance  so much further that the active weights of a row have the variance that all of a dense row's
//             have together: see varianceScale in initial_weights.h
enum class InitialScale { dense, variance };

// Adam's second moment of a weight that a mask update makes active, where moments are held for active weights
// alone, or that a swap makes active: zero, or the mean over the row's active weights before. With zero its
// first steps are up to six times the learning rate, since the step count is the network's.
enum class NewMoment { zero, rowMean };

// How updateMasks() chooses the active weights anew:
//   magnitude  W is projected (RNM-TD3)
//   gradient   weights swap within groups, and those with the largest gradients become active: core/swaps.h
//   random     likewise, but they are drawn
enum class MaskRule { magnitude, gradient, random };

struct MaskUpdate {
  MaskRule rule = MaskRule::magnitude;
  double dropFraction = 0;  // of a layer's groups that have a dormant weight, from 0 to 1; not for magnitude
  uint64_t seed = 0, stream = 0;  // for random
};

struct NetworkSpec {
  std::vector<int> sizes;           // inputs, hidden widths..., outputs
  std::vector<NmPattern> patterns;  // one per layer
  MaskShape maskShape = MaskShape::row;  // of all sparse layers
  int members = 1;                  // ensemble size (2 for twin critics)
  GradientRule rule = GradientRule::masked;
  float srLambda = 2e-4f;
  // Weights of an N:M layer take Adam's steps with (M/N)^densityPower times the rate: see stepScale().
  double densityPower = 0;
  InitialScale initialScale = InitialScale::dense;
  NewMoment newMoment = NewMoment::zero;
  // Output: identity if empty, else tanh scaled to [low, high] per dimension. Hidden: ReLU.
  std::vector<float> low, high;
  Role role = Role::online;
  uint64_t seed = 0;      // PyTorch's default: U(-1/sqrt(in), 1/sqrt(in)) for weights and biases
  uint64_t stream = 0;    // tells networks of one seed apart
};

// Which part of a network's state a read or write means. Weight-shaped parts are dense
// [out, in] whatever the pattern; bias-shaped parts are [out].
enum class Part {
  weight,         // the whole stored W, dormant weights included
  maskedWeight,   // W with dormant weights at zero (read only)
  mask,           // 1 where active
  // 1 where the data gradient may read the weight: the mask, unless a device prunes the transpose
  // of the masked W again. Only such a device takes a write of it.
  gradientMask,
  weightMoment1,  // Adam's first moment, zero where dormant under `masked`
  weightMoment2,
  weightGradient,  // read only
  // dL/d(W * mask) at all weights, of the last backward pass that was asked for those of dormant weights, which a
  // mask update by gradient reads: zeros before there was one. Later passes may leave theirs instead. Written
  // where a state is restored.
  dormantGradient,
  bias,
  biasMoment1,
  biasMoment2,
  biasGradient,  // read only
};

struct AdamOptions {
  double learningRate, beta1, beta2, epsilon;
};

// Adam's constants for one step, bias corrections included; rest = 1 - beta.
struct AdamStep {
  float beta1, rest1, beta2, rest2, stepSize, inverseCorrection2, epsilon;
};

// The constants of step number `steps`, which counts from 1.
AdamStep adamStep(const AdamOptions& options, int64_t steps);

// What the learning rate is multiplied by for the weights of a layer. A row with N/M of its weights moves its
// output N/M as far as a dense one at the same rate (Dey et al. 2024, "Sparse maximal update
// parameterization"); biases and dense layers have 1.
double stepScale(const NetworkSpec& spec, int layer);

struct MemberRange {
  int first = 0;
  int count = 1;
};

// An ensemble of multilayer perceptrons of one shape: its weights, and passes through it.
class Network {
 public:
  virtual ~Network() = default;
  const NetworkSpec& spec() const { return spec_; }
  int layers() const { return static_cast<int>(spec_.sizes.size()) - 1; }

  // output[:, e * outputs + j] = member first+e's output j. With `keep`, activations stay for a
  // following backward of the same members.
  virtual void forward(const MatrixView& input, const MatrixView& output, MemberRange members,
                       bool keep) = 0;

  // Gradients of the last kept forward. outputGradient is laid out as the output was.
  // gradients: whether to overwrite the weight and bias gradients of these members, and whether with those of
  // dormant weights too, which updateMasks by gradient reads.
  // inputGradient (matrix may be null): receives dL/d input[:, inputFirst + j], summed over the
  // members, for as many columns as it has.
  struct WantedGradients {
    bool active = false, dormant = false;
  };
  virtual void backward(const MatrixView& outputGradient, MemberRange members, WantedGradients gradients,
                        const MatrixView& inputGradient, int inputFirst) = 0;

  // One Adam step with PyTorch's semantics on all members; counts steps.
  virtual void adam(const AdamOptions& options) = 0;
  // W += tau * (source.W - W) over the whole stored W and the biases.
  virtual void polyak(const Network& source, float tau) = 0;
  // Weights, biases and masks of a network of the same shape. Here and in followMasks a network of
  // transposable masks takes those of another such network alone.
  virtual void copyFrom(const Network& source) = 0;
  // Chooses the masks of every sparse layer anew. Returns the number of mask entries that changed.
  virtual int64_t updateMasks(const MaskUpdate& update) = 0;
  // Multiplies dormant weights by a factor.
  virtual void scaleDormant(float factor) = 0;
  // Takes the masks of a network of the same shape. Returns the number of changed entries.
  virtual int64_t followMasks(const Network& source) = 0;
  // Sparse architecture divergence of a member: positions in which its masks differ.
  virtual int64_t divergence(const Network& other, int member) const = 0;
  // Largest magnitude among a member's weights, dormant ones included, and biases; NaN if any is NaN.
  virtual float largestWeight(int member) const = 0;
  // Likewise among the moments of Adam of all members; 0 for a network that has none.
  virtual float largestMoment() const = 0;
  // Hidden units of a member that are 0 in every row of the last kept forward pass.
  virtual int64_t idleUnits(int member) const = 0;

  virtual void read(int member, int layer, Part part, float* target) const = 0;
  virtual void write(int member, int layer, Part part, const float* source) = 0;
  int64_t adamSteps() const { return adamSteps_; }
  void setAdamSteps(int64_t steps) { adamSteps_ = steps; }
  // Bytes held for weights, indices, moments and gradients (activations not counted).
  virtual size_t bytes() const = 0;

 protected:
  // Throws unless sizes, patterns, members and limits fit each other.
  explicit Network(NetworkSpec spec);
  // A role holds what the roles after it hold; `what` it takes to go on is for the error.
  void requireRole(Role least, const char* what) const;
  void checkMembers(MemberRange members) const;
  void checkInput(int columns) const;
  void checkPlace(int member, int layer) const;
  bool hasShapeOf(const Network& other) const;
  void checkGradients(WantedGradients gradients) const;
  // Throws unless the update can be done: by gradient only if there are gradients of all dormant weights.
  void checkMaskUpdate(const MaskUpdate& update, bool hasGradients) const;
  // Throws unless masks of the source are of a shape that this network may have.
  void requireMasksOf(const Network& source) const;
  NetworkSpec spec_;
  int64_t adamSteps_ = 0;
};

// Where a sampled batch goes.
struct BatchViews {
  MatrixView observation, action, reward, nextObservation, discount;
};

// A ring buffer of transitions. The last number of each, the discount, is the factor of the next
// observation's value: gamma, 0 where the task ended, gamma^n after n steps.
class Replay {
 public:
  virtual ~Replay() = default;
  virtual int64_t size() const = 0;
  virtual int64_t capacity() const = 0;
  virtual int rowLength() const = 0;
  // Appends one transition, laid out as observation, action, reward, next observation, discount.
  virtual void add(const float* row) = 0;
  // Fills the views with rows drawn uniformly with replacement, from (seed, draw) alone.
  virtual void sample(uint64_t seed, uint64_t draw, const BatchViews& batch) = 0;
  // Rows in order of age, for checkpoints.
  virtual void read(int64_t first, int64_t count, float* rows) const = 0;
};

// A recorded sequence of calls that the device repeats at once. Between beginCapture and endCapture
// calls are recorded instead of done; `cancel` gives up after an error of one of them. To repeat it,
// make the same calls, with other numbers where they are to differ, between beginRefresh and launch:
// they are not done either, but bring the numbers of the recording up to date.
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void beginCapture() = 0;
  virtual void endCapture() = 0;
  virtual void cancel() noexcept = 0;
  // False before a capture, and when memory that the recording uses has moved since.
  virtual bool current() const = 0;
  // Kernels, copies and fills that a launch consists of; 0 before a capture.
  virtual size_t nodes() const = 0;
  virtual void beginRefresh() = 0;
  virtual void launch() = 0;
};

struct BackendInfo {
  std::string name;         // "cpu"
  std::string description;  // what it runs on, one line
  std::string isa;          // instruction set of the kernels
  int threads = 1;
};

// How a device multiplies with a sparse layer's weights, or with their transpose, or computes their gradient,
// in passes of so many rows, and why.
struct LayerChoice {
  int outputs = 0, inputs = 0, rows = 0;
  int members = 1;        // of an ensemble that go through the layer at once
  std::string pattern;    // "2:4"
  std::string precision;  // of the products
  std::string pass;       // "forward", "data gradient" or "weight gradient"
  bool first = false;     // a network's first layer, whose weight gradient is computed alone
  bool sparse = false;    // else with masked dense weights, or of them
  double denseMicroseconds = 0, sparseMicroseconds = 0;  // 0 if they were not measured
  bool cached = false;    // they were read, having been measured before
  std::string reason;

  bool sameLayer(const LayerChoice& other) const {
    return outputs == other.outputs && inputs == other.inputs && rows == other.rows &&
           members == other.members && pattern == other.pattern && pass == other.pass &&
           first == other.first;
  }
};

// A network that Polyak averaging moves, and towards which.
struct TargetPair {
  Network* target;
  const Network* source;
};
// Throws if what one pair moves is part of another, so that their order would matter.
void requireApart(const std::vector<TargetPair>& pairs);

// Throws unless there are limits for each of so many actions.
void requireLimits(const std::vector<float>& low, const std::vector<float>& high, int actions);

class Backend {
 public:
  virtual ~Backend() = default;
  virtual BackendInfo info() const = 0;
  // Of the sparse layers that went through the device, in that order; none if there is no choice.
  virtual std::vector<LayerChoice> sparseChoices() const { return {}; }
  virtual std::shared_ptr<Matrix> matrix(int rows, int columns) = 0;
  virtual std::unique_ptr<Network> network(const NetworkSpec& spec) = 0;
  virtual std::unique_ptr<Replay> replay(int64_t capacity, int observations, int actions) = 0;
  // Null if the device has no graphs.
  virtual std::unique_ptr<Graph> graph() { return nullptr; }
  // Throws where nothing may be released: while a graph is recorded or brought up to date, and within
  // `together`. `what` is for the error.
  virtual void requireReleasable(const char* /*what*/) const {}
  // Makes the calls of the first, then those of the second, which a device may carry out at the same
  // time: neither may read or write what the other writes. What is called afterwards comes after both,
  // also where one of them throws. Within another `together` all is in order.
  virtual void together(const std::function<void()>& first, const std::function<void()>& second) {
    first();
    second();
  }

  virtual void fill(const MatrixView& target, float value) = 0;
  // Standard normals from (seed, stream) and the element's place alone.
  virtual void fillNormal(const MatrixView& target, uint64_t seed, uint64_t stream) = 0;
  // values = (values - mean) * scale of each column, in place. Row 0 of the statistics, [2, columns], has
  // the means and row 1 the scales, as they are when the work is done: a graph reads them anew.
  virtual void normalize(const MatrixView& values, const MatrixView& statistics) = 0;
  // Target policy smoothing (Fujimoto et al. 2018, TD3): per dimension with half-range h,
  // action = clip(action + clip(noiseScale * noise, -noiseClip, noiseClip) * h, low, high).
  virtual void smooth(const MatrixView& action, const MatrixView& noise, const std::vector<float>& low,
                      const std::vector<float>& high, float noiseScale, float noiseClip) = 0;
  // The same with the normals that fillNormal draws, which are kept nowhere.
  virtual void smoothNormal(const MatrixView& action, uint64_t seed, uint64_t stream,
                            const std::vector<float>& low, const std::vector<float>& high,
                            float noiseScale, float noiseClip) = 0;
  // target = reward + discount * min over the columns of q.
  virtual void tdTarget(const MatrixView& reward, const MatrixView& discount, const MatrixView& q,
                        const MatrixView& target) = 0;
  // gradient[:, e] = 2 * (q[:, e] - target) / rows: of the sum over e of the mean squared errors.
  virtual void mseGradient(const MatrixView& q, const MatrixView& target, const MatrixView& gradient) = 0;
  // tdTarget of `nextQ`, and mseGradient of `q` to it.
  struct TdBatch {
    MatrixView reward, discount, nextQ, q;
  };
  virtual void tdGradient(const TdBatch& batch, const MatrixView& target,
                          const MatrixView& gradient) = 0;
  // target->polyak(source, tau) of each pair, in any order.
  virtual void polyak(const std::vector<TargetPair>& pairs, float tau) {
    requireApart(pairs);
    for (const TargetPair& pair : pairs) pair.target->polyak(*pair.source, tau);
  }
};

}  // namespace rnm
