// Function tables of libraries opened at run time. A list macro names the functions; their types
// come from the library's own header:
//
//   #define RNM_FUNCTIONS(X) X(cublasLtCreate) X(cublasLtDestroy)
//   struct CublasLtFunctions { RNM_FUNCTIONS(RNM_DECLARE_FUNCTION) };
#pragma once

#include <stdexcept>
#include <string>

#include "cuda/library.h"

#define RNM_DECLARE_FUNCTION(name) decltype(&::name) name = nullptr;
#define RNM_FIND_FUNCTION(name) \
  ::rnm::cuda::findFunction(library, #name, functions.name, missing);

namespace rnm::cuda {

template <typename Function>
void findFunction(const DynamicLibrary& library, const char* name, Function& function,
                  std::string& missing) {
  function = reinterpret_cast<Function>(library.find(name));
  if (!function) missing += std::string(missing.empty() ? "" : ", ") + name;
}


}  // namespace rnm::cuda
