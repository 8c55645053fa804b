// What the files of the emulated cuSPARSELt share.
#pragma once

#include "cusparseLt.h"
#include "state.h"
#include "stream.h"

namespace rnm::emulator::lt {

cusparseStatus_t checkHandle(const cusparseLtHandle_t* handle);

// Every entry point: the lock, and a lost context.
template <typename Body>
cusparseStatus_t guarded(Body&& body) {
  std::lock_guard lock(deviceMutex());
  return stickyError() ? CUSPARSE_STATUS_EXECUTION_FAILED : body();
}

}  // namespace rnm::emulator::lt
