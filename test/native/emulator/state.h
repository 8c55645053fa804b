// What the emulated runtime has one of: a lock, the sticky error, the injected failures, counters.
#pragma once

#include <mutex>
#include <string>

#include "driver_types.h"
#include "emulator/inject.h"

namespace rnm::emulator {

// Every entry point holds it: kernels use static shared memory and one set of built-in variables,
// so the whole device runs one thing at a time.
std::recursive_mutex& deviceMutex();

RnmEmulatorCounters& counters();

// The context is lost: every later call returns `error`, as after a fault in a real kernel.
void fault(cudaError_t error, const std::string& message);
cudaError_t stickyError();

// Remembers it as this thread's last error and gives it back.
cudaError_t record(cudaError_t error);

// When operations of a stream run that others do not wait for: as late as they can, in turns with
// those of others, or as early as they can.
enum class Pace { kLate, kInTurns, kEarly };

// Failures that inject.cpp decides.
struct Injection {
  static bool allocation();       // the allocation that is about to happen fails
  static bool graph();            // the executable graph that is about to be made takes too much memory
  static bool launch();           // this launch fails
  static cudaError_t kernel();    // what this kernel faults with while it runs
  static cudaError_t driver();    // what every call returns if there is no driver or no GPU
  static int driverVersion(int normal);  // 0 without a driver
  static bool libraryMissing(const std::string& name);
  static bool libraryFails(const std::string& name);
  static bool refuses(const std::string& call);  // what of cuSPARSELt: see README.md
  static int libraryVersion(const std::string& name, int normal);
  static int capability();        // 90 for 9.0
  static size_t memory();         // bytes of the device
  static bool reverse();
  static Pace pace();
};

// Runs the body of an API function: lock, driver, sticky error, last error.
template <typename Body>
cudaError_t call(Body&& body) {
  std::lock_guard lock(deviceMutex());
  if (const cudaError_t error = Injection::driver()) return record(error);
  if (const cudaError_t error = stickyError()) return record(error);
  cudaError_t result = body();
  // A fault that was found meanwhile is the more important news.
  if (const cudaError_t error = stickyError()) result = error;
  return record(result);
}

}  // namespace rnm::emulator
