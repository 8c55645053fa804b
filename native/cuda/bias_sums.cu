#include "cuda/bias_sums.h"

#include <utility>

#include "cuda/launch.h"

namespace rnm::cuda {
namespace {

struct LayerSums {
  const float* partial;
  float* target;
  int64_t targetStride, width;
};

// The layers of a launch, as many as blockIdx.z counts.
constexpr int kLayers = 8;
struct SumTable {
  LayerSums of[kLayers];
};

__global__ void addChunksKernel(SumTable table, int chunks) {
  const LayerSums& layer = table.of[blockIdx.z];
  const int64_t j = RNM_THREAD;
  if (j >= layer.width) return;
  const float* mine = layer.partial + blockIdx.y * chunks * layer.width + j;
  float sum = 0.0f;
  for (int chunk = 0; chunk < chunks; ++chunk) sum += mine[chunk * layer.width];
  layer.target[blockIdx.y * layer.targetStride + j] = sum;
}

}  // namespace

BiasSums::BiasSums(Context& context, int members, int rows, std::vector<BiasGradient> layers)
    : context_(context), members_(members), chunks_(chunksOf(rows)), layers_(std::move(layers)) {
  if (chunks_ == 1 || layers_.empty()) return;
  const size_t bytes = begin(layers_.size()) * sizeof(float);
  partial_ = static_cast<float*>(context.scratch(Context::Scratch::partialSums, bytes));
}

int64_t BiasSums::begin(size_t layer) const {
  int64_t floats = 0;
  for (size_t l = 0; l < layer; ++l) {
    floats += static_cast<int64_t>(members_) * chunks_ * layers_[l].width;
  }
  return floats;
}

ColumnSums BiasSums::of(int layer) const {
  if (layers_.empty()) return {nullptr, 0, 0};
  const BiasGradient& gradient = layers_[layer];
  if (!partial_) return {gradient.data, gradient.stride, 0};
  return {partial_ + begin(layer), static_cast<int64_t>(chunks_) * gradient.width, gradient.width};
}

void BiasSums::finish() const {
  for (size_t done = 0; done < layers_.size(); done += kLayers) {
    SumTable table{};
    int count = 0, widest = 0;
    for (size_t l = done; l < layers_.size() && count < kLayers; ++l) {
      const BiasGradient& layer = layers_[l];
      table.of[count++] = {partial_ + begin(l), layer.data, layer.stride, layer.width};
      widest = layer.width > widest ? layer.width : widest;
    }
    Grid grid = gridOf(widest);
    grid.blocks.y = static_cast<unsigned>(members_);
    grid.blocks.z = static_cast<unsigned>(count);
    launch(context_, "sum biases' gradients", addChunksKernel, grid, table, chunks_);
  }
}

}  // namespace rnm::cuda
