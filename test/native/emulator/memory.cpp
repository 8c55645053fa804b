#include "memory.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "cuda_runtime_api.h"
#include "sanitizer.h"
#include "state.h"
#include "stream.h"

namespace rnm::emulator {

namespace {

constexpr size_t kAlignment = 256, kGuard = 256, kPage = 4096;
constexpr unsigned char kGuardByte = 0xa7, kFreedByte = 0xf7;
// Larger allocations are only filled at both ends, so that a replay buffer does not become resident.
constexpr size_t kFillWhole = size_t{4} << 20, kFillEnds = size_t{256} << 10;
// Freed memory is watched until this much has been freed after it: all of it is read whenever
// something waits.
constexpr size_t kWatched = size_t{4} << 20;

size_t roundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

RNM_EMULATOR_UNCHECKED void fill(uintptr_t from, size_t size, unsigned char byte) {
  auto* p = reinterpret_cast<unsigned char*>(from);
  for (size_t i = 0; i < size; ++i) p[i] = byte;
}

// Eight bytes at a time: sanitizers keep the compiler from doing it.
RNM_EMULATOR_UNCHECKED bool filledWith(uintptr_t from, size_t size, unsigned char byte) {
  typedef uint64_t Word __attribute__((aligned(1), may_alias));
  const uint64_t word = byte * uint64_t{0x0101010101010101};
  uint64_t difference = 0;
  size_t i = 0;
  for (; i + sizeof word <= size; i += sizeof word) difference |= *reinterpret_cast<const Word*>(from + i) ^ word;
  for (; i < size; ++i) difference |= *reinterpret_cast<const unsigned char*>(from + i) ^ byte;
  return difference == 0;
}

void fillEnds(uintptr_t from, size_t size, unsigned char byte) {
  if (size <= kFillWhole) return fill(from, size, byte);
  fill(from, kFillEnds, byte);
  fill(from + size - kFillEnds, kFillEnds, byte);
}

bool endsFilledWith(uintptr_t from, size_t size, unsigned char byte) {
  if (size <= kFillWhole) return filledWith(from, size, byte);
  return filledWith(from, kFillEnds, byte) && filledWith(from + size - kFillEnds, kFillEnds, byte);
}

struct Allocation {
  size_t size;
  bool live;
};

// A range of addresses from which memory is cut off in order. No address is ever given out twice,
// so that a stale pointer stays recognisable.
class Arena {
 public:
  void* allocate(size_t size);
  bool release(uintptr_t at);
  const Allocation* find(uintptr_t address, uintptr_t* start) const;
  bool contains(uintptr_t address) const { return base_ != 0 && address >= base_ && address < base_ + kReserved; }
  // Describes the first damage and repairs it, or returns an empty string.
  std::string damage();
  // The same around one allocation; its front is skipped where `looked` says that it was seen.
  std::string damageAround(uintptr_t at, size_t size, uintptr_t looked = 0);
  void protect(int access) {
    if (base_ && mprotect(reinterpret_cast<void*>(base_), roundUp(top_ - base_, kPage), access) != 0) std::abort();
  }

 private:
  void reserve();
  void forgetOldest();

  static constexpr size_t kReserved = size_t{1} << 40;
  uintptr_t base_ = 0, top_ = 0;
  std::map<uintptr_t, Allocation> allocations_;
  std::map<uintptr_t, size_t> watched_;  // with their sizes: what lives, and what was freed last
  std::deque<uintptr_t> freed_;
  size_t freedBytes_ = 0;
};

void Arena::reserve() {
  void* p = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::perror("Emulated CUDA: no address space");
    std::abort();
  }
  base_ = reinterpret_cast<uintptr_t>(p);
  top_ = base_;
}

void* Arena::allocate(size_t size) {
  if (!base_) reserve();
  const size_t room = roundUp(size, kAlignment) + kGuard;
  const bool first = top_ == base_;
  const uintptr_t start = first ? base_ + kGuard : top_;
  if (start + room > base_ + kReserved) return nullptr;
  const uintptr_t pages = base_ + roundUp(top_ - base_, kPage);
  const uintptr_t newTop = start + room, newPages = base_ + roundUp(newTop - base_, kPage);
  if (newPages > pages && mprotect(reinterpret_cast<void*>(pages), newPages - pages, PROT_READ | PROT_WRITE) != 0) {
    return nullptr;
  }
  if (first) {
    fill(base_, kGuard, kGuardByte);
    ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(base_), kGuard);
  }
  fillEnds(start, size, kFreshByte);
  fill(start + size, newTop - start - size, kGuardByte);
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(start + size), newTop - start - size);
  top_ = newTop;
  allocations_[start] = {size, true};
  watched_[start] = size;
  return reinterpret_cast<void*>(start);
}

