// cudaMemcpy and cudaMemset in their variants.
#include <cstring>
#include <vector>

#include "cuda_runtime_api.h"
#include "memory.h"
#include "state.h"
#include "stream.h"

namespace rnm::emulator {
namespace {

struct Copy {
  void* dst;
  size_t dstPitch;
  const void* src;
  size_t srcPitch;
  size_t width, height;

  size_t dstSize() const { return height ? dstPitch * (height - 1) + width : 0; }
  size_t srcSize() const { return height ? srcPitch * (height - 1) + width : 0; }
  void run() const {
    for (size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<char*>(dst) + row * dstPitch, static_cast<const char*>(src) + row * srcPitch, width);
    }
  }
};

// Whether an address may be on the side that a kind names. Memory of the emulator has to be live
// and large enough wherever it is; other host memory cannot be checked.
bool fits(const void* pointer, size_t size, bool onDevice) {
  if (!pointer) return false;
  const Space space = spaceOf(pointer);
  if (space == Space::kHost) return !onDevice;
  if (!deviceCanAccess(pointer, size)) return false;
  return onDevice || space == Space::kPinned;
}

cudaError_t check(const Copy& copy, cudaMemcpyKind kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  const bool any = kind == cudaMemcpyDefault;
  const bool toDevice = any ? spaceOf(copy.dst) != Space::kHost
                            : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool fromDevice = any ? spaceOf(copy.src) != Space::kHost
                              : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return fits(copy.dst, copy.dstSize(), toDevice) && fits(copy.src, copy.srcSize(), fromDevice)
             ? cudaSuccess
             : cudaErrorInvalidValue;
}

// The source of a copy from pageable memory is read before the call returns.
Operation staged(const Copy& copy) {
  auto data = std::make_shared<std::vector<char>>(copy.srcSize());
  std::memcpy(data->data(), copy.src, data->size());
  return [copy, data] {
    Copy later = copy;
    later.src = data->data();
    later.run();
    return cudaSuccess;
  };
}

cudaError_t copyAsync(const Copy& copy, cudaMemcpyKind kind, cudaStream_t handle) {
  if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
  if (copy.width == 0 || copy.height == 0) return cudaSuccess;
  if (copy.dstPitch < copy.width || copy.srcPitch < copy.width) return cudaErrorInvalidPitchValue;
  if (const cudaError_t error = check(copy, kind)) return error;
  ++counters().copies;
  Stream& stream = *streamOf(handle);
  // Memory is looked at again when the copy runs: it may have been freed, or be part of a graph.
  const Operation plain = [copy, kind] {
    if (const cudaError_t error = check(copy, kind)) return error;
    copy.run();
    return cudaSuccess;
  };
  if (stream.capture) return submit(stream, plain);
  if (spaceOf(copy.src) == Space::kHost) return submit(stream, staged(copy));
  if (const cudaError_t error = submit(stream, plain)) return error;
  // A copy to pageable memory is done when the call returns.
  if (spaceOf(copy.dst) == Space::kHost) stream.runAll();
  return cudaSuccess;
}

cudaError_t setAsync(void* pointer, int value, size_t count, cudaStream_t handle) {
  if (!validStream(handle)) return cudaErrorInvalidResourceHandle;
  if (count == 0) return cudaSuccess;
  if (!deviceCanAccess(pointer, count)) return cudaErrorInvalidValue;
  ++counters().fills;
  return submit(handle, [pointer, value, count] {
    if (!deviceCanAccess(pointer, count)) return cudaErrorIllegalAddress;
    std::memset(pointer, value, count);
    return cudaSuccess;
  });
}

}  // namespace
}  // namespace rnm::emulator

using namespace rnm::emulator;

cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t count, cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] { return copyAsync({dst, count, src, count, count, 1}, kind, stream); });
}

cudaError_t cudaMemcpy2DAsync(void* dst, size_t dpitch, const void* src, size_t spitch, size_t width, size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] { return copyAsync({dst, dpitch, src, spitch, width, height}, kind, stream); });
}

cudaError_t cudaMemcpy(void* dst, const void* src, size_t count, cudaMemcpyKind kind) {
  return call([&] {
    if (const cudaError_t error = refuseInCapture()) return error;
    if (const cudaError_t error = copyAsync({dst, count, src, count, count, 1}, kind, nullptr)) return error;
    // Copies within the device are the only ones that the host does not wait for.
    if (spaceOf(dst) == Space::kDevice && spaceOf(src) == Space::kDevice) return cudaSuccess;
    ++counters().synchronisations;
    streamOf(nullptr)->runAll();
    checkMemory();
    return cudaSuccess;
  });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t count, cudaStream_t stream) {
  return call([&] { return setAsync(pointer, value, count, stream); });
}

cudaError_t cudaMemset(void* pointer, int value, size_t count) {
  return call([&] {
    if (const cudaError_t error = refuseInCapture()) return error;
    return setAsync(pointer, value, count, nullptr);
  });
}
