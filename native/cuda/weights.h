// NetworkWeights: the one owner of an ensemble's weights on the GPU.
//
// All weights and biases lie in one array, layer by layer, within a layer member by member; rows
// are padded to `ld` elements. Whatever is element-wise over all of them is one kernel, and the
// members of a layer are a batch of matrices. Beside it lie, element for element,
//
//   weights    the truth: all of W in float32, dormant weights included
//   mask       one bit for each element, 1 where active
//   effective  what matrix products read: zero where dormant, of the products' type. There is none
//              where it would repeat `weights`.
//   gradient   as products leave it: dense, or where it is sampled that of active weights alone; in passes
//              that are asked for dormant weights' gradients it is dense
//
// Adam's moments are dense where all of W learns. Under `masked` a sparse layer has them for its
// active weights alone, in the order of its `places`, which say where each active weight lies.
#pragma once

#include <memory>
#include <vector>

#include "core/backend.h"
#include "cuda/kernels.h"
#include "cuda/memory.h"
#include "cuda/sparse_layers.h"

namespace rnm::cuda {

// Some elements that Adam takes as one run.
struct Segment {
  uint32_t first;    // where they lie among the weights
  uint32_t count;
  uint32_t moments;  // where their moments begin
  uint32_t places;   // where their places begin; kEverywhere if they are all elements from `first`
  // If not 0: all elements from `first`, of which so many of every `groupSize` are active and have moments.
  uint32_t perGroup, groupSize;
  float rate;  // in parts of the learning rate
};
constexpr uint32_t kEverywhere = 0xffffffffu;
// A place that fills up a run of active weights to a multiple of four.
constexpr uint32_t kNowhere = 0xffffffffu;

// What a block of Adam's works on.
struct Piece {
  uint32_t segment, begin;
};
constexpr int kPiece = 4 * 256;

// The arrays as kernels see them.
struct WeightArrays {
  int64_t size;  // a multiple of 8
  float* weights;
  void* effective;      // null: products read the weights
  uint8_t* mask;        // null: all are active
  Slots slots;            // of effective weights in compressed buffers: see sparse_layers.h
  Slots transposedSlots;  // of those that data gradients read
  float* gradient;
  float* moment1;
  float* moment2;
  uint32_t* places;
  const Segment* segments;
  const Piece* pieces;
  int64_t pieceCount;
};

// What Polyak averaging moves, and towards which weights.
struct Average {
  WeightArrays arrays;
  const float* source;
  int64_t firstBlock;  // of the launch; filled in there
};

// The masks that a tile may have: see core/mask_shape.h.
struct TileMasks {
  const uint16_t* masks;
  int64_t count;
};

// A sparse layer of all members, as the kernels of masks see it.
struct MaskedLayer {
  int64_t first, stride;          // of its weights, and from member to member
  int64_t places, moments;        // where those of member 0 begin; places < 0 if it has none
  int64_t placeStride;            // from member to member, of places and moments alike
  int64_t rows;                   // where its rows begin among those of all such layers: [member][row]
  int64_t chosen;                 // where its groups begin in the scratch of mask changes
  int members, outputs, inputs, ld;
  int n, m, groups, perRow;       // of a row
  int transposable, index;        // 1 if it has the mask shape; its number in the network
  TileMasks tiles[2];             // of whole tiles, and of those at the bottom
};

class NetworkWeights {
 public:
  NetworkWeights(Context& context, const NetworkSpec& spec);

  struct Layer {
    int outputs, inputs;
    NmPattern pattern;
    int64_t ld, first, stride;       // weights: row length, place of member 0, from member to member
    int64_t bias, biasStride;
    int64_t moments, momentStride;   // of the weights
    int64_t biasMoments;             // of the biases, with biasStride
    int64_t places;                  // -1 if moments are dense
    int masked;                      // its number among masked layers; -1 if it is dense
  };
  int layers() const { return static_cast<int>(layers_.size()); }
  const Layer& layer(int index) const { return layers_[index]; }

  // Of the products' type: weights and biases of a layer from a member on.
  const void* effective(int layer, int member) const;
  const void* effectiveBias(int layer, int member) const;
  // Always float32.
  const float* bias(int layer, int member) const;
  float* gradient(int layer, int member) const;
  float* biasGradient(int layer, int member) const;
  // Keeps the gradients of a layer's members, and has them there again when it goes.
  class KeptGradient {
   public:
    KeptGradient(NetworkWeights& weights, int layer);
    ~KeptGradient();
    KeptGradient(const KeptGradient&) = delete;
    KeptGradient& operator=(const KeptGradient&) = delete;

