// What time events take: the host's, or that of a made-up machine.
#pragma once

#include <chrono>
#include <cstdint>

namespace rnm::emulator {

using Time = std::chrono::steady_clock::time_point;

// The host's time. With RNM_EMULATOR_TIMES the time that has been spent.
Time now();

// Products of a library have run, or a "kernel": of a kind, which is cuSPARSELt's algorithm, the size of
// cuBLASLt's batch, or the number of a block's threads.
void spend(const char* what, int kind, int64_t count);

}  // namespace rnm::emulator
