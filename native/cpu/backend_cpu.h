// The CPU backend: the default where there is no GPU.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace rnm::cpu {

// threads = 0: one for each core this process may use. isa = "": the best this CPU has.
std::unique_ptr<Backend> makeCpuBackend(int threads, const std::string& isa);

}  // namespace rnm::cpu
