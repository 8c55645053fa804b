// What time events take: the host's, or that of a made-up machine.
#pragma once

#include <chrono>
#include <cstdint>

namespace rnm::emulator {

using Time = std::chrono::steady_clock::time_point;

// The host's time. With RNM_EMULATOR_TIMES the time that products have taken, and nothing else has.
Time now();

// Products of a library have run: of a kind, which is cuSPARSELt's algorithm or the size of cuBLASLt's
// batch.
void spend(const char* library, int kind, int64_t products);

}  // namespace rnm::emulator