bool Arena::release(uintptr_t at) {
  const auto found = allocations_.find(at);
  if (found == allocations_.end() || !found->second.live) return false;
  const size_t size = found->second.size;
  found->second.live = false;
  fillEnds(at, size, kFreedByte);
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(at), size);
  freed_.push_back(at);
  freedBytes_ += size;
  while (freedBytes_ > kWatched) forgetOldest();
  return true;
}

// Gives whole pages back; the addresses stay marked as freed.
void Arena::forgetOldest() {
  const uintptr_t at = freed_.front();
  const size_t size = allocations_[at].size;
  const uintptr_t from = roundUp(at, kPage), to = (at + size) / kPage * kPage;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  freed_.pop_front();
  watched_.erase(at);
  freedBytes_ -= size;
}

const Allocation* Arena::find(uintptr_t address, uintptr_t* start) const {
  auto next = allocations_.upper_bound(address);
  if (next == allocations_.begin()) return nullptr;
  --next;
  *start = next->first;
  return &next->second;
}

std::string describe(const char* what, uintptr_t at, size_t size) {
  char text[160];
  std::snprintf(text, sizeof(text), "%s the allocation of %zu bytes at %p", what, size, reinterpret_cast<void*>(at));
  return text;
}

// Whether a range still holds what the emulator wrote there; writes it again if not.
bool intact(uintptr_t from, size_t size, unsigned char byte) {
  if (endsFilledWith(from, size, byte)) return true;
  fillEnds(from, size, byte);
  return false;
}

std::string Arena::damageAround(uintptr_t at, size_t size, uintptr_t looked) {
  if (looked < at && !intact(at - kGuard, kGuard, kGuardByte)) return describe("something wrote before", at, size);
  if (!intact(at + size, roundUp(size, kAlignment) + kGuard - size, kGuardByte)) {
    return describe("something wrote behind (or before the successor of)", at, size);
  }
  return "";
}

std::string Arena::damage() {
  uintptr_t looked = 0;  // the next allocation begins where the guard of the one before ends
  for (const auto& [at, size] : watched_) {
    const std::string found = damageAround(at, size, looked);
    if (!found.empty()) return found;
    looked = at + roundUp(size, kAlignment) + kGuard;
  }
  for (const uintptr_t at : freed_) {
    const size_t size = watched_.at(at);
    if (!intact(at, size, kFreedByte)) return describe("something wrote after it was freed to", at, size);
  }
  return "";
}

struct Memory {
  Arena device, pinned;
  int access = 0;  // how many DeviceAccess there are
  bool protects = [] {
    const char* text = std::getenv("RNM_EMULATOR_PROTECT");
    return !(text && std::strcmp(text, "0") == 0);
  }();
};

Memory& memory() {
  // Never destroyed: other objects may free memory while the process ends.
  static Memory* const instance = new Memory;
  return *instance;
}

uintptr_t address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

Arena* arenaOf(const void* pointer) {
  if (memory().device.contains(address(pointer))) return &memory().device;
  return memory().pinned.contains(address(pointer)) ? &memory().pinned : nullptr;
}

}  // namespace

DeviceAccess::DeviceAccess() {
  if (memory().access++ == 0 && memory().protects) memory().device.protect(PROT_READ | PROT_WRITE);
}

DeviceAccess::~DeviceAccess() {
  if (--memory().access == 0 && memory().protects) memory().device.protect(PROT_NONE);
}

cudaError_t allocate(void** pointer, size_t size, Space space) {
  ++counters().allocations;
  if (Injection::allocation()) return cudaErrorMemoryAllocation;
  if (size == 0) {
    *pointer = nullptr;
    return cudaSuccess;
  }
  const bool onDevice = space == Space::kDevice;
  if (onDevice && size > Injection::memory() - std::min(Injection::memory(), counters().liveBytes)) {
    return cudaErrorMemoryAllocation;
  }
  DeviceAccess access;
  *pointer = (onDevice ? memory().device : memory().pinned).allocate(size);
  if (!*pointer) return cudaErrorMemoryAllocation;
  if (onDevice) {
    counters().liveBytes += size;
    counters().peakBytes = std::max(counters().peakBytes, counters().liveBytes);
  }
  return cudaSuccess;
}

