#include "cuda/graph.h"

#include <stdexcept>
#include <string>

#include "cuda/error.h"
#include "cuda/kernels.h"

namespace rnm::cuda {

Graph::Graph(Context& context) : context_(context), device_(context, kMaxScalars) {}

Graph::~Graph() { destroy(); }

void Graph::destroy() noexcept {
  if (executable_) cudaGraphExecDestroy(executable_);
  executable_ = nullptr;
  nodes_ = 0;
}

void Graph::beginCapture() {
  context_.requireNoGraph("another graph");
  context_.requireNoBranch("a graph");
  // What was enqueued before is not part of the graph, and its replaced one may still run.
  context_.synchronize("finish before recording a graph");
  destroy();
  used_ = 0;
  calls_ = kNoCalls;
  check(cudaStreamBeginCapture(context_.stream(), cudaStreamCaptureModeThreadLocal),
        "begin to record a graph");
  context_.begin(*this, false);
}

void Graph::endCapture() {
  cudaGraph_t recorded = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(context_.stream(), &recorded);
  // Frees memory, which would have spoilt the recording.
  context_.end();
  check(ended, "record a graph");
  cudaError_t status = cudaGraphGetNodes(recorded, nullptr, &nodes_);
  if (status == cudaSuccess) status = cudaGraphInstantiate(&executable_, recorded, 0);
  cudaGraphDestroy(recorded);
  if (status != cudaSuccess) {
    executable_ = nullptr;
    nodes_ = 0;
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw std::runtime_error(std::string("Not enough memory on the GPU for a graph: ") +
                             kUseLessMemory);
  }
  check(status, "make a graph of what was recorded");
  recordedCalls_ = calls_;
  epoch_ = context_.epoch();
}

void Graph::cancel() noexcept {
  if (context_.capturing()) {
    cudaGraph_t recorded = nullptr;
    cudaStreamEndCapture(context_.stream(), &recorded);
    if (recorded) cudaGraphDestroy(recorded);
    cudaGetLastError();
  }
  context_.end();
}

bool Graph::current() const { return executable_ != nullptr && epoch_ == context_.epoch(); }

void Graph::beginRefresh() {
  context_.requireNoGraph("another graph");
  context_.requireNoBranch("a graph");
  if (!current()) throw std::invalid_argument("Record the graph before it is launched");
  used_ = 0;
  calls_ = kNoCalls;
  context_.begin(*this, true);
}

void Graph::launch() {
  context_.end();
  if (calls_ != recordedCalls_) {
    throw std::invalid_argument("Expected the calls of a graph to be the ones that it recorded");
  }
  // As a kernel's arguments the numbers are copied at once: launches may queue up.
  if (used_ > 0) storeScalars(context_, device_.data(), values_.data(), used_);
  check(cudaGraphLaunch(executable_, context_.stream()), "launch a graph");
}

}  // namespace rnm::cuda
