// The one emulated GPU, and the names of errors.
#include <cstdio>
#include <cstring>

#include "cuda_runtime_api.h"
#include "state.h"

namespace rnm::emulator {
namespace {

constexpr int kMaxThreads = 1024, kProcessors = 4;

struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
#define RNM_ERROR(name, text) {name, #name, text}
constexpr ErrorText kErrors[] = {
    RNM_ERROR(cudaSuccess, "no error"),
    RNM_ERROR(cudaErrorInvalidValue, "invalid argument"),
    RNM_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    RNM_ERROR(cudaErrorInitializationError, "initialization error"),
    RNM_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    RNM_ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    RNM_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    RNM_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    RNM_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    RNM_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    RNM_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    RNM_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    RNM_ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    RNM_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    RNM_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    RNM_ERROR(cudaErrorNotReady, "device not ready"),
    RNM_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    RNM_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    RNM_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    RNM_ERROR(cudaErrorAssert, "device-side assert triggered"),
    RNM_ERROR(cudaErrorHardwareStackError, "hardware stack error"),
    RNM_ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    RNM_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    RNM_ERROR(cudaErrorInvalidAddressSpace, "operation not supported on this address space"),
    RNM_ERROR(cudaErrorInvalidPc, "invalid program counter"),
    RNM_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    RNM_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    RNM_ERROR(cudaErrorNotSupported, "operation not supported"),
    RNM_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    RNM_ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    RNM_ERROR(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences"),
    RNM_ERROR(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    RNM_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    RNM_ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    RNM_ERROR(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing stream"),
    RNM_ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    RNM_ERROR(cudaErrorStreamCaptureWrongThread, "capture was begun by another thread"),
    RNM_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef RNM_ERROR

const ErrorText* find(cudaError_t error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return &entry;
  }
  return nullptr;
}

cudaDeviceProp properties() {
  cudaDeviceProp p{};
  std::strcpy(p.name, "Emulated GPU (host)");
  std::strcpy(p.uuid.bytes, "emulated GPU");
  p.totalGlobalMem = Injection::memory();
  p.sharedMemPerBlock = p.sharedMemPerBlockOptin = 48 << 10;
  p.sharedMemPerMultiprocessor = 100 << 10;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.maxThreadsPerBlock = kMaxThreads;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = kMaxThreads;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7fffffff;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 65536;
  p.major = Injection::capability() / 10;
  p.minor = Injection::capability() % 10;
  p.multiProcessorCount = kProcessors;
  p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = p.asyncEngineCount = p.memoryPoolsSupported = 1;
  p.memoryBusWidth = 64;
  p.l2CacheSize = 1 << 20;
  p.maxThreadsPerMultiProcessor = 2 * kMaxThreads;
  return p;
}

}  // namespace
}  // namespace rnm::emulator

using namespace rnm::emulator;

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry ? entry->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* entry = find(error);
  return entry ? entry->text : "unrecognized error code";
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    if (!count) return cudaErrorInvalidValue;
    *count = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&] {
    if (!device) return cudaErrorInvalidValue;
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* prop, int device) {
  return call([&] {
    if (!prop) return cudaErrorInvalidValue;
    if (device != 0) return cudaErrorInvalidDevice;
    *prop = properties();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call([&] {
    if (!value) return cudaErrorInvalidValue;
    if (device != 0) return cudaErrorInvalidDevice;
    const cudaDeviceProp p = properties();
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
      case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(p.sharedMemPerBlock); break;
      case cudaDevAttrWarpSize: *value = p.warpSize; break;
      case cudaDevAttrClockRate: *value = 1000000; break;
      case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
      case cudaDevAttrMemoryClockRate: *value = 1000000; break;
      case cudaDevAttrGlobalMemoryBusWidth: *value = p.memoryBusWidth; break;
      case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
      case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
      case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
      case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
      case cudaDevAttrMemoryPoolsSupported: *value = p.memoryPoolsSupported; break;
      default: return cudaErrorInvalidValue;
    }
    return cudaSuccess;
  });
}

// Versions can be asked for on a machine without a GPU or a driver (which is then version 0).
cudaError_t cudaRuntimeGetVersion(int* version) {
  if (!version) return record(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (!version) return record(cudaErrorInvalidValue);
  *version = Injection::driverVersion(CUDART_VERSION);
  return cudaSuccess;
}
