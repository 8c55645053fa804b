// A recorded sequence of calls that the GPU repeats without the host.
//
// Numbers that change from launch to launch (seeds, the learning rate, the number of a step) are
// not part of the recording: each call that has some puts them into the graph's list, in the order
// of the calls, and its kernels read them from device memory. To launch a graph the same calls are
// made again with nothing enqueued, which updates the list, as well as what the host keeps count
// of. A graph and the calls it was recorded from thus always do the same.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "core/backend.h"
#include "cuda/context.h"
#include "cuda/memory.h"

namespace rnm::cuda {

class Graph : public rnm::Graph {
 public:
  static constexpr int kMaxScalars = 64;

  explicit Graph(Context& context);
  ~Graph() override;

  void beginCapture() override;
  void endCapture() override;
  void cancel() noexcept override;
  bool current() const override;
  size_t nodes() const override { return nodes_; }
  void beginRefresh() override;
  void launch() override;

  // The next number of the sequence of calls.
  template <typename T>
  Scalar<T> scalar(T value) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    if (used_ == kMaxScalars) {
      throw std::invalid_argument(
          "Expected the calls of a graph to have at most " + std::to_string(kMaxScalars) +
          " numbers that change from launch to launch (sampling and normals have 3 and 2, a step of "
          "Adam 7, Polyak averaging 1): record them as several graphs");
    }
    std::memcpy(&values_[used_], &value, sizeof(T));
    return {{value}, reinterpret_cast<const T*>(device_.data() + used_++)};
  }
  // Calls have to be the same at every launch (FNV-1a over what they consist of).
  void recordCall(const void* bytes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      calls_ = (calls_ ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3ull;
    }
  }

 private:
  static constexpr uint64_t kNoCalls = 0xcbf29ce484222325ull;
  void destroy() noexcept;

  Context& context_;
  std::array<uint64_t, kMaxScalars> values_{};
  DeviceArray<uint64_t> device_;
  int used_ = 0;
  uint64_t calls_ = kNoCalls, recordedCalls_ = kNoCalls;
  uint64_t epoch_ = 0;
  size_t nodes_ = 0;
  cudaGraphExec_t executable_ = nullptr;
};

template <typename T>
Scalar<T> Context::scalar(T value) {
  return graph_ ? graph_->scalar(value) : Scalar<T>{{value}, nullptr};
}

}  // namespace rnm::cuda
