// How every kernel is started: on the context's stream, checked, and not at all while a graph is
// being brought up to date.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "cuda/context.h"
#include "cuda/error.h"

namespace rnm::cuda {

constexpr int kThreads = 256;

struct Grid {
  dim3 blocks;
  dim3 threads = dim3(kThreads);
};

// Blocks of kThreads for this many threads.
inline Grid gridOf(int64_t threads) {
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  if (blocks > std::numeric_limits<int>::max()) throw std::invalid_argument("Too many elements");
  return {dim3(static_cast<unsigned>(blocks))};
}

// The number of this thread in a grid of gridOf().
#define RNM_THREAD (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x)

// Whether an argument's bytes are what it says: it has no padding. Of a struct with floats the compiler
// does not tell, and the struct has to: `using OnlyFloats = void`.
template <typename T>
constexpr bool recordable() {
  if constexpr (requires { typename T::OnlyFloats; }) {
    return std::is_trivially_copyable_v<T> && alignof(T) == alignof(float);
  } else {
    return std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>;
  }
}

// Scalars may differ from launch to launch, and so may structs of nothing else, which say so:
// `using OnlyScalars = void`.
template <typename T>
inline constexpr bool kOnlyScalars = requires { typename T::OnlyScalars; };
template <typename T>
inline constexpr bool kOnlyScalars<Scalar<T>> = true;

// Makes sure that a graph is brought up to date by the very calls that it was recorded from: their
// kernels, grids and arguments.
template <typename T>
void recordArgument(Context& context, const T& argument) {
  if constexpr (!kOnlyScalars<T>) {
    static_assert(recordable<T>(), "a graph could not tell calls with other such arguments apart");
    context.recordCall(&argument, sizeof argument);
  }
}

template <typename... Parameters, typename... Arguments>
void launch(Context& context, const char* name, void (*kernel)(Parameters...), const Grid& grid,
            const Arguments&... arguments) {
  if (context.inGraph()) {
    recordArgument(context, kernel);
    recordArgument(context, grid.blocks);
    (recordArgument(context, arguments), ...);
  }
  if (context.refreshing()) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.stream = context.stream();
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), name);
}

}  // namespace rnm::cuda
