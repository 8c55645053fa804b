// The replay ring buffer in native memory: float32 rows and nothing else.
#pragma once

#include <memory>
#include <vector>

#include "core/backend.h"
#include "cpu/matrix.h"
#include "cpu/thread_pool.h"

namespace rnm::cpu {

class CpuReplay : public Replay {
 public:
  CpuReplay(int64_t capacity, int observations, int actions, ThreadPool& pool,
            const KernelTable& kernels);

  int64_t size() const override { return size_; }
  int64_t capacity() const override { return capacity_; }
  int rowLength() const override { return rowLength_; }
  void add(const float* row) override;
  void sample(uint64_t seed, uint64_t draw, const BatchViews& batch) override;
  void read(int64_t first, int64_t count, float* rows) const override;

 private:
  const float* row(int64_t index) const { return rows_.data() + index * rowLength(); }
  void gatherTile(const TileView (&views)[5], int tile, uint64_t seed, uint64_t draw) const;

  int64_t capacity_, size_ = 0, next_ = 0;
  int observations_, actions_, rowLength_;
  ThreadPool& pool_;
  const KernelTable& kernels_;
  AlignedArray<float> rows_;
};

}  // namespace rnm::cpu
