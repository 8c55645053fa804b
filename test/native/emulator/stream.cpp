#include "stream.h"

#include <algorithm>
#include <set>

#include "cuda_runtime_api.h"
#include "memory.h"
#include "state.h"

namespace rnm::emulator {

namespace {

struct Streams {
  std::shared_ptr<Stream> legacy = std::make_shared<Stream>(true);
  std::set<cudaStream_t> handles;
};

Streams& streams() {
  static Streams* const instance = new Streams;
  return *instance;
}

// All there are, the branches of a graph that is being replayed among them.
std::vector<Stream*>& everyStream() {
  static auto* const instance = new std::vector<Stream*>;
  return *instance;
}

bool isLegacy(cudaStream_t stream) { return stream == nullptr || stream == cudaStreamLegacy; }

}  // namespace

Stream::Stream(bool blocking) : blocking(blocking) { everyStream().push_back(this); }

Stream::~Stream() { std::erase(everyStream(), this); }

void Stream::push(Operation operation, std::vector<Mark> after) {
  entries_.push_back({std::move(operation), std::move(after)});
  ++queued_;
}

void Stream::runUntil(uint64_t count) {
  if (done_ >= count) return;
  DeviceAccess access;  // one for all that is to be run: each takes two calls of the kernel
  for (;;) {
    // They may be graphs, whose branches let this one run.
    letOthersRun();
    if (done_ >= count) return;
    runNext();
  }
}

void Stream::runNext() {
  const Entry entry = std::move(entries_.front());
  entries_.pop_front();
  running_ = true;
  for (const Mark& mark : entry.after) mark.stream->runUntil(mark.count);
  if (stickyError() == cudaSuccess) {
    const cudaError_t error = entry.operation();
    if (error != cudaSuccess) fault(error, std::string("work on a stream failed: ") + cudaGetErrorName(error));
  }
  running_ = false;
  ++done_;
}

bool Stream::ready() const {
  if (running_ || entries_.empty()) return false;
  const auto passed = [](const Mark& mark) { return mark.stream->done_ >= mark.count; };
  return std::all_of(entries_.front().after.begin(), entries_.front().after.end(), passed);
}

// Operations that nobody waits for: none, one of each stream, or all that can run.
void Stream::letOthersRun() {
  const Pace pace = Injection::pace();
  for (bool more = pace != Pace::kLate; more;) {
    more = false;
    for (Stream* const other : std::vector(everyStream())) {
      if (other == this || !other->ready()) continue;
      other->runNext();
      more = pace == Pace::kEarly;
    }
  }
}

bool validStream(cudaStream_t stream) { return isLegacy(stream) || streams().handles.count(stream) > 0; }

std::shared_ptr<Stream> streamOf(cudaStream_t stream) {
  return isLegacy(stream) ? streams().legacy : stream->stream;
}

void runAllStreams() {
  DeviceAccess access;
  streams().legacy->runAll();
  for (const cudaStream_t handle : streams().handles) handle->stream->runAll();
  checkMemory();
}

std::vector<Mark> implicitMarks(Stream& stream) {
  std::vector<Mark> marks;
  if (&stream == streams().legacy.get()) {
    for (const cudaStream_t handle : streams().handles) {
      if (handle->stream->blocking && !handle->stream->idle()) marks.push_back(handle->stream->mark());
    }
  } else if (stream.blocking && !streams().legacy->idle()) {
    marks.push_back(streams().legacy->mark());
  }
  return marks;
}

cudaError_t submit(Stream& stream, Operation operation, std::vector<Mark> after) {
  if (stream.capture) return addToCapture(stream, std::move(operation));
  if (&stream == streams().legacy.get()) {
    if (const cudaError_t error = refuseImplicit()) return error;
  }
  std::vector<Mark> marks = implicitMarks(stream);
  marks.insert(marks.end(), after.begin(), after.end());
  stream.push(std::move(operation), std::move(marks));
  return cudaSuccess;
}

cudaError_t submit(cudaStream_t stream, Operation operation) {
  if (!validStream(stream)) return cudaErrorInvalidResourceHandle;
  return submit(*streamOf(stream), std::move(operation));
}

}  // namespace rnm::emulator

using namespace rnm::emulator;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return call([&] {
    if (!stream || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *stream = new CUstream_st{std::make_shared<Stream>(flags == cudaStreamDefault)};
    streams().handles.insert(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call([&] {
    if (isLegacy(stream) || !validStream(stream)) return cudaErrorInvalidResourceHandle;
    // A real one would finish its work on its own; here nobody would run it any more.
    stream->stream->runAll();
    streams().handles.erase(stream);
    delete stream;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call([&] {
    if (!validStream(stream)) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = refuseInCapture()) return error;
    ++counters().synchronisations;
    DeviceAccess access;
    const auto target = streamOf(stream);
    for (const Mark& mark : implicitMarks(*target)) mark.stream->runUntil(mark.count);
    target->runAll();
    checkMemory();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call([&] {
    if (const cudaError_t error = refuseInCapture()) return error;
    ++counters().synchronisations;
    runAllStreams();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call([&] {
    if (!validStream(stream)) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = refuseInCapture()) return error;
    const auto target = streamOf(stream);
    if (target->idle()) return cudaSuccess;
    target->runAll();
    return cudaErrorNotReady;
  });
}
