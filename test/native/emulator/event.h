// Events: marks on streams, with the time at which they were passed.
#pragma once

#include <chrono>
#include <map>
#include <memory>

#include "stream.h"

namespace rnm::emulator {

struct EventState {
  bool recorded = false;
  Mark mark;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  // If it was recorded in a capture: which, and what had been captured before it on each stream.
  std::weak_ptr<Capture> capture;
  bool captured = false;
  std::map<const Stream*, uint64_t> seen;
};

}  // namespace rnm::emulator

struct CUevent_st {
  bool timing;
  rnm::emulator::EventState state;
};

namespace rnm::emulator {
// graph.cpp: what recording and waiting mean within a capture.
cudaError_t recordInCapture(Stream& stream, EventState& event);
cudaError_t waitInCapture(Stream& stream, const EventState& event);
}  // namespace rnm::emulator