   private:
    NetworkWeights& weights_;
    int layer_;
    DeviceArray<float> copy_;
  };
  // Of these members, at a layer's active weights alone: see sampled_kernels.cu. Only of layers with places.
  void sampleGradient(int layer, MemberRange members, const SampledFactors& factors, int tile);
  // Products have left the gradients of all of these members' weights.
  void keepDormantGradients(MemberRange members);
  // Whether that was so of all sparse layers, or they were written.
  bool hasDormantGradients() const;

  // Has the tensor cores take these layers of all members as sparse from now on: forward, or, with
  // the shapes of W's transpose, in data gradients.
  struct SparsePlan {
    int layer;
    SparseProduct::Shape shape;  // of member 0; the bias is filled in
    SparseChoice choice;
  };
  void planSparse(const std::vector<SparsePlan>& plans, bool transposed);
  // Null before that.
  const SparseLayers* sparse() const { return sparse_.get(); }
  const SparseLayers* transposed() const { return transposed_.get(); }

  void adam(const AdamStep& step);
  Average averageOf(const NetworkWeights& source) const;
  // Brings compressed transposes up to date with weights that have moved.
  void storeTransposes() const;
  void copyFrom(const NetworkWeights& source);
  int64_t updateMasks(const MaskUpdate& update);
  void scaleDormant(float factor);
  int64_t followMasks(const NetworkWeights& source);
  int64_t divergence(const NetworkWeights& other, int member) const;
  float largestWeight(int member) const;
  float largestMoment() const;
  // What count(counter) leaves in a counter on the device that begins with 0.
  template <typename Count>
  int64_t counted(const Count& count) const {
    clearCounter();
    count(counter_.data());
    return readCounter();
  }
  void read(int member, int layer, Part part, float* target) const;
  void write(int member, int layer, Part part, const float* source);
  size_t bytes() const;

 private:
  void layOut(const NetworkSpec& spec);
  void maskLayer(Layer& layer);
  void addSegment(const Segment& segment);
  bool inGroups(const Layer& layer) const;
  void addSegments(const Layer& layer, float rate);
  void allocate();
  void fillMaskOfDense();
  void uploadTileMasks();
  void forgetGradients();
  bool prunesTranspose() const { return gradientMask_.size() > 0; }
  const uint8_t* gradientMask() const;
  void initialise(const NetworkSpec& spec);
  bool learns() const { return role_ == Role::online; }
  void refresh();
  template <typename Choose>
  int64_t changeMasks(const Choose& choose, const std::vector<MaskedLayer>& pruned);
  int64_t takeMasks(const uint8_t* wanted, const std::vector<MaskedLayer>& pruned);
  int64_t swapWeights(const MaskUpdate& update);
  void chooseSwaps(double dropFraction);
  void clearCounter() const;
  int64_t readCounter() const;

  // Parts of a member's layer from and to dense host arrays.
  void readRows(const float* array, const Layer& layer, int member, float* target) const;
  void writeRows(float* rows, const Layer& layer, const float* source);
  std::vector<uint8_t> readMask(const DeviceArray<uint8_t>& mask, const Layer& layer,
                                int member) const;
  void zeroDormant(const Layer& layer, int member, float* values) const;
  void writeMask(const Layer& layer, int member, const float* source);
  void writeGradientMask(const Layer& layer, int member, const float* source);
  // Where a member's moments belong in its dense matrix, in their order.
  std::vector<uint32_t> readPlaces(const Layer& layer, int member) const;
  void readMoments(const float* moments, const Layer& layer, int member, float* target) const;
  void writeMoments(float* moments, const Layer& layer, int member, const float* source);

  Context& context_;
  Role role_;
  int members_;
  float srLambda_;
  bool maskedRule_;
  NewMoment newMoment_;
  MaskShape maskShape_;
  int64_t size_ = 0, moments_ = 0, places_ = 0, groups_ = 0, rows_ = 0;
  std::vector<Layer> layers_;
  std::vector<MaskedLayer> masked_;
  std::vector<Segment> segments_;
  std::vector<Piece> pieces_;
  DeviceArray<float> weights_, gradient_, moment1_, moment2_;
  DeviceArray<float> means_;  // of the second moments of rows, while masks change; empty if nobody asks for them
  DeviceArray<uint8_t> effective_, mask_;
  DeviceArray<uint8_t> gradientMask_;  // what double pruning leaves of the mask; else empty
  DeviceArray<uint16_t> tileMasks_;
  DeviceArray<uint32_t> placeArray_, chosen_;
  DeviceArray<Segment> segmentArray_;
  DeviceArray<Piece> pieceArray_;
  DeviceArray<unsigned long long> counter_;
  std::unique_ptr<SparseLayers> sparse_, transposed_;
  bool sampled_ = false;  // gradients of dormant weights may be missing
  std::vector<uint8_t> hasDormantGradient_;  // [member][layer]: there they are not
  WeightArrays arrays_{};
};

}  // namespace rnm::cuda
