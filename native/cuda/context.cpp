#include "cuda/context.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "cuda/blas.h"
#include "cuda/error.h"
#include "cuda/graph.h"
#include "cuda/probe.h"
#include "cuda/product_choice.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {
namespace {

// Copies go through this much pinned memory at a time.
constexpr size_t kStagingBytes = 1 << 20;

std::string architectureOf(int device) {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "ask the GPU");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "ask the GPU");
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

}  // namespace

Context::Context(const Ways& ways, std::string cacheFolder)
    : ways_(ways), description_(requireGpu()) {
  int device = 0;
  check(cudaGetDevice(&device), "choose a GPU");
  architecture_ = architectureOf(device);
  for (cudaStream_t* stream : {&main_, &side_}) {
    check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "create a stream");
  }
  for (cudaEvent_t* event : {&forked_, &joined_, &staged_}) {
    check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "create an event");
  }
  blas_ = std::make_unique<Blas>(*this);
  chooser_ = std::make_unique<ProductChooser>(*this, std::move(cacheFolder));
  // Who insists on it is told at once.
  if (ways.sparseUse == SparseUse::always) sparseBlas();
}

Context::~Context() {
  waitForStreams();
  blas_.reset();
  sparseBlas_.reset();
  freeDeferred();
  for (const auto& buffers : scratch_) {
    for (const Buffer& buffer : buffers) cudaFree(buffer.memory);
  }
  for (const cudaEvent_t event : {forked_, joined_, staged_}) {
    if (event) cudaEventDestroy(event);
  }
  for (const cudaStream_t stream : {main_, side_}) {
    if (stream) cudaStreamDestroy(stream);
  }
}

SparseBlas& Context::sparseBlas() {
  if (!sparseBlas_) sparseBlas_ = std::make_unique<SparseBlas>();
  return *sparseBlas_;
}

bool Context::hasSparseBlas() {
  if (sparseBlas_) return true;
  if (!sparseProblem_.empty()) return false;
  try {
    sparseBlas();
  } catch (const std::runtime_error& error) {
    sparseProblem_ = error.what();
  }
  return sparseProblem_.empty();
}

void Context::synchronize(const char* attempt) {
  check(cudaStreamSynchronize(main_), attempt);
  // Else the main stream waited for it.
  if (branching_) check(cudaStreamSynchronize(side_), attempt);
}

void Context::waitForStreams() noexcept {
  for (const cudaStream_t stream : {main_, side_}) {
    if (stream) cudaStreamSynchronize(stream);
  }
}

void Context::requireNoGraph(const char* what) const {
  if (!graph_) return;
  throw std::invalid_argument(std::string("A graph cannot record ") + what +
                              ": do it before or after the graph");
}

void Context::requireNoBranch(const char* what) const {
  if (!branching_) return;
  throw std::invalid_argument(std::string("What is done together cannot contain ") + what +
                              ": do it before or after");
}

void* Context::allocate(size_t bytes, bool zeroed) {
  requireNoGraph("an allocation");
  void* memory = allocateOnDevice(bytes, kUseLessMemory);
  if (!zeroed) return memory;
  const cudaError_t cleared = cudaMemsetAsync(memory, 0, bytes, stream());
  if (cleared != cudaSuccess) cudaFree(memory);
  check(cleared, "clear memory");
  return memory;
}

void Context::release(void* memory) noexcept {
  // cudaFree waits for the GPU, which a recording stream does not allow.
  if (graph_) {
    deferred_.push_back(memory);
  } else {
    cudaFree(memory);
  }
}

void Context::release(PinnedBuffer memory) noexcept {
  if (graph_) {
    deferredPinned_.push_back(std::move(memory));
  } else {
    waitForStreams();
  }
}

void Context::freeDeferred() noexcept {
  for (void* memory : deferred_) cudaFree(memory);
  deferred_.clear();
  if (!deferredPinned_.empty()) waitForStreams();
  deferredPinned_.clear();
}

void* Context::scratch(Scratch slot, size_t bytes) {
  Buffer& buffer = scratch_[beside_][static_cast<int>(slot)];
  if (buffer.bytes < bytes) {
    void* larger = allocate(bytes, false);
    if (buffer.memory) release(buffer.memory);
    buffer = {larger, bytes};
    memoryMoved();
  }
  return buffer.memory;
}

