#include "cuda/plugin.h"

#include "cuda/backend_cuda.h"
#include "cuda/matmul.h"
#include "cuda/probe.h"

extern "C" __attribute__((visibility("default"))) const rnm::CudaPlugin* rnmCudaPlugin() {
  static const rnm::CudaPlugin plugin = {RNM_CONTRACT, rnm::cuda::report,
                                         rnm::cuda::makeCudaBackend, rnm::cuda::makeMatmul};
  return &plugin;
}
