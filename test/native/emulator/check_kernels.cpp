// Barriers, shuffles, votes, atomics, shared memory, and what is not allowed in kernels.
#include <cmath>

#include "check_emulator.h"

namespace check {
namespace {

__global__ void indexKernel(int* out) {
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1 + block * 1000 + thread;
}

// Sum of a block by a tree in shared memory: wrong unless every barrier is one.
__global__ void treeSum(const float* in, float* out, int count) {
  __shared__ float partial[256];
  float sum = 0;
  for (int i = threadIdx.x; i < count; i += blockDim.x) sum += in[blockIdx.x * count + i];
  partial[threadIdx.x] = sum;
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  __syncthreads();
  if (threadIdx.x == blockDim.x - 1) out[blockIdx.x] = partial[0];
}

__global__ void missingBarrier(float* out) {
  __shared__ float values[64];
  values[threadIdx.x] = 1;
  out[threadIdx.x] = values[63 - threadIdx.x];
}

template <int N>
__global__ void templateShared(float* out) {
  __shared__ float values[N];
  if (threadIdx.x > 0) values[threadIdx.x] = static_cast<float>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = values[N - 1 - threadIdx.x];
}

__global__ void shuffles(int* out) {
  const int lane = threadIdx.x % 32, value = 100 * (threadIdx.x / 32) + lane;
  int* row = out + threadIdx.x * 7;
  row[0] = __shfl_xor_sync(0xffffffffu, value, 5);
  row[1] = __shfl_down_sync(0xffffffffu, value, 3);
  row[2] = __shfl_up_sync(0xffffffffu, value, 4);
  row[3] = __shfl_sync(0xffffffffu, value, 9);
  row[4] = __shfl_xor_sync(0xffffffffu, value, 12, 8);
  row[5] = __shfl_sync(0xffffffffu, value, 2, 4);
  row[6] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
}

__global__ void warpSums(const float* in, float* out) {
  float value = in[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  if (threadIdx.x % 32 == 0) atomicAdd(out, value);
}

// Halves of a warp on different paths, each with its own mask.
__global__ void partialMasks(int* out) {
  const unsigned lane = threadIdx.x;
  if (lane < 16) {
    out[lane] = __shfl_xor_sync(0x0000ffffu, static_cast<int>(lane), 1);
  } else {
    int sum = 0;
    for (int i = 0; i < 3; ++i) sum += __shfl_xor_sync(0xffff0000u, static_cast<int>(lane), 1);
    out[lane] = sum;
  }
  out[lane] += __any_sync(0xffffffffu, lane == 31) + 10 * __all_sync(0xffffffffu, lane < 32) +
               20 * __any_sync(0xffffffffu, lane > 31);
}

__global__ void lanesThatLeft(int* out) {
  if (threadIdx.x >= 20) return;
  out[threadIdx.x] = __shfl_down_sync(0xffffffffu, static_cast<int>(threadIdx.x), 1);
}

__global__ void atomics(unsigned* counter, int* biggest, unsigned* bits, float* sum, unsigned long long* wide) {
  atomicAdd(counter, 1u);
  atomicMax(biggest, static_cast<int>(threadIdx.x * 7 % 61));
  atomicOr(bits, 1u << threadIdx.x % 32);
  atomicAdd(sum, 0.5f);
  atomicAdd(wide, 1ull << 33);
}

__global__ void exitBeforeBarrier() {
  if (threadIdx.x == 3) return;
  __syncthreads();
}

__global__ void barriersApart(int* out) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
    out[0] = 1;
  }
}

__global__ void shuffleAgainstBarrier() {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    __shfl_xor_sync(0xffffffffu, 1, 1);
  }
}

__global__ void shufflesApart(int* out) {
  if (threadIdx.x < 16) {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
  } else {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 2, 1);
  }
}

__global__ void maskWithoutMe() { __syncwarp(threadIdx.x == 1 ? 1u : 0xffffffffu); }

__global__ void orderOfThreads(int* next, int* out) { out[atomicAdd(next, 1)] = threadIdx.x + 100 * blockIdx.x; }

__global__ void storesPointer(float* pointer) { *pointer = 1; }
struct Parameters {
  int unused;
  float* pointer;
};
__global__ void storesInStruct(Parameters parameters) { *parameters.pointer = 2; }

