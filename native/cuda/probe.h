// What CUDA finds on this machine, told apart case by case.
#pragma once

#include "cuda/plugin.h"

namespace rnm::cuda {

// Never throws for what the machine lacks: that is what it reports.
CudaReport report();

// Throws std::runtime_error with the problem unless CUDA is usable. Returns the GPU's description.
std::string requireGpu();

}  // namespace rnm::cuda