void* Context::staging() const {
  if (!staging_.data()) staging_ = PinnedBuffer(kStagingBytes);
  return staging_.data();
}

void Context::upload(void* target, size_t pitch, const void* source, size_t rowBytes, size_t rows) {
  requireNoGraph("a copy from the host");
  if (rowBytes > kStagingBytes) {
    for (size_t row = 0; row < rows; ++row) {
      for (size_t at = 0; at < rowBytes; at += kStagingBytes) {
        const size_t part = std::min(kStagingBytes, rowBytes - at);
        upload(static_cast<char*>(target) + row * pitch + at, part,
               static_cast<const char*>(source) + row * rowBytes + at, part, 1);
      }
    }
    return;
  }
  void* buffer = staging();
  const size_t rowsAtOnce = kStagingBytes / rowBytes;
  for (size_t row = 0; row < rows; row += rowsAtOnce) {
    const size_t count = std::min(rowsAtOnce, rows - row);
    check(cudaEventSynchronize(staged_), "copy to the GPU");
    std::memcpy(buffer, static_cast<const char*>(source) + row * rowBytes, count * rowBytes);
    check(cudaMemcpy2DAsync(static_cast<char*>(target) + row * pitch, pitch, buffer, rowBytes,
                            rowBytes, count, cudaMemcpyHostToDevice, stream()),
          "copy to the GPU");
    check(cudaEventRecord(staged_, stream()), "copy to the GPU");
  }
}

void Context::download(void* target, const void* source, size_t pitch, size_t rowBytes,
                       size_t rows) const {
  requireNoGraph("a copy to the host");
  if (rowBytes > kStagingBytes) {
    for (size_t row = 0; row < rows; ++row) {
      for (size_t at = 0; at < rowBytes; at += kStagingBytes) {
        const size_t part = std::min(kStagingBytes, rowBytes - at);
        download(static_cast<char*>(target) + row * rowBytes + at,
                 static_cast<const char*>(source) + row * pitch + at, part, part, 1);
      }
    }
    return;
  }
  void* buffer = staging();
  // An upload on the other stream may still read it.
  if (branching_) check(cudaEventSynchronize(staged_), "copy from the GPU");
  const size_t rowsAtOnce = kStagingBytes / rowBytes;
  for (size_t row = 0; row < rows; row += rowsAtOnce) {
    const size_t count = std::min(rowsAtOnce, rows - row);
    check(cudaMemcpy2DAsync(buffer, rowBytes, static_cast<const char*>(source) + row * pitch,
                            pitch, rowBytes, count, cudaMemcpyDeviceToHost, stream()),
          "copy from the GPU");
    check(cudaStreamSynchronize(stream()), "compute on the GPU or copy from it");
    std::memcpy(static_cast<char*>(target) + row * rowBytes, buffer, count * rowBytes);
  }
}

bool Context::openBranch() {
  if (branching_) return false;
  branching_ = true;
  branched_ = false;
  return true;
}

void Context::enterBranch() {
  recordStep(Step::enter);
  if (!refreshing()) {
    check(cudaEventRecord(forked_, main_), "begin a branch");
    check(cudaStreamWaitEvent(side_, forked_, 0), "begin a branch");
  }
  branched_ = beside_ = true;
}

void Context::leaveBranch() {
  recordStep(Step::leave);
  beside_ = false;
}

void Context::joinBranch() {
  branching_ = false;
  recordStep(Step::join);
  if (!branched_ || refreshing()) return;
  check(cudaEventRecord(joined_, side_), "end a branch");
  check(cudaStreamWaitEvent(main_, joined_, 0), "end a branch");
}

void Context::abandonBranch() noexcept {
  try {
    joinBranch();
  } catch (const std::exception&) {
    // What was thrown first says more.
    cudaGetLastError();
  }
}

void Context::recordCall(const void* bytes, size_t count) {
  if (graph_) graph_->recordCall(bytes, count);
}

void Context::begin(Graph& graph, bool refresh) {
  graph_ = &graph;
  refreshing_ = refresh;
}

void Context::end() {
  graph_ = nullptr;
  refreshing_ = false;
  freeDeferred();
}

}  // namespace rnm::cuda
