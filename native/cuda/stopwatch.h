// How long work takes on the GPU.
#pragma once

#include <functional>
#include <vector>

#include "cuda/context.h"

namespace rnm::cuda {

// Microseconds that each of these takes when a graph repeats it, as in training: medians of several
// rounds in turns, so that a change of the GPU's clock is nobody's gain. Every one is run first, which
// may allocate.
std::vector<double> microsecondsOf(Context& context,
                                   const std::vector<std::function<void()>>& works);

}  // namespace rnm::cuda
