// Device and pinned memory: guard zones, poison, and what an address is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "driver_types.h"

namespace rnm::emulator {

enum class Space { kHost, kPinned, kDevice };

constexpr unsigned char kFreshByte = 0xff;  // NaN in every floating-point type, -1 in integers

cudaError_t allocate(void** pointer, size_t size, Space space);
cudaError_t release(void* pointer, Space space);

Space spaceOf(const void* pointer);
// Whether [pointer, pointer + size) lies within one live allocation of the device, or of pinned
// memory, which a device can reach as well.
bool deviceCanAccess(const void* pointer, size_t size);
// For addresses in the emulator's hands: whether they belong to (or end) a live allocation. True
// for any other address.
bool liveIfOurs(const void* pointer);
// Faults if a guard zone or freed memory has been written to.
void checkMemory();

// While one exists device memory can be touched; otherwise the host gets a segmentation fault.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
};

}  // namespace rnm::emulator
