#pragma once

#include <memory>

#include "cuda/plugin.h"

namespace rnm::cuda {

std::unique_ptr<Backend> makeCudaBackend(const CudaOptions& options);

}  // namespace rnm::cuda
