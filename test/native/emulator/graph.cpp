// Capture of streams into graphs, and their replay.
#include <map>
#include <set>
#include <thread>

#include "cuda_runtime_api.h"
#include "event.h"
#include "state.h"
#include "stream.h"

namespace rnm::emulator {

// Operations in the order of the calls, which respects every dependency between the streams.
using Nodes = std::vector<Operation>;

struct Capture {
  const Stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  bool invalid = false;
  Nodes nodes;
  // For each stream of the capture: how many operations of every stream its next one comes after.
  std::map<const Stream*, std::map<const Stream*, uint64_t>> seen;
  std::vector<std::shared_ptr<Stream>> streams;
};

namespace {

std::set<std::shared_ptr<Capture>>& captures() {
  static auto* const instance = new std::set<std::shared_ptr<Capture>>;
  return *instance;
}

void merge(std::map<const Stream*, uint64_t>& into, const std::map<const Stream*, uint64_t>& from) {
  for (const auto& [stream, count] : from) into[stream] = std::max(into[stream], count);
}

bool joined(Capture& capture) {
  auto& origin = capture.seen[capture.origin];
  for (const auto& stream : capture.streams) {
    if (origin[stream.get()] < capture.seen[stream.get()][stream.get()]) return false;
  }
  return true;
}

void end(const std::shared_ptr<Capture>& capture) {
  for (const auto& stream : capture->streams) stream->capture.reset();
  captures().erase(capture);
}

}  // namespace

cudaError_t refuseInCapture() {
  bool refused = false;
  for (const auto& capture : captures()) {
    const bool own = capture->thread == std::this_thread::get_id();
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal && !own) continue;
    capture->invalid = refused = true;
  }
  return refused ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t refuseImplicit() {
  bool refused = false;
  for (const auto& capture : captures()) {
    if (capture->mode == cudaStreamCaptureModeRelaxed || !capture->origin->blocking) continue;
    capture->invalid = refused = true;
  }
  return refused ? cudaErrorStreamCaptureImplicit : cudaSuccess;
}

cudaError_t addToCapture(Stream& stream, Operation operation) {
  Capture& capture = *stream.capture;
  if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
  capture.nodes.push_back(std::move(operation));
  ++capture.seen[&stream][&stream];
  return cudaSuccess;
}

cudaError_t recordInCapture(Stream& stream, EventState& event) {
  if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  event = {};
  event.captured = true;
  event.capture = stream.capture;
  event.seen = stream.capture->seen[&stream];
  return cudaSuccess;
}

cudaError_t waitInCapture(Stream& stream, const EventState& event) {
  const auto capture = event.capture.lock();
  if (!capture || captures().count(capture) == 0) return cudaErrorCapturedEvent;
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream.capture && stream.capture != capture) {
    capture->invalid = stream.capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (!stream.capture) {
    stream.capture = capture;
    capture->streams.push_back(stream.shared_from_this());
    // Joining is itself something that the origin has to wait for.
    ++capture->seen[&stream][&stream];
  }
  merge(capture->seen[&stream], event.seen);
  return cudaSuccess;
}

}  // namespace rnm::emulator

using namespace rnm::emulator;

struct CUgraph_st {
  std::shared_ptr<Nodes> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<Nodes> nodes;
};

namespace rnm::emulator {
namespace {
std::set<cudaGraph_t>& graphs() {
  static auto* const instance = new std::set<cudaGraph_t>;
  return *instance;
}
std::set<cudaGraphExec_t>& executables() {
  static auto* const instance = new std::set<cudaGraphExec_t>;
  return *instance;
}
}  // namespace
}  // namespace rnm::emulator

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call([&] {
    if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
    if (mode < cudaStreamCaptureModeGlobal || mode > cudaStreamCaptureModeRelaxed) return cudaErrorInvalidValue;
    const auto stream = streamOf(handle);
    if (stream == streamOf(nullptr)) return cudaErrorStreamCaptureUnsupported;
    if (stream->capture) return cudaErrorIllegalState;
    auto capture = std::make_shared<Capture>();
    capture->origin = stream.get();
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->streams.push_back(stream);
    stream->capture = capture;
    captures().insert(capture);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call([&] {
    if (!graph) return cudaErrorInvalidValue;
    if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
    *graph = nullptr;
    const auto capture = streamOf(handle)->capture;
    if (!capture) return cudaErrorIllegalState;
    if (capture->origin != streamOf(handle).get()) {
      capture->invalid = true;
      return cudaErrorStreamCaptureUnmatched;
    }
    if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
      return cudaErrorStreamCaptureWrongThread;
    }
    end(capture);
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!joined(*capture)) return cudaErrorStreamCaptureUnjoined;
    *graph = new CUgraph_st{std::make_shared<Nodes>(std::move(capture->nodes))};
    graphs().insert(*graph);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call([&] {
    if (!status) return cudaErrorInvalidValue;
    if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
    const auto capture = streamOf(handle)->capture;
    *status = !capture           ? cudaStreamCaptureStatusNone
              : capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call([&] {
    if (graphs().count(graph) == 0 || !count) return cudaErrorInvalidValue;
    if (nodes) return cudaErrorNotSupported;  // nodes have no handles here, only a number
    *count = graph->nodes->size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    if (!exec || graphs().count(graph) == 0) return cudaErrorInvalidValue;
    if (Injection::allocation() || Injection::graph()) return cudaErrorMemoryAllocation;
    *exec = new CUgraphExec_st{graph->nodes};
    executables().insert(*exec);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call([&] {
    if (executables().count(exec) == 0) return cudaErrorInvalidValue;
    return validStream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  return call([&] {
    if (executables().count(exec) == 0) return cudaErrorInvalidValue;
    if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
    if (Injection::launch()) return cudaErrorLaunchOutOfResources;
    ++counters().graphLaunches;
    return submit(handle, [nodes = exec->nodes] {
      for (const Operation& node : *nodes) {
        if (const cudaError_t error = node()) return error;
        if (const cudaError_t error = stickyError()) return error;
      }
      return cudaSuccess;
    });
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call([&] {
    if (executables().erase(exec) == 0) return cudaErrorInvalidValue;
    delete exec;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call([&] {
    if (graphs().erase(graph) == 0) return cudaErrorInvalidValue;
    delete graph;
    return cudaSuccess;
  });
}
