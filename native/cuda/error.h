// Statuses of the CUDA runtime as exceptions.
#pragma once

#include <cuda_runtime.h>

namespace rnm::cuda {

// Throws std::runtime_error that says what was attempted and why it failed.
void check(cudaError_t status, const char* attempt);

}  // namespace rnm::cuda
