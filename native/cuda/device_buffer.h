// Memory, streams and events for the GPU that end with their owner, outside of any Context.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/error.h"

namespace rnm::cuda {

// What is asked for, rounded up: never 0.
inline std::string megabytes(size_t bytes) { return std::to_string((bytes + 999999) / 1000000) + " MB"; }

// Uninitialised device memory. `help` says what to do if there is not enough.
inline void* allocateOnDevice(size_t bytes, const char* help) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw std::runtime_error("Not enough memory on the GPU for " + megabytes(bytes) + ": " + help);
  }
  check(status, "allocate memory");
  return memory;
}

// Uninitialised device memory.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // `help` says what to do if there is not enough memory.
  DeviceBuffer(size_t bytes, const char* help) : bytes_(bytes) {
    if (bytes > 0) data_ = allocateOnDevice(bytes, help);
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

// Uninitialised memory of the host that the GPU copies from and to by itself.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(size_t bytes) {
    const cudaError_t status = cudaMallocHost(&data_, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      data_ = nullptr;
      throw std::runtime_error("Not enough pinned memory on the host for " + megabytes(bytes) +
                               ": close other programs, or allow this one more memory (a "
                               "container's limit, or `ulimit -l`)");
    }
    check(status, "allocate pinned memory");
  }
  ~PinnedBuffer() {
    if (data_) cudaFreeHost(data_);
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept { std::swap(data_, other.data_); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }

  // Null if there is none.
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
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