void geometry() {
  DeviceArray<int> out(2 * 3 * 2 * 5 * 4 * 2);
  CHECK_OK(cudaMemset(out.data, 0, out.count * sizeof(int)));
  const auto launch = config(dim3(2, 3, 2), dim3(5, 4, 2));
  CHECK_OK(cudaLaunchKernelEx(&launch, indexKernel, out.data));
  const auto values = out.get();
  for (size_t i = 0; i < values.size(); ++i) CHECK_EQUAL(values[i], 1 + static_cast<int>(i / 40 * 1000 + i % 40));
}

void barriers() {
  const int count = 1000, blocks = 3;
  const auto in = randomValues(count * blocks);
  DeviceArray<float> input(in), out(blocks);
  for (const bool reverse : {false, true}) {
    rnmEmulatorReverseOrder(reverse);
    const auto launch = config(blocks, 256);
    CHECK_OK(cudaLaunchKernelEx(&launch, treeSum, static_cast<const float*>(input.data), out.data, count));
    const auto sums = out.get();
    for (int b = 0; b < blocks; ++b) {
      double sum = 0;
      for (int i = 0; i < count; ++i) sum += in[b * count + i];
      CHECK(std::fabs(sums[b] - sum) < 1e-3);
    }
  }
  rnmEmulatorReverseOrder(false);
}

void sharedMemory() {
  DeviceArray<float> out(64);
  const auto launch = config(1, 64);
  // Twice: what the first launch left must not help the second.
  for (int i = 0; i < 2; ++i) {
    CHECK_OK(cudaLaunchKernelEx(&launch, missingBarrier, out.data));
    const auto values = out.get();
    CHECK(std::isnan(values[0]) && values[63] == 1);
  }
  CHECK_OK(cudaLaunchKernelEx(&launch, templateShared<64>, out.data));
  const auto values = out.get();
  CHECK_EQUAL(values[0], 63);
  CHECK_EQUAL(values[62], 1);
}

void warps() {
  DeviceArray<int> out(96 * 7);
  const auto launch = config(1, 96);
  CHECK_OK(cudaLaunchKernelEx(&launch, shuffles, out.data));
  const auto v = out.get();
  for (int t = 0; t < 96; ++t) {
    const int lane = t % 32, base = 100 * (t / 32);
    const int* row = v.data() + t * 7;
    CHECK_EQUAL(row[0], base + (lane ^ 5));
    CHECK_EQUAL(row[1], base + (lane + 3 < 32 ? lane + 3 : lane));
    CHECK_EQUAL(row[2], base + (lane >= 4 ? lane - 4 : lane));
    CHECK_EQUAL(row[3], base + 9);
    CHECK_EQUAL(row[4], base + ((lane ^ 12) < (lane & ~7) + 8 ? lane ^ 12 : lane));
    CHECK_EQUAL(row[5], base + (lane & ~3) + 2);
    CHECK_EQUAL(static_cast<unsigned>(row[6]), 0x49249249u);
  }
  const auto in = randomValues(128);
  DeviceArray<float> input(in), sum(std::vector<float>{0});
  const auto four = config(1, 128);
  CHECK_OK(cudaLaunchKernelEx(&four, warpSums, static_cast<const float*>(input.data), sum.data));
  double expected = 0;
  for (const float value : in) expected += value;
  CHECK(std::fabs(sum.get()[0] - expected) < 1e-4);
}

void partialWarps() {
  DeviceArray<int> out(32);
  const auto warp = config(1, 32);
  for (const bool reverse : {false, true}) {
    rnmEmulatorReverseOrder(reverse);
    CHECK_OK(cudaLaunchKernelEx(&warp, partialMasks, out.data));
    const auto v = out.get();
    for (int lane = 0; lane < 32; ++lane) CHECK_EQUAL(v[lane], (lane ^ 1) * (lane < 16 ? 1 : 3) + 11);
    CHECK_OK(cudaLaunchKernelEx(&warp, lanesThatLeft, out.data));
    const auto w = out.get();
    for (int lane = 0; lane < 19; ++lane) CHECK_EQUAL(w[lane], lane + 1);
    CHECK_EQUAL(w[19], -1);  // what a lane that has left would have said is undefined
  }
  rnmEmulatorReverseOrder(false);
  // A block that does not fill its last warp.
  const auto odd = config(1, 20);
  CHECK_OK(cudaLaunchKernelEx(&odd, lanesThatLeft, out.data));
  CHECK_EQUAL(out.get()[5], 6);
}

