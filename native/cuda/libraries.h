// cuBLASLt and cuSPARSELt as function tables. Each is opened at the first call and then kept.
#pragma once

#include <cublasLt.h>
#include <cusparseLt.h>

#include <string>

#include "cuda/function_table.h"

namespace rnm::cuda {

#define RNM_CUBLASLT_FUNCTIONS(X)      \
  X(cublasLtGetVersion)                \
  X(cublasLtGetStatusString)           \
  X(cublasLtCreate)                    \
  X(cublasLtMatmul)                    \
  X(cublasLtMatmulDescCreate)          \
  X(cublasLtMatmulDescDestroy)         \
  X(cublasLtMatmulDescSetAttribute)    \
  X(cublasLtMatrixLayoutCreate)        \
  X(cublasLtMatrixLayoutDestroy)       \
  X(cublasLtMatrixLayoutSetAttribute)  \
  X(cublasLtMatmulPreferenceCreate)    \
  X(cublasLtMatmulPreferenceDestroy)   \
  X(cublasLtMatmulPreferenceSetAttribute) \
  X(cublasLtMatmulAlgoGetHeuristic)

#define RNM_CUSPARSELT_FUNCTIONS(X)      \
  X(cusparseLtInit)                      \
  X(cusparseLtGetProperty)               \
  X(cusparseLtDenseDescriptorInit)       \
  X(cusparseLtStructuredDescriptorInit)  \
  X(cusparseLtMatDescriptorDestroy)      \
  X(cusparseLtMatDescSetAttribute)       \
  X(cusparseLtMatmulDescriptorInit)      \
  X(cusparseLtMatmulDescSetAttribute)    \
  X(cusparseLtMatmulAlgSelectionInit)    \
  X(cusparseLtMatmulAlgSetAttribute)     \
  X(cusparseLtMatmulAlgGetAttribute)     \
  X(cusparseLtMatmulGetWorkspace)        \
  X(cusparseLtMatmulPlanInit)            \
  X(cusparseLtMatmulPlanDestroy)         \
  X(cusparseLtMatmul)                    \
  X(cusparseLtMatmulSearch)              \
  X(cusparseLtSpMMAPrune)                \
  X(cusparseLtSpMMAPruneCheck)           \
  X(cusparseLtSpMMACompressedSize)       \
  X(cusparseLtSpMMACompress)

struct CublasLtFunctions {
  RNM_CUBLASLT_FUNCTIONS(RNM_DECLARE_FUNCTION)
};

struct CusparseLtFunctions {
  RNM_CUSPARSELT_FUNCTIONS(RNM_DECLARE_FUNCTION)
  // Since 0.8, which requires the first; null before. Declared here, since older headers lack them.
  cusparseStatus_t (*cusparseLtMatmulAlgSelectionDestroy)(const cusparseLtMatmulAlgSelection_t*) =
      nullptr;
  const char* (*cusparseLtGetErrorString)(cusparseStatus_t) = nullptr;
};

template <typename Functions>
struct LoadedLibrary : Functions {
  std::string path;
  int major = 0, minor = 0, patch = 0;
  std::string version() const {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
};

using CublasLt = LoadedLibrary<CublasLtFunctions>;
using CusparseLt = LoadedLibrary<CusparseLtFunctions>;

// The library could not be used; what() says why and what helps.
struct LibraryMissing : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct LibraryTooOld : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const CublasLt& cublasLt();
const CusparseLt& cusparseLt();

}  // namespace rnm::cuda
