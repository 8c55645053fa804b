#include "cpu/replay.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/philox.h"

namespace rnm::cpu {
namespace {

// Floats in a cache line.
constexpr int kLine = 16;
// A row is drawn by 32 random bits.
constexpr int64_t kMaxCapacity = 0xffffffff;

int checkedRowLength(int64_t capacity, int observations, int actions) {
  const int64_t length = 2 * int64_t{observations} + actions + 2;
  if (capacity < 1 || capacity > kMaxCapacity) {
    throw std::invalid_argument("Expected a replay buffer's capacity to be from 1 to 4294967295 but received " +
                                std::to_string(capacity));
  }
  if (observations < 1 || actions < 1 || length > kMaxColumns) {
    throw std::invalid_argument("Expected a transition to have at most " + std::to_string(kMaxColumns) +
                                " numbers but received observations of " + std::to_string(observations) +
                                " and actions of " + std::to_string(actions));
  }
  return static_cast<int>(length);
}

}  // namespace

CpuReplay::CpuReplay(int64_t capacity, int observations, int actions, ThreadPool& pool,
                     const KernelTable& kernels)
    : capacity_(capacity),
      observations_(observations),
      actions_(actions),
      rowLength_(checkedRowLength(capacity, observations, actions)),
      pool_(pool),
      kernels_(kernels),
      rows_(static_cast<size_t>(capacity) * rowLength_) {}

void CpuReplay::add(const float* source) {
  std::copy_n(source, rowLength(), rows_.data() + next_ * rowLength());
  next_ = (next_ + 1) % capacity_;
  size_ = std::min(size_ + 1, capacity_);
}

void CpuReplay::gatherTile(const TileView (&views)[5], int tile, uint64_t seed,
                           uint64_t draw) const {
  const float* rows[kTile];
  for (int b = 0; b < kTile; ++b) {
    const uint64_t sample = static_cast<uint64_t>(tile) * kTile + b;
    // A draw has 2^32 positions of its own: four samples to a Philox block.
    const Philox4 bits = philox(seed, kIndexStream, (draw << 32) + sample / 4);
    rows[b] = row(indexFrom(bits.value[sample % 4], static_cast<uint32_t>(size_)));
    // The rows lie anywhere in a large memory: they are asked for before the first is waited for.
    for (int i = 0; i < rowLength(); i += kLine) __builtin_prefetch(rows[b] + i);
  }
  // Padding lanes get rows too: what they hold is never used.
  for (const TileView& view : views) {
    kernels_.gather(rows, view.columns, view.tile(tile));
    for (const float*& source : rows) source += view.columns;
  }
}

void CpuReplay::sample(uint64_t seed, uint64_t draw, const BatchViews& batch) {
  if (size_ == 0) throw std::invalid_argument("The replay buffer is empty: observe transitions first");
  const int rows = tileView(batch.reward, "reward").rows;
  const TileView views[5] = {
      tileView(batch.observation, "observation", rows, observations_),
      tileView(batch.action, "action", rows, actions_), tileView(batch.reward, "reward", rows, 1),
      tileView(batch.nextObservation, "nextObservation", rows, observations_),
      tileView(batch.discount, "discount", rows, 1)};
  pool_.run(views[0].tiles, [&](int tile, int) { gatherTile(views, tile, seed, draw); });
}

void CpuReplay::read(int64_t first, int64_t count, float* target) const {
  if (first < 0 || count < 0 || count > size_ - first) {
    throw std::invalid_argument("Expected rows to lie within the replay buffer's " +
                                std::to_string(size_));
  }
  const int64_t oldest = size_ == capacity_ ? next_ : 0;
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(row((oldest + first + i) % capacity_), rowLength(), target + i * rowLength());
  }
}

}  // namespace rnm::cpu
