// Memory, copies, streams and events.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "check_emulator.h"

namespace check {
namespace {

__global__ void store(float* values, float value) { values[0] = value; }
__global__ void increment(const float* in, float* out) { out[0] = in[0] + 1; }

// Under AddressSanitizer a checked write would end the process before the emulator sees anything.
__attribute__((no_sanitize("address"), noinline)) __host__ __device__ void poke(float* at) { *at = 5; }
__global__ void writeAt(float* base, long offset) { poke(base + offset); }

template <typename T>
T* allocateDevice(size_t count) {
  T* p = nullptr;
  CHECK_OK(cudaMalloc(&p, count * sizeof(T)));
  return p;
}

void guardZones() {
  for (const long offset : {-1L, 10L, 65L}) {
    float* const p = allocateDevice<float>(10);
    const auto launch = config(1, 1);
    CHECK_OK(cudaLaunchKernelEx(&launch, writeAt, p, offset));
    CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    CHECK(faulted("something wrote"));
    // Seen once, repaired, and not seen again.
    CHECK_OK(cudaDeviceSynchronize());
    CHECK_OK(cudaFree(p));
  }
  float* pinned = nullptr;
  CHECK_OK(cudaMallocHost(&pinned, 10 * sizeof(float)));
  poke(pinned + 10);
  CHECK_EQUAL(cudaFreeHost(pinned), cudaErrorIllegalAddress);
  CHECK(faulted("something wrote behind"));
}

void freedMemory() {
  float* const p = allocateDevice<float>(100);
  CHECK_OK(cudaFree(p));
  CHECK_EQUAL(cudaFree(p), cudaErrorInvalidValue);
  float value = 0;
  CHECK_EQUAL(cudaMemcpy(&value, p, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemset(p, 0, 4), cudaErrorInvalidValue);
  // A write through a stale pointer that the arguments do not show.
  DeviceArray<float> other(1);
  const auto launch = config(1, 1);
  CHECK_OK(cudaLaunchKernelEx(&launch, writeAt, other.data, static_cast<long>(p + 3 - other.data)));
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  CHECK(faulted("after it was freed"));
  CHECK(allocateDevice<float>(100) != p);
}

void poison() {
  DeviceArray<float> fresh(1000);
  int notNan = 0;
  for (const float value : fresh.get()) notNan += !std::isnan(value);
  CHECK_EQUAL(notNan, 0);
}

// Runs `body` in a child process; says whether it was ended by a segmentation fault.
template <typename Body>
bool crashes(Body&& body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    std::signal(SIGSEGV, SIG_DFL);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

void protection() {
  float* const p = allocateDevice<float>(4);
  const char* protect = std::getenv("RNM_EMULATOR_PROTECT");
  CHECK_EQUAL(crashes([&] { poke(p); }), !(protect && std::string(protect) == "0"));
  float* pinned = nullptr;
  CHECK_OK(cudaMallocHost(&pinned, 16));
  CHECK(!crashes([&] { poke(pinned); }));
  CHECK_OK(cudaFreeHost(pinned));
  CHECK_OK(cudaFree(p));
}

void copyKinds() {
  DeviceArray<float> device(4), other(4);
  std::vector<float> host{1, 2, 3, 4}, back(4);
  float* pinned = nullptr;
  CHECK_OK(cudaMallocHost(&pinned, 16));
  CHECK_OK(cudaMemcpy(device.data, host.data(), 16, cudaMemcpyHostToDevice));
  CHECK_OK(cudaMemcpy(other.data, device.data, 16, cudaMemcpyDeviceToDevice));
  CHECK_OK(cudaMemcpy(pinned, other.data, 16, cudaMemcpyDefault));
  CHECK_OK(cudaMemcpy(back.data(), pinned, 16, cudaMemcpyHostToHost));
  CHECK(back == host);
  CHECK_EQUAL(cudaMemcpy(device.data, host.data(), 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(back.data(), device.data, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(device.data, host.data(), 16, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(back.data(), device.data, 17, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(device.data + 1, host.data(), 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(nullptr, host.data(), 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(device.data, host.data(), 16, static_cast<cudaMemcpyKind>(7)), cudaErrorInvalidMemcpyDirection);
  CHECK_EQUAL(cudaMemset(device.data, 0, 17), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaFree(pinned), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaFreeHost(device.data), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaFree(device.data + 1), cudaErrorInvalidValue);
  cudaPointerAttributes attributes{};
  CHECK_OK(cudaPointerGetAttributes(&attributes, device.data));
  CHECK_EQUAL(attributes.type, cudaMemoryTypeDevice);
  CHECK_OK(cudaPointerGetAttributes(&attributes, pinned));
  CHECK_EQUAL(attributes.type, cudaMemoryTypeHost);
  CHECK_OK(cudaPointerGetAttributes(&attributes, host.data()));
  CHECK_EQUAL(attributes.type, cudaMemoryTypeUnregistered);
  CHECK_OK(cudaFreeHost(pinned));
  // A column of a matrix of 3 x 5.
  DeviceArray<float> matrix(15);
  CHECK_OK(cudaMemset(matrix.data, 0, 60));
  CHECK_OK(cudaMemcpy2DAsync(matrix.data + 2, 20, host.data(), 4, 4, 3, cudaMemcpyHostToDevice, nullptr));
  const auto values = matrix.get();
  for (int i = 0; i < 15; ++i) CHECK_EQUAL(values[i], i % 5 == 2 ? 1 + i / 5 : 0);
  CHECK_EQUAL(cudaMemcpy2DAsync(matrix.data, 2, host.data(), 4, 4, 3, cudaMemcpyHostToDevice, nullptr),
              cudaErrorInvalidPitchValue);
  CHECK_EQUAL(cudaMemcpy2DAsync(matrix.data + 3, 20, host.data(), 12, 12, 3, cudaMemcpyHostToDevice, nullptr),
              cudaErrorInvalidValue);
  cudaGetLastError();
}

void deferral() {
  StreamScope stream;
  DeviceArray<float> device(1);
  float* pinned = nullptr;
  CHECK_OK(cudaMallocHost(&pinned, 4));
  *pinned = 7;
  const auto launch = config(1, 1, stream);
  CHECK_OK(cudaLaunchKernelEx(&launch, store, device.data, 3.0f));
  CHECK_OK(cudaMemcpyAsync(pinned, device.data, 4, cudaMemcpyDeviceToHost, stream));
  // Not waited for, so not there.
  CHECK_EQUAL(*pinned, 7);
  CHECK_EQUAL(cudaStreamQuery(stream), cudaErrorNotReady);
  CHECK_EQUAL(cudaGetLastError(), cudaErrorNotReady);
  CHECK_OK(cudaStreamQuery(stream));
  CHECK_EQUAL(*pinned, 3);
  // Pinned memory is read when the copy runs, pageable memory when it is asked for.
  float pageable = 10;
  *pinned = 20;
  DeviceArray<float> second(1);
  CHECK_OK(cudaMemcpyAsync(device.data, &pageable, 4, cudaMemcpyHostToDevice, stream));
  CHECK_OK(cudaMemcpyAsync(second.data, pinned, 4, cudaMemcpyHostToDevice, stream));
  pageable = 11;
  *pinned = 21;
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK_EQUAL(device.get()[0], 10);
  CHECK_EQUAL(second.get()[0], 21);
  CHECK_OK(cudaFreeHost(pinned));
}

void orderOfStreams() {
  StreamScope a, b;
  DeviceArray<float> x(std::vector<float>{0}), y(std::vector<float>{0});
  cudaEvent_t event = nullptr;
  CHECK_OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  const auto onA = config(1, 1, a), onB = config(1, 1, b);
  // Without the event b would see what x was before.
  CHECK_OK(cudaLaunchKernelEx(&onA, store, x.data, 5.0f));
  CHECK_OK(cudaLaunchKernelEx(&onB, increment, static_cast<const float*>(x.data), y.data));
  CHECK_OK(cudaStreamSynchronize(b));
  CHECK_OK(cudaStreamSynchronize(a));
  CHECK_EQUAL(y.get()[0], 1);
  CHECK_OK(cudaLaunchKernelEx(&onA, store, x.data, 8.0f));
  CHECK_OK(cudaEventRecord(event, a));
  CHECK_OK(cudaStreamWaitEvent(b, event, 0));
  CHECK_OK(cudaLaunchKernelEx(&onB, increment, static_cast<const float*>(x.data), y.data));
  CHECK_OK(cudaStreamSynchronize(b));
  CHECK_EQUAL(y.get()[0], 9);
  CHECK_OK(cudaEventDestroy(event));
}

void legacyStream() {
  // A blocking stream is ordered with the legacy default stream, a non-blocking one is not.
  for (const bool blocking : {true, false}) {
    StreamScope stream(blocking ? cudaStreamDefault : cudaStreamNonBlocking);
    DeviceArray<float> x(std::vector<float>{0}), y(1);
    const auto own = config(1, 1, stream), legacy = config(1, 1);
    CHECK_OK(cudaLaunchKernelEx(&own, store, x.data, 2.0f));
    CHECK_OK(cudaLaunchKernelEx(&legacy, increment, static_cast<const float*>(x.data), y.data));
    float value = 0;
    CHECK_OK(cudaMemcpy(&value, y.data, 4, cudaMemcpyDeviceToHost));
    CHECK_EQUAL(value, blocking ? 3 : 1);
    CHECK_OK(cudaStreamSynchronize(stream));
  }
}

void events() {
  StreamScope stream;
  DeviceArray<float> x(1);
  cudaEvent_t start = nullptr, end = nullptr, untimed = nullptr;
  CHECK_OK(cudaEventCreate(&start));
  CHECK_OK(cudaEventCreate(&end));
  CHECK_OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  float ms = -1;
  CHECK_EQUAL(cudaEventElapsedTime(&ms, start, end), cudaErrorInvalidResourceHandle);
  CHECK_OK(cudaEventQuery(start));
  const auto launch = config(1, 1, stream);
  CHECK_OK(cudaEventRecord(start, stream));
  CHECK_OK(cudaLaunchKernelEx(&launch, store, x.data, 1.0f));
  CHECK_OK(cudaEventRecord(end, stream));
  CHECK_EQUAL(cudaEventElapsedTime(&ms, start, end), cudaErrorNotReady);
  CHECK_EQUAL(cudaEventQuery(end), cudaErrorNotReady);
  CHECK_OK(cudaEventQuery(end));
  CHECK_OK(cudaEventElapsedTime(&ms, start, end));
  CHECK(ms >= 0 && ms < 1000);
  CHECK_OK(cudaEventRecord(untimed, stream));
  CHECK_OK(cudaEventSynchronize(untimed));
  CHECK_EQUAL(cudaEventElapsedTime(&ms, start, untimed), cudaErrorInvalidResourceHandle);
  for (const cudaEvent_t event : {start, end, untimed}) CHECK_OK(cudaEventDestroy(event));
  CHECK_EQUAL(cudaEventRecord(start, stream), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

void handles() {
  cudaStream_t gone = nullptr;
  CHECK_OK(cudaStreamCreate(&gone));
  CHECK_OK(cudaStreamDestroy(gone));
  CHECK_EQUAL(cudaStreamSynchronize(gone), cudaErrorInvalidResourceHandle);
  CHECK_EQUAL(cudaStreamDestroy(gone), cudaErrorInvalidResourceHandle);
  CHECK_EQUAL(cudaStreamCreateWithFlags(&gone, 99), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMalloc(static_cast<void**>(nullptr), 4), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaSetDevice(1), cudaErrorInvalidDevice);
  CHECK_EQUAL(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidDevice);
  CHECK_OK(cudaPeekAtLastError());
  CHECK(std::string(cudaGetErrorName(cudaErrorNotReady)) == "cudaErrorNotReady");
  CHECK(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)) == "out of memory");
}

void stagedFrees() {
  StreamScope stream;
  float* p = nullptr;
  CHECK_OK(cudaMallocAsync(&p, 4, stream));
  const auto launch = config(1, 1, stream);
  CHECK_OK(cudaLaunchKernelEx(&launch, store, p, 4.0f));
  CHECK_OK(cudaFreeAsync(p, stream));
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK_EQUAL(cudaFree(p), cudaErrorInvalidValue);
  cudaGetLastError();
}

void accounting() {
  size_t before = 0, after = 0, total = 0;
  CHECK_OK(cudaMemGetInfo(&before, &total));
  rnmEmulatorReset();
  {
    DeviceArray<char> block(1000);
    CHECK_OK(cudaMemGetInfo(&after, &total));
    CHECK_EQUAL(before - after, 1000);
    CHECK_EQUAL(rnmEmulatorCounters().allocations, 1);
    char* tooMuch = nullptr;
    CHECK_EQUAL(cudaMalloc(&tooMuch, total), cudaErrorMemoryAllocation);
    CHECK_EQUAL(cudaGetLastError(), cudaErrorMemoryAllocation);
  }
  CHECK_OK(cudaMemGetInfo(&after, &total));
  CHECK_EQUAL(before, after);
  // A large allocation must not become resident as a whole; freeing it gives the pages back.
  char* large = nullptr;
  CHECK_OK(cudaMalloc(&large, size_t{2} << 30));
  CHECK_OK(cudaFree(large));
}

}  // namespace

void runtime() {
  guardZones();
  freedMemory();
  poison();
  protection();
  copyKinds();
  deferral();
  orderOfStreams();
  legacyStream();
  events();
  handles();
  stagedFrees();
  accounting();
}

}  // namespace check
