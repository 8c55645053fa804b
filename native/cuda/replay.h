// The replay buffer: a ring of rows in device memory.
#pragma once

#include "core/backend.h"
#include "cuda/memory.h"

namespace rnm::cuda {

class CudaReplay : public Replay {
 public:
  CudaReplay(Context& context, int64_t capacity, int observations, int actions);
  ~CudaReplay() override;

  int64_t size() const override { return size_; }
  int64_t capacity() const override { return capacity_; }
  int rowLength() const override { return 2 * observations_ + actions_ + 2; }
  void add(const float* row) override;
  void sample(uint64_t seed, uint64_t draw, const BatchViews& batch) override;
  void read(int64_t first, int64_t count, float* rows) const override;

 private:
  // New rows gather in pinned memory, in two halves: one fills up while the other is on its way.
  static constexpr int kHalf = 64;
  struct Half {
    ~Half() {
      if (sent) cudaEventDestroy(sent);
    }
    float* rows() const { return static_cast<float*>(memory.data()); }
    PinnedBuffer memory;
    cudaEvent_t sent = nullptr;
  };
  // Floats from row to row: rows begin at 16 bytes, so that observations can be read as such.
  int64_t stride() const { return (static_cast<int64_t>(rowLength()) + 3) / 4 * 4; }
  size_t rowBytes() const { return rowLength() * sizeof(float); }
  void send();
  void copy(int64_t place, const float* rows, int64_t count);

  Context& context_;
  int64_t capacity_, size_ = 0, next_ = 0;
  int observations_, actions_;
  DeviceArray<float> rows_;
  Half halves_[2];
  int filling_ = 0;  // the half that takes new rows
  int begin_ = 0, end_ = 0;  // its rows that are not on the device yet
};

}  // namespace rnm::cuda
