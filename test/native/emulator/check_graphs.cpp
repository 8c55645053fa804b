// Capture, what it refuses, and replay.
#include <functional>
#include <thread>

#include "check_emulator.h"

namespace check {
namespace {

__global__ void add(float* values, float amount) { values[threadIdx.x] += amount; }
__global__ void product(const float* a, const float* b, float* out) { out[0] = a[0] * b[0]; }

cudaGraphExec_t instantiate(cudaGraph_t graph) {
  cudaGraphExec_t exec = nullptr;
  CHECK_OK(cudaGraphInstantiate(&exec, graph, 0));
  CHECK_OK(cudaGraphDestroy(graph));
  return exec;
}

void replay() {
  StreamScope stream;
  DeviceArray<float> x(std::vector<float>{1, 2}), y(2);
  float pageable[2] = {10, 20};
  float amount = 3;
  cudaGraph_t graph = nullptr;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  cudaStreamCaptureStatus status{};
  CHECK_OK(cudaStreamIsCapturing(stream, &status));
  CHECK_EQUAL(status, cudaStreamCaptureStatusActive);
  const auto launch = config(1, 2, stream);
  CHECK_OK(cudaLaunchKernelEx(&launch, add, x.data, amount));
  CHECK_OK(cudaMemcpyAsync(y.data, pageable, sizeof(pageable), cudaMemcpyHostToDevice, stream));
  CHECK_OK(cudaMemsetAsync(y.data, 0, sizeof(float), stream));
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  size_t nodes = 0;
  CHECK_OK(cudaGraphGetNodes(graph, nullptr, &nodes));
  CHECK_EQUAL(nodes, 3);
  const cudaGraphExec_t exec = instantiate(graph);
  CHECK_OK(cudaDeviceSynchronize());
  CHECK_EQUAL(x.get()[0], 1);  // captured, not run
  amount = 100;                // arguments are those of the capture
  for (int i = 1; i <= 3; ++i) {
    pageable[1] = 20.0f + i;  // but a copy reads its source at each replay
    CHECK_OK(cudaGraphLaunch(exec, stream));
    if (i == 1) {
      float early = 0;
      CHECK_OK(cudaMemcpy(&early, x.data, 4, cudaMemcpyDeviceToHost));
      CHECK_EQUAL(early, 1);  // a replay is late, too
    }
    CHECK_OK(cudaStreamSynchronize(stream));
    CHECK_EQUAL(x.get()[0], 1 + 3 * i);
    CHECK_EQUAL(y.get()[0], 0);
    CHECK_EQUAL(y.get()[1], 20 + i);
  }
  // An executable graph may be destroyed while its launch is still to come.
  CHECK_OK(cudaGraphLaunch(exec, stream));
  CHECK_OK(cudaGraphExecDestroy(exec));
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK_EQUAL(x.get()[0], 13);
  CHECK_EQUAL(cudaGraphLaunch(exec, stream), cudaErrorInvalidValue);
  cudaGetLastError();
}

void forkAndJoin() {
  StreamScope main, side;
  DeviceArray<float> a(std::vector<float>{2}), b(std::vector<float>{3}), out(1);
  cudaEvent_t fork = nullptr, join = nullptr;
  CHECK_OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  CHECK_OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  const auto onMain = config(1, 1, main), onSide = config(1, 1, side);
  for (const bool joined : {true, false}) {
    cudaGraph_t graph = nullptr;
    CHECK_OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
    CHECK_OK(cudaEventRecord(fork, main));
    CHECK_OK(cudaStreamWaitEvent(side, fork, 0));
    CHECK_OK(cudaLaunchKernelEx(&onSide, add, a.data, 1.0f));
    CHECK_OK(cudaLaunchKernelEx(&onMain, add, b.data, 1.0f));
    CHECK_OK(cudaEventRecord(join, side));
    if (joined) CHECK_OK(cudaStreamWaitEvent(main, join, 0));
    CHECK_OK(cudaLaunchKernelEx(&onMain, product, static_cast<const float*>(a.data), static_cast<const float*>(b.data), out.data));
    if (!joined) {
      CHECK_EQUAL(cudaStreamEndCapture(main, &graph), cudaErrorStreamCaptureUnjoined);
      CHECK(graph == nullptr);
      continue;
    }
    CHECK_EQUAL(cudaEventQuery(join), cudaErrorCapturedEvent);
    CHECK_OK(cudaStreamEndCapture(main, &graph));
    const cudaGraphExec_t exec = instantiate(graph);
    CHECK_OK(cudaGraphLaunch(exec, main));
    CHECK_OK(cudaStreamSynchronize(main));
    CHECK_EQUAL(out.get()[0], 12);
    CHECK_OK(cudaGraphExecDestroy(exec));
  }
  // The side stream is free again.
  CHECK_OK(cudaLaunchKernelEx(&onSide, add, a.data, 1.0f));
  CHECK_OK(cudaStreamSynchronize(side));
  CHECK_EQUAL(a.get()[0], 4);
  CHECK_OK(cudaEventDestroy(fork));
  CHECK_OK(cudaEventDestroy(join));
  cudaGetLastError();
}

// Two streams without a wait between them, in a graph or without: they share `x`, which the main one
// adds to and both then read.
std::pair<float, float> raced(const char* pace, bool graph) {
  StreamScope main, side;
  DeviceArray<float> x(std::vector<float>{1}), one(std::vector<float>{1}), read(2);
  cudaEvent_t fork = nullptr, join = nullptr;
  CHECK_OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  CHECK_OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  CHECK(rnmEmulatorStreams(pace));
  const auto onMain = config(1, 1, main), onSide = config(1, 1, side);
  if (graph) CHECK_OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
  CHECK_OK(cudaEventRecord(fork, main));
  CHECK_OK(cudaStreamWaitEvent(side, fork, 0));
  for (const auto& [launch, to] : {std::pair(onMain, read.data), std::pair(onSide, read.data + 1)}) {
    CHECK_OK(cudaLaunchKernelEx(&launch, add, x.data, 10.0f));
    CHECK_OK(cudaLaunchKernelEx(&launch, product, static_cast<const float*>(x.data),
                                static_cast<const float*>(one.data), to));
  }
  CHECK_OK(cudaEventRecord(join, side));
  CHECK_OK(cudaStreamWaitEvent(main, join, 0));
  if (graph) {
    cudaGraph_t recorded = nullptr;
    CHECK_OK(cudaStreamEndCapture(main, &recorded));
    const cudaGraphExec_t exec = instantiate(recorded);
    CHECK_OK(cudaGraphLaunch(exec, main));
    CHECK_OK(cudaGraphExecDestroy(exec));
  }
  CHECK_OK(cudaStreamSynchronize(main));
  CHECK(rnmEmulatorStreams("late"));
  CHECK_OK(cudaEventDestroy(fork));
  CHECK_OK(cudaEventDestroy(join));
  const std::vector<float> values = read.get();
  return {values[0], values[1]};
}

void races() {
  using Read = std::pair<float, float>;
  for (const bool graph : {false, true}) {
    CHECK(raced("late", graph) == Read(11, 21));
    CHECK(raced("in-turns", graph) == Read(21, 21));
    CHECK(raced("early", graph) == Read(21, 11));
  }
  CHECK(!rnmEmulatorStreams("soon"));
}

void refusals() {
  StreamScope stream, other;
  DeviceArray<float> x(std::vector<float>{1});
  float host = 0;
  void* p = nullptr;
  cudaEvent_t event = nullptr;
  CHECK_OK(cudaEventCreate(&event));
  CHECK_OK(cudaEventRecord(event, other));
  const std::pair<const char*, std::function<cudaError_t()>> calls[] = {
      {"cudaMalloc", [&] { return cudaMalloc(&p, 4); }},
      {"cudaFree", [&] { return cudaFree(x.data); }},
      {"cudaMallocHost", [&] { return cudaMallocHost(&p, 4); }},
      {"cudaMemcpy", [&] { return cudaMemcpy(&host, x.data, 4, cudaMemcpyDeviceToHost); }},
      {"cudaMemset", [&] { return cudaMemset(x.data, 0, 4); }},
      {"cudaDeviceSynchronize", [&] { return cudaDeviceSynchronize(); }},
      {"cudaStreamSynchronize", [&] { return cudaStreamSynchronize(stream); }},
      {"cudaStreamSynchronize of another", [&] { return cudaStreamSynchronize(other); }},
      {"cudaStreamQuery", [&] { return cudaStreamQuery(stream); }},
      {"cudaEventSynchronize", [&] { return cudaEventSynchronize(event); }},
      {"cudaEventQuery", [&] { return cudaEventQuery(event); }},
  };
  for (const auto& [name, body] : calls) {
    cudaGraph_t graph = nullptr;
    CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    const cudaError_t refused = body();
    if (refused != cudaErrorStreamCaptureUnsupported) std::printf("  %s gave %d\n", name, refused);
    CHECK_EQUAL(refused, cudaErrorStreamCaptureUnsupported);
    cudaStreamCaptureStatus status{};
    CHECK_OK(cudaStreamIsCapturing(stream, &status));
    CHECK_EQUAL(status, cudaStreamCaptureStatusInvalidated);
    const auto launch = config(1, 1, stream);
    CHECK_EQUAL(cudaLaunchKernelEx(&launch, add, x.data, 1.0f), cudaErrorStreamCaptureInvalidated);
    CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
  }
  // Relaxed captures allow them; those of other threads, too, unless they are global.
  cudaGraph_t graph = nullptr;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  CHECK_OK(cudaMalloc(&p, 4));
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  CHECK_OK(cudaGraphDestroy(graph));
  CHECK_OK(cudaFree(p));
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  std::thread([&] { CHECK_OK(cudaStreamSynchronize(other)); }).join();
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  CHECK_OK(cudaGraphDestroy(graph));
  CHECK_EQUAL(x.get()[0], 1);
  CHECK_OK(cudaEventDestroy(event));
  cudaGetLastError();
}

void misuse() {
  StreamScope stream, other;
  StreamScope blocking(cudaStreamDefault);
  DeviceArray<float> x(1);
  cudaGraph_t graph = nullptr;
  CHECK_EQUAL(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK_EQUAL(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  // Waiting for work that is not part of the capture.
  cudaEvent_t event = nullptr;
  CHECK_OK(cudaEventCreate(&event));
  CHECK_OK(cudaEventRecord(event, other));
  CHECK_EQUAL(cudaStreamWaitEvent(stream, event, 0), cudaErrorStreamCaptureIsolation);
  CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  // The legacy default stream would have to wait for a capture of a blocking stream.
  CHECK_OK(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeGlobal));
  const auto legacy = config(1, 1);
  CHECK_EQUAL(cudaLaunchKernelEx(&legacy, add, x.data, 1.0f), cudaErrorStreamCaptureImplicit);
  CHECK_EQUAL(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  CHECK_OK(cudaEventDestroy(event));
  cudaGetLastError();
}

void staleReplay() {
  StreamScope stream;
  float* p = nullptr;
  CHECK_OK(cudaMalloc(&p, 4));
  cudaGraph_t graph = nullptr;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const auto launch = config(1, 1, stream);
  CHECK_OK(cudaLaunchKernelEx(&launch, add, p, 1.0f));
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  const cudaGraphExec_t exec = instantiate(graph);
  CHECK_OK(cudaFree(p));
  CHECK_OK(cudaGraphLaunch(exec, stream));
  CHECK_EQUAL(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  CHECK(faulted("freed memory"));
  CHECK_OK(cudaGraphExecDestroy(exec));
}

}  // namespace

void graphs() {
  replay();
  forkAndJoin();
  races();
  refusals();
  misuse();
  staleReplay();
}

}  // namespace check
