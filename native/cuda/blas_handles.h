// What cuBLASLt makes.
#pragma once

#include "cuda/libraries.h"

namespace rnm::cuda {

// Throws std::runtime_error with what was attempted and the library's cause.
void check(const CublasLt& lt, cublasStatus_t status, const char* attempt);

template <typename Handle, cublasStatus_t (*CublasLtFunctions::*destroy)(Handle)>
class Owned {
 public:
  explicit Owned(const CublasLt& lt) : lt_(lt) {}
  ~Owned() {
    if (handle) (lt_.*destroy)(handle);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  const CublasLt& library() const { return lt_; }
  Handle handle = nullptr;

 private:
  const CublasLt& lt_;
};

using BlasLayout = Owned<cublasLtMatrixLayout_t, &CublasLtFunctions::cublasLtMatrixLayoutDestroy>;
using BlasOperation = Owned<cublasLtMatmulDesc_t, &CublasLtFunctions::cublasLtMatmulDescDestroy>;
using BlasPreference =
    Owned<cublasLtMatmulPreference_t, &CublasLtFunctions::cublasLtMatmulPreferenceDestroy>;

// The library, initialised: of one thread at a time.
class BlasHandle {
 public:
  // Throws std::runtime_error with the library's cause and what helps.
  explicit BlasHandle(const CublasLt& lt);
  ~BlasHandle();
  BlasHandle(const BlasHandle&) = delete;
  BlasHandle& operator=(const BlasHandle&) = delete;
  cublasLtHandle_t get() const { return handle_; }

 private:
  cublasLtHandle_t handle_;
};

}  // namespace rnm::cuda
