// A test framework of a few lines: counts checks and says which failed.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "emulator/inject.h"

namespace check {

inline int checks = 0, failures = 0;

inline void that(bool condition, const char* text, const char* file, int line) {
  ++checks;
  if (condition) return;
  ++failures;
  std::printf("%s:%d: %s\n", file, line, text);
}

template <typename A, typename B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
  that(a == static_cast<A>(b), text, file, line);
  if (!(a == static_cast<A>(b))) std::printf("  is %lld, not %lld\n", static_cast<long long>(a), static_cast<long long>(b));
}

#define CHECK(condition) ::check::that(condition, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(a, b) ::check::equal(a, b, #a " == " #b, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_EQUAL(static_cast<int>(call), 0)

// A stream that is destroyed at the end of its scope.
struct StreamScope {
  cudaStream_t stream = nullptr;
  explicit StreamScope(unsigned flags = cudaStreamNonBlocking) { CHECK_OK(cudaStreamCreateWithFlags(&stream, flags)); }
  ~StreamScope() { cudaStreamDestroy(stream); }
  operator cudaStream_t() const { return stream; }
};

template <typename T>
struct DeviceArray {
  T* data = nullptr;
  size_t count = 0;
  explicit DeviceArray(size_t count) : count(count) { CHECK_OK(cudaMalloc(&data, count * sizeof(T))); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { set(values); }
  ~DeviceArray() { cudaFree(data); }
  DeviceArray(const DeviceArray&) = delete;
  void set(const std::vector<T>& values) {
    CHECK_OK(cudaMemcpy(data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> get() const {
    std::vector<T> values(count);
    CHECK_OK(cudaDeviceSynchronize());
    CHECK_OK(cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }
};

inline cudaLaunchConfig_t config(dim3 grid, dim3 block, cudaStream_t stream = nullptr) {
  cudaLaunchConfig_t c{};
  c.gridDim = grid;
  c.blockDim = block;
  c.stream = stream;
  return c;
}

// Whether a fault was seen whose description has `part` in it; forgets it.
inline bool faulted(const char* part) {
  const char* fault = rnmEmulatorFault();
  const bool found = fault && std::strstr(fault, part);
  if (!found) std::printf("  fault: %s\n", fault ? fault : "none");
  rnmEmulatorReset();
  return found;
}

inline std::mt19937& generator() {
  static std::mt19937 instance(7);
  return instance;
}
inline std::vector<float> randomValues(size_t count) {
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(generator());
  return values;
}

void kernels();
void runtime();
void graphs();
void numbers();
void cublasLt();
void cusparseLt();
void injection();

}  // namespace check
