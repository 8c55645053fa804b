// How kernels keep a value within limits.
#pragma once

#include <cuda_runtime.h>

namespace rnm::cuda {

// NaN passes through: no comparison with it is true.
__device__ inline float clip(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace rnm::cuda
