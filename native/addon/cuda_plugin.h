// Finds and opens the CUDA plugin, which lies beside the addon.
#pragma once

#include "cuda/plugin.h"

namespace rnm::addon {

// Throws std::runtime_error that says why there is none, and what helps.
const CudaPlugin& cudaPlugin(bool emulated);

}  // namespace rnm::addon
