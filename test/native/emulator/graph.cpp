// Capture of streams into graphs, and their replay.
#include <map>
#include <set>
#include <thread>

#include "cuda_runtime_api.h"
#include "event.h"
#include "state.h"
#include "stream.h"

namespace rnm::emulator {

// How many operations of every stream of a capture.
using Seen = std::map<const Stream*, uint64_t>;

struct Node {
  Operation operation;
  const Stream* stream;  // which it was captured from, and may be gone
  Seen after;
};

// Nodes in the order of the calls.
struct Recording {
  const Stream* origin;
  std::vector<Node> nodes;
};

struct Capture {
  const Stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  bool invalid = false;
  std::vector<Node> nodes;
  // For each stream of the capture: what its next operation comes after.
  std::map<const Stream*, Seen> seen;
  std::vector<std::shared_ptr<Stream>> streams;
};

namespace {

std::set<std::shared_ptr<Capture>>& captures() {
  static auto* const instance = new std::set<std::shared_ptr<Capture>>;
  return *instance;
}

void merge(Seen& into, const Seen& from) {
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
  capture.nodes.push_back({std::move(operation), &stream, capture.seen[&stream]});
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
  std::shared_ptr<const Recording> recording;
};
struct CUgraphExec_st {
  std::shared_ptr<const Recording> recording;
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

// Every stream of the capture is one again, of the same operations.
cudaError_t replay(const Recording& recording) {
  std::map<const Stream*, std::shared_ptr<Stream>> branches;
  const auto branchOf = [&](const Stream* stream) {
    std::shared_ptr<Stream>& branch = branches[stream];
    if (branch) return branch;
    branch = std::make_shared<Stream>(false);
    // Joining the capture counts as an operation.
    if (stream != recording.origin) branch->push([] { return cudaSuccess; }, {});
    return branch;
  };
  for (const Node& node : recording.nodes) {
    std::vector<Mark> after;
    for (const auto& [stream, count] : node.after) {
      if (stream != node.stream) after.push_back({branchOf(stream), count});
    }
    branchOf(node.stream)->push([&node] { return node.operation(); }, std::move(after));
  }
  branchOf(recording.origin)->runAll();
  for (const auto& [stream, branch] : branches) branch->runAll();
  return stickyError();
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
    *graph = new CUgraph_st{
        std::make_shared<const Recording>(Recording{capture->origin, std::move(capture->nodes)})};
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
    *count = graph->recording->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    if (!exec || graphs().count(graph) == 0) return cudaErrorInvalidValue;
    if (Injection::allocation() || Injection::graph()) return cudaErrorMemoryAllocation;
    *exec = new CUgraphExec_st{graph->recording};
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
    return submit(handle, [recording = exec->recording] { return replay(*recording); });
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
