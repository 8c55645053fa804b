#include "state.h"

#include <cstdio>

#include "cuda_runtime_api.h"

namespace rnm::emulator {

namespace {
cudaError_t sticky = cudaSuccess;
std::string firstFault;
RnmEmulatorCounters counts{};
thread_local cudaError_t lastError = cudaSuccess;
}  // namespace

std::recursive_mutex& deviceMutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

RnmEmulatorCounters& counters() { return counts; }

void fault(cudaError_t error, const std::string& message) {
  if (sticky == cudaSuccess) {
    sticky = error;
    firstFault = message;
    std::fprintf(stderr, "Emulated CUDA: %s\n", message.c_str());
  }
}

cudaError_t stickyError() { return sticky; }

cudaError_t record(cudaError_t error) {
  if (error != cudaSuccess) lastError = error;
  return error;
}

}  // namespace rnm::emulator

using namespace rnm::emulator;

const char* rnmEmulatorFault() {
  std::lock_guard lock(deviceMutex());
  return firstFault.empty() ? nullptr : firstFault.c_str();
}

RnmEmulatorCounters rnmEmulatorCounters() {
  std::lock_guard lock(deviceMutex());
  return counts;
}

void rnmEmulatorReset() {
  std::lock_guard lock(deviceMutex());
  const size_t live = counts.liveBytes;
  sticky = cudaSuccess;
  lastError = cudaSuccess;
  firstFault.clear();
  counts = {};
  counts.liveBytes = counts.peakBytes = live;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = stickyError() ? stickyError() : lastError;
  lastError = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return stickyError() ? stickyError() : lastError; }