void atomicOperations() {
  DeviceArray<unsigned> counter(std::vector<unsigned>{0}), bits(std::vector<unsigned>{0});
  DeviceArray<int> biggest(std::vector<int>{0});
  DeviceArray<float> sum(std::vector<float>{0});
  DeviceArray<unsigned long long> wide(std::vector<unsigned long long>{0});
  const auto launch = config(5, 100);
  CHECK_OK(cudaLaunchKernelEx(&launch, atomics, counter.data, biggest.data, bits.data, sum.data, wide.data));
  CHECK_EQUAL(counter.get()[0], 500);
  CHECK_EQUAL(biggest.get()[0], 60);
  CHECK_EQUAL(bits.get()[0], 0xffffffffu);
  CHECK_EQUAL(sum.get()[0], 250);
  CHECK_EQUAL(wide.get()[0], 500ull << 33);
}

template <typename... Arguments>
void mustFault(const char* part, cudaError_t error, void (*kernel)(Arguments...), Arguments... arguments) {
  const auto launch = config(1, 32);
  CHECK_OK(cudaLaunchKernelEx(&launch, kernel, arguments...));
  CHECK_EQUAL(cudaDeviceSynchronize(), error);
  CHECK_EQUAL(cudaGetLastError(), error);
  CHECK_EQUAL(cudaStreamSynchronize(nullptr), error);  // for good
  CHECK(faulted(part));
}

void divergence() {
  DeviceArray<int> out(32);
  mustFault("divergent __syncthreads", cudaErrorLaunchFailure, exitBeforeBarrier);
  mustFault("divergent __syncthreads", cudaErrorLaunchFailure, barriersApart, out.data);
  mustFault("divergent", cudaErrorLaunchFailure, shuffleAgainstBarrier);
  mustFault("divergent warp operation", cudaErrorLaunchFailure, shufflesApart, out.data);
  mustFault("mask of a warp operation lacks", cudaErrorLaunchFailure, maskWithoutMe);
  // Abandoned threads leave nothing behind that harms the next kernel.
  barriers();
}

void order() {
  DeviceArray<int> next(1), out(8);
  const auto launch = config(2, 4);
  for (const bool reverse : {false, true}) {
    rnmEmulatorReverseOrder(reverse);
    CHECK_OK(cudaMemset(next.data, 0, sizeof(int)));
    CHECK_OK(cudaLaunchKernelEx(&launch, orderOfThreads, next.data, out.data));
    CHECK_EQUAL(out.get()[0], reverse ? 103 : 0);
    CHECK_EQUAL(out.get()[7], reverse ? 0 : 103);
  }
  rnmEmulatorReverseOrder(false);
}

void arguments() {
  float onHost = 0;
  mustFault("points to freed memory or to memory of the host", cudaErrorIllegalAddress, storesPointer, &onHost);
  CHECK_EQUAL(onHost, 0);
  float* freed = nullptr;
  CHECK_OK(cudaMalloc(&freed, 4));
  CHECK_OK(cudaFree(freed));
  mustFault("points to freed memory", cudaErrorIllegalAddress, storesPointer, freed);
  mustFault("points to freed memory", cudaErrorIllegalAddress, storesInStruct, Parameters{0, freed});
  DeviceArray<float> good(1);
  const auto launch = config(1, 1);
  CHECK_OK(cudaLaunchKernelEx(&launch, storesInStruct, Parameters{0, good.data}));
  CHECK_EQUAL(good.get()[0], 2);
}

void configurations() {
  DeviceArray<float> out(1);
  const dim3 bad[][2] = {{dim3(0), dim3(1)}, {dim3(1), dim3(0)}, {dim3(1), dim3(1025)}, {dim3(1, 65536), dim3(1)},
                         {dim3(1), dim3(32, 32, 2)}, {dim3(1), dim3(1, 1, 65)}};
  for (const auto& shape : bad) {
    const auto launch = config(shape[0], shape[1]);
    CHECK_EQUAL(cudaLaunchKernelEx(&launch, storesPointer, out.data), cudaErrorInvalidConfiguration);
  }
  CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidConfiguration);
  CHECK_OK(cudaGetLastError());
}

}  // namespace

void kernels() {
  geometry();
  barriers();
  sharedMemory();
  warps();
  partialWarps();
  atomicOperations();
  divergence();
  order();
  arguments();
  configurations();
}

}  // namespace check
