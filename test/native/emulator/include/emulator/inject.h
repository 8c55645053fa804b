// For tests: failures on demand, and what the emulator has seen. Not part of CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

// What has been asked of the device since the process or the last reset began.
struct RnmEmulatorCounters {
  uint64_t allocations, launches, copies, fills, synchronisations, graphLaunches;
  uint64_t kernelsRun;  // launches from graphs included
  size_t liveBytes, peakBytes;
};

// Replaces all injected failures by those in `text` (the syntax is in the README; null or "" for
// none) and starts their counts at zero. Returns false, and changes nothing, if a part of it is not
// understood.
bool rnmEmulatorInject(const char* text);
// Forgets sticky errors, faults and counts, as a new process would. Memory and streams stay.
void rnmEmulatorReset();
// The first thing that a real device would not have forgiven: a guard zone overwritten, a divergent
// barrier, an argument that points to freed memory. Null if there was none.
const char* rnmEmulatorFault();
RnmEmulatorCounters rnmEmulatorCounters();
// Blocks and threads in descending order: finds kernels that rely on the order. Also
// RNM_EMULATOR_ORDER=reverse.
void rnmEmulatorReverseOrder(bool reverse);
// When work of a stream, or of a graph's branch, runs that no other waits for: "late" (as at first),
// "in-turns" with that of others, or "early". Finds waits that are missing. Also RNM_EMULATOR_STREAMS.
// Returns false, and changes nothing, for other words.
bool rnmEmulatorStreams(const char* pace);
