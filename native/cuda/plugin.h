// The border between the addon and the CUDA plugin, which is built beside it and opened only when
// a CUDA device is asked for: one addon starts on machines with and without CUDA.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/matmul.h"

namespace rnm {

// A library that the plugin looks for at run time.
struct CudaLibrary {
  std::string name;     // "cuBLASLt"
  std::string version;  // "13.1.0"; empty if it cannot be used
  std::string path;     // where it was found
  std::string problem;  // why it cannot be used, and what helps; empty if it can
};

// How tensor cores multiply with weights of a pattern, under each precision: "2:4", "1:2", or "" if
// they have no way and the weights are masked dense ones.
struct CudaPattern {
  std::string pattern;
  std::string bf16, tf32, fp32;
};

// What there is to know of CUDA on this machine.
struct CudaReport {
  // usable, no-driver, old-driver, no-gpu, no-sparse-cores, no-library, old-library or failed
  std::string status;
  std::string description;  // the GPU, one line
  std::string problem;      // what is missing, and what helps; empty if usable
  std::vector<CudaLibrary> libraries;
  std::vector<CudaPattern> patterns;  // common ones
};

struct CudaOptions {
  std::string precision;  // of matrix products: fp32, tf32 or bf16
  std::string sparse;     // which layers tensor cores take as sparse: auto, always or never
  std::string dataGradient;  // of such layers: dense, transposable or double-pruned
  std::string weightGradient;  // of sparse layers: auto, dense or sampled
  std::string cacheFolder;  // for what is kept from process to process; empty for none
};

struct CudaPlugin {
  // Both sides were built against the same contract if this is the same.
  const char* contract;
  CudaReport (*report)();
  // Throws std::runtime_error with the report's problem if CUDA is not usable.
  std::unique_ptr<Backend> (*makeBackend)(const CudaOptions& options);
  // Throws the same, and for a library that this product needs.
  std::unique_ptr<Matmul> (*makeMatmul)(const MatmulSpec& spec);
};

}  // namespace rnm

// The plugin's one exported symbol.
extern "C" const rnm::CudaPlugin* rnmCudaPlugin();
using RnmCudaPluginEntry = decltype(&rnmCudaPlugin);