cudaError_t release(void* pointer, Space space) {
  if (!pointer) return cudaSuccess;
  if (spaceOf(pointer) != space) return cudaErrorInvalidValue;
  DeviceAccess access;
  uintptr_t start = 0;
  Arena* const arena = arenaOf(pointer);
  const Allocation* allocation = arena->find(address(pointer), &start);
  if (allocation) {
    const std::string damage = arena->damageAround(start, allocation->size);
    if (!damage.empty()) fault(cudaErrorIllegalAddress, damage);
  }
  const size_t size = allocation ? allocation->size : 0;
  if (!arena->release(address(pointer))) return cudaErrorInvalidValue;
  if (space == Space::kDevice) counters().liveBytes -= size;
  return cudaSuccess;
}

Space spaceOf(const void* pointer) {
  if (memory().device.contains(address(pointer))) return Space::kDevice;
  return memory().pinned.contains(address(pointer)) ? Space::kPinned : Space::kHost;
}

bool deviceCanAccess(const void* pointer, size_t size) {
  const Arena* arena = arenaOf(pointer);
  uintptr_t start = 0;
  const Allocation* allocation = arena ? arena->find(address(pointer), &start) : nullptr;
  if (!allocation || !allocation->live) return false;
  const size_t offset = address(pointer) - start;
  return offset <= allocation->size && size <= allocation->size - offset;
}

bool liveIfOurs(const void* pointer) { return !arenaOf(pointer) || deviceCanAccess(pointer, 0); }

void checkMemory() {
  DeviceAccess access;
  for (Arena* arena : {&memory().device, &memory().pinned}) {
    const std::string damage = arena->damage();
    if (!damage.empty()) fault(cudaErrorIllegalAddress, damage);
  }
}

}  // namespace rnm::emulator

using namespace rnm::emulator;

cudaError_t cudaMalloc(void** pointer, size_t size) {
  return call([&] {
    if (!pointer) return cudaErrorInvalidValue;
    if (const cudaError_t error = refuseInCapture()) return error;
    return allocate(pointer, size, Space::kDevice);
  });
}

cudaError_t cudaFree(void* pointer) {
  return call([&] {
    if (!pointer) return cudaSuccess;
    if (const cudaError_t error = refuseInCapture()) return error;
    runAllStreams();
    return release(pointer, Space::kDevice);
  });
}

cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t stream) {
  return call([&] {
    if (!pointer) return cudaErrorInvalidValue;
    if (!validStream(stream)) return cudaErrorInvalidResourceHandle;
    // A real capture would make a node of it, with an address that only replays may use.
    if (const cudaError_t error = refuseInCapture()) return error;
    return allocate(pointer, size, Space::kDevice);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return call([&] {
    if (!validStream(stream)) return cudaErrorInvalidResourceHandle;
    if (const cudaError_t error = refuseInCapture()) return error;
    if (!pointer) return cudaSuccess;
    if (spaceOf(pointer) != Space::kDevice || !deviceCanAccess(pointer, 0)) return cudaErrorInvalidValue;
    return submit(stream, [pointer] { return release(pointer, Space::kDevice); });
  });
}

cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned int) {
  return call([&] {
    if (!pointer) return cudaErrorInvalidValue;
    if (const cudaError_t error = refuseInCapture()) return error;
    return allocate(pointer, size, Space::kPinned);
  });
}

cudaError_t cudaMallocHost(void** pointer, size_t size) { return cudaHostAlloc(pointer, size, 0); }

cudaError_t cudaFreeHost(void* pointer) {
  return call([&] {
    if (!pointer) return cudaSuccess;
    if (const cudaError_t error = refuseInCapture()) return error;
    runAllStreams();
    return release(pointer, Space::kPinned);
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&] {
    if (!attributes) return cudaErrorInvalidValue;
    const Space space = deviceCanAccess(pointer, 0) ? spaceOf(pointer) : Space::kHost;
    void* const plain = const_cast<void*>(pointer);
    *attributes = {space == Space::kDevice   ? cudaMemoryTypeDevice
                   : space == Space::kPinned ? cudaMemoryTypeHost
                                             : cudaMemoryTypeUnregistered,
                   0, space == Space::kHost ? nullptr : plain, space == Space::kPinned ? plain : nullptr};
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call([&] {
    if (!free || !total) return cudaErrorInvalidValue;
    *total = Injection::memory();
    *free = *total - std::min(*total, counters().liveBytes);
    return cudaSuccess;
  });
}
