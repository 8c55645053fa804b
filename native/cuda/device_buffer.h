// Memory, streams and events of the GPU that end with their owner, outside of any Context.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/error.h"

namespace rnm::cuda {

// Uninitialised device memory.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // `help` says what to do if there is not enough memory.
  DeviceBuffer(size_t bytes, const char* help) : bytes_(bytes) {
    if (bytes == 0) return;
    const cudaError_t status = cudaMalloc(&data_, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw std::runtime_error("Not enough memory on the GPU for " +
                               std::to_string((bytes + 999999) / 1000000) + " MB: " + help);
    }
    check(status, "allocate memory");
  }
  ~DeviceBuffer() {
    if (data_) cudaFree(data_);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  char* data() const { return static_cast<char*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "create a stream"); }
  ~Stream() {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void synchronize(const char* attempt) const { check(cudaStreamSynchronize(stream_), attempt); }

 private:
  cudaStream_t stream_ = nullptr;
};

// A point in time on a stream.
class TimingEvent {
 public:
  TimingEvent() { check(cudaEventCreate(&event_), "create an event"); }
  ~TimingEvent() {
    if (event_) cudaEventDestroy(event_);
  }
  TimingEvent(TimingEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  TimingEvent& operator=(TimingEvent&&) = delete;

  void record(const Stream& stream) { check(cudaEventRecord(event_, stream.get()), "take the time"); }
  double microsecondsSince(const TimingEvent& earlier) const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_), "take the time");
    return 1000.0 * milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace rnm::cuda
