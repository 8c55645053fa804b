// Which kernel table to run: the best one this CPU has, or the one asked for.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels.h"

namespace rnm::cpu {

// Names of the tables that this CPU can run, best first; "plain" is last.
std::vector<std::string> availableIsas();

// The table of this name, or the best if empty. Throws std::invalid_argument for an unknown name
// and for one that this CPU cannot run.
const KernelTable& chooseKernels(const std::string& isa);

}  // namespace rnm::cpu
