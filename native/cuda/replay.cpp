#include "cuda/replay.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/error.h"
#include "cuda/graph.h"
#include "cuda/kernels.h"
#include "cuda/matrix.h"

namespace rnm::cuda {
namespace {

size_t checkedFloats(int64_t capacity, int observations, int actions) {
  if (capacity < 1 || capacity > 0xffffffffll || observations < 1 || actions < 1) {
    throw std::invalid_argument("Expected a replay buffer's sizes to be positive integers");
  }
  const size_t row = 2 * static_cast<size_t>(observations) + actions + 2;
  return static_cast<size_t>(capacity) * ((row + 3) / 4 * 4);
}

}  // namespace

CudaReplay::CudaReplay(Context& context, int64_t capacity, int observations, int actions)
    : context_(context),
      capacity_(capacity),
      observations_(observations),
      actions_(actions),
      rows_(context, checkedFloats(capacity, observations, actions)) {
  for (Half& half : halves_) {
    half.memory = PinnedBuffer(static_cast<size_t>(kHalf) * stride() * sizeof(float));
    check(cudaEventCreateWithFlags(&half.sent, cudaEventDisableTiming), "create an event");
  }
}

CudaReplay::~CudaReplay() {
  // Rows may be on their way.
  for (Half& half : halves_) context_.release(std::move(half.memory));
}

void CudaReplay::add(const float* row) {
  context_.requireNoGraph("new transitions");
  if (end_ == kHalf) {
    send();
    filling_ = 1 - filling_;
    begin_ = end_ = 0;
    check(cudaEventSynchronize(halves_[filling_].sent), "copy transitions to the GPU");
  }
  std::memcpy(halves_[filling_].rows() + end_ * stride(), row, rowBytes());
  ++end_;
  next_ = (next_ + 1) % capacity_;
  size_ = std::min(size_ + 1, capacity_);
}

void CudaReplay::copy(int64_t place, const float* rows, int64_t count) {
  if (count == 0) return;
  check(cudaMemcpyAsync(rows_.data() + place * stride(), rows, count * stride() * sizeof(float),
                        cudaMemcpyHostToDevice, context_.stream()),
        "copy transitions to the GPU");
}

// Rows that wait go to the places before `next_`, of which there may be fewer than there are rows:
// the last ones to come stay.
void CudaReplay::send() {
  const Half& half = halves_[filling_];
  const int64_t count = std::min<int64_t>(end_ - begin_, capacity_);
  if (count == 0) return;
  const float* rows = half.rows() + (end_ - count) * stride();
  const int64_t place = (next_ - count + capacity_) % capacity_;
  const int64_t untilEnd = std::min(count, capacity_ - place);
  copy(place, rows, untilEnd);
  copy(0, rows + untilEnd * stride(), count - untilEnd);
  check(cudaEventRecord(half.sent, context_.stream()), "copy transitions to the GPU");
  begin_ = end_;
}

void CudaReplay::sample(uint64_t seed, uint64_t draw, const BatchViews& batch) {
  if (size_ == 0) throw std::invalid_argument("The replay buffer is empty: observe transitions first");
  const int rows = deviceView(batch.reward, "reward").rows;
  const SampleTargets targets = {
      {deviceView(batch.observation, "observation", rows, observations_),
       deviceView(batch.action, "action", rows, actions_), deviceView(batch.reward, "reward", rows, 1),
       deviceView(batch.nextObservation, "nextObservation", rows, observations_),
       deviceView(batch.discount, "discount", rows, 1)}};
  // A graph has no part in it: new rows are sent before each of its launches.
  if (!context_.capturing()) send();
  sampleRows(context_, rows_.data(), stride(), context_.scalar(seed), context_.scalar(draw),
             context_.scalar(static_cast<uint32_t>(size_)), targets);
}

void CudaReplay::read(int64_t first, int64_t count, float* target) const {
  if (first < 0 || count < 0 || first + count > size_) {
    throw std::invalid_argument("Expected rows to lie within the replay buffer's " +
                                std::to_string(size_));
  }
  const_cast<CudaReplay*>(this)->send();
  const int64_t oldest = size_ == capacity_ ? next_ : 0;
  for (int64_t done = 0; done < count;) {
    const int64_t place = (oldest + first + done) % capacity_;
    const int64_t some = std::min(count - done, capacity_ - place);
    context_.download(target + done * rowLength(), rows_.data() + place * stride(),
                      stride() * sizeof(float), rowBytes(), some);
    done += some;
  }
}

}  // namespace rnm::cuda
