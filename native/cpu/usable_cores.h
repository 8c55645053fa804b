#pragma once

namespace rnm::cpu {

// Cores that this process may use: those that it may run on, and no more than its quota of processor
// time pays for (containers, batch systems). At least 1.
int usableCores();

}  // namespace rnm::cpu
