#include "cuda/error.h"

#include <stdexcept>
#include <string>

namespace rnm::cuda {
namespace {

// After these the process's work on the GPU is lost, whatever is tried next.
bool sticky(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure: return true;
    default: return false;
  }
}

}  // namespace

void check(cudaError_t status, const char* attempt) {
  if (status == cudaSuccess) return;
  // Takes the error off the runtime, so that it is reported once.
  cudaGetLastError();
  std::string text = std::string("CUDA could not ") + attempt + ": " + cudaGetErrorString(status) +
                     " (" + cudaGetErrorName(status) + ")";
  if (sticky(status)) {
    text += ". What the GPU held is lost: start again from the last checkpoint. Device \"cpu\" "
            "runs the same without the GPU";
  }
  throw std::runtime_error(text);
}

}  // namespace rnm::cuda
