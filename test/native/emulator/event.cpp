#include "event.h"

#include <set>

#include "clock.h"
#include "cuda_runtime_api.h"
#include "memory.h"
#include "state.h"

using namespace rnm::emulator;

namespace rnm::emulator {
namespace {

std::set<cudaEvent_t>& events() {
  static auto* const instance = new std::set<cudaEvent_t>;
  return *instance;
}
bool valid(cudaEvent_t event) { return events().count(event) > 0; }

bool passed(const EventState& state) { return !state.recorded || *state.time != std::chrono::steady_clock::time_point{}; }

}  // namespace
}  // namespace rnm::emulator

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return call([&] {
    if (!event || (flags & ~(cudaEventBlockingSync | cudaEventDisableTiming)) != 0) return cudaErrorInvalidValue;
    *event = new CUevent_st{(flags & cudaEventDisableTiming) == 0, {}};
    events().insert(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call([&] {
    if (!valid(event)) return cudaErrorInvalidResourceHandle;
    events().erase(event);
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call([&] {
    if (!valid(event) || !validStream(handle)) return cudaErrorInvalidResourceHandle;
    const auto stream = streamOf(handle);
    if (stream->capture) return recordInCapture(*stream, event->state);
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    const cudaError_t error = submit(*stream, [time] {
      *time = now();
      return cudaSuccess;
    });
    if (error == cudaSuccess) event->state = {true, stream->mark(), time, {}, false, {}};
    return error;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int flags) {
  return call([&] {
    if (!valid(event) || !validStream(handle)) return cudaErrorInvalidResourceHandle;
    if (flags != 0) return cudaErrorInvalidValue;
    const auto stream = streamOf(handle);
    if (event->state.captured) return waitInCapture(*stream, event->state);
    if (!event->state.recorded) return cudaSuccess;
    // Work outside the capture cannot be waited for by a graph.
    if (stream->capture) return refuseInCapture() ? cudaErrorStreamCaptureIsolation : cudaSuccess;
    return submit(*stream, [] { return cudaSuccess; }, {event->state.mark});
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (!valid(event)) return cudaErrorInvalidResourceHandle;
    if (event->state.captured) return cudaErrorCapturedEvent;
    if (const cudaError_t error = refuseInCapture()) return error;
    ++counters().synchronisations;
    if (event->state.recorded) event->state.mark.stream->runUntil(event->state.mark.count);
    checkMemory();
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call([&] {
    if (!valid(event)) return cudaErrorInvalidResourceHandle;
    if (event->state.captured) return cudaErrorCapturedEvent;
    if (const cudaError_t error = refuseInCapture()) return error;
    if (passed(event->state)) return cudaSuccess;
    event->state.mark.stream->runUntil(event->state.mark.count);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  return call([&] {
    if (!ms) return cudaErrorInvalidValue;
    for (const cudaEvent_t event : {start, end}) {
      if (!valid(event) || !event->timing || event->state.captured || !event->state.recorded) {
        return cudaErrorInvalidResourceHandle;
      }
    }
    if (!passed(start->state) || !passed(end->state)) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(*end->state.time - *start->state.time).count();
    return cudaSuccess;
  });
}
