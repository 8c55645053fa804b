// Stands in for dlopen of the two libraries.
#include "emulator/library.h"

#include <cstring>
#include <map>
#include <string>

#include "cublasLt.h"
#include "cusparseLt.h"
#include "state.h"

namespace rnm::emulator {
namespace {

using Symbols = std::map<std::string, void*>;
#define RNM_SYMBOL(name) {#name, reinterpret_cast<void*>(&::name)}

Symbols* cublasLt() {
  static Symbols symbols = {
      RNM_SYMBOL(cublasLtCreate), RNM_SYMBOL(cublasLtDestroy), RNM_SYMBOL(cublasLtGetStatusName),
      RNM_SYMBOL(cublasLtGetStatusString), RNM_SYMBOL(cublasLtGetVersion), RNM_SYMBOL(cublasLtGetCudartVersion),
      RNM_SYMBOL(cublasLtGetProperty), RNM_SYMBOL(cublasLtMatrixLayoutCreate),
      RNM_SYMBOL(cublasLtMatrixLayoutDestroy), RNM_SYMBOL(cublasLtMatrixLayoutSetAttribute),
      RNM_SYMBOL(cublasLtMatmulDescCreate), RNM_SYMBOL(cublasLtMatmulDescDestroy),
      RNM_SYMBOL(cublasLtMatmulDescSetAttribute), RNM_SYMBOL(cublasLtMatmulPreferenceCreate),
      RNM_SYMBOL(cublasLtMatmulPreferenceDestroy), RNM_SYMBOL(cublasLtMatmulPreferenceSetAttribute),
      RNM_SYMBOL(cublasLtMatmulAlgoGetHeuristic), RNM_SYMBOL(cublasLtMatmul)};
  return &symbols;
}

Symbols* cusparseLt() {
  static Symbols symbols = {
      RNM_SYMBOL(cusparseLtInit), RNM_SYMBOL(cusparseLtDestroy), RNM_SYMBOL(cusparseLtGetVersion),
      RNM_SYMBOL(cusparseLtGetProperty), RNM_SYMBOL(cusparseLtGetErrorName), RNM_SYMBOL(cusparseLtGetErrorString),
      RNM_SYMBOL(cusparseLtDenseDescriptorInit), RNM_SYMBOL(cusparseLtStructuredDescriptorInit),
      RNM_SYMBOL(cusparseLtMatDescriptorDestroy), RNM_SYMBOL(cusparseLtMatDescSetAttribute),
      RNM_SYMBOL(cusparseLtMatDescGetAttribute), RNM_SYMBOL(cusparseLtMatmulDescriptorInit),
      RNM_SYMBOL(cusparseLtMatmulDescSetAttribute), RNM_SYMBOL(cusparseLtMatmulDescGetAttribute),
      RNM_SYMBOL(cusparseLtMatmulAlgSelectionInit), RNM_SYMBOL(cusparseLtMatmulAlgSelectionDestroy),
      RNM_SYMBOL(cusparseLtMatmulAlgSetAttribute), RNM_SYMBOL(cusparseLtMatmulAlgGetAttribute),
      RNM_SYMBOL(cusparseLtMatmulGetWorkspace), RNM_SYMBOL(cusparseLtMatmulPlanInit),
      RNM_SYMBOL(cusparseLtMatmulPlanDestroy), RNM_SYMBOL(cusparseLtMatmul), RNM_SYMBOL(cusparseLtMatmulSearch),
      RNM_SYMBOL(cusparseLtSpMMAPrune), RNM_SYMBOL(cusparseLtSpMMAPruneCheck), RNM_SYMBOL(cusparseLtSpMMAPrune2),
      RNM_SYMBOL(cusparseLtSpMMAPruneCheck2), RNM_SYMBOL(cusparseLtSpMMACompressedSize),
      RNM_SYMBOL(cusparseLtSpMMACompress), RNM_SYMBOL(cusparseLtSpMMACompressedSize2),
      RNM_SYMBOL(cusparseLtSpMMACompress2)};
  return &symbols;
}
#undef RNM_SYMBOL

// What came with cuSPARSELt 0.8 is not in those before it.
bool hidden(const std::string& symbol) {
  const bool late = symbol == "cusparseLtMatmulAlgSelectionDestroy" || symbol == "cusparseLtGetErrorName" ||
                    symbol == "cusparseLtGetErrorString";
  return late && Injection::libraryVersion("cusparseLt", 801) < 800;
}

thread_local std::string lastProblem;

}  // namespace
}  // namespace rnm::emulator

using namespace rnm::emulator;

void* rnmEmulatorOpenLibrary(const char* file) {
  std::lock_guard lock(deviceMutex());
  lastProblem.clear();
  const std::string path = file ? file : "";
  for (const char* name : {"cublasLt", "cusparseLt"}) {
    if (path.find(std::string("lib") + name) == std::string::npos || Injection::libraryMissing(name)) continue;
    return std::strcmp(name, "cublasLt") == 0 ? cublasLt() : cusparseLt();
  }
  lastProblem = path + ": cannot open shared object file: No such file or directory";
  return nullptr;
}

void* rnmEmulatorSymbol(void* library, const char* name) {
  std::lock_guard lock(deviceMutex());
  lastProblem.clear();
  if (library == cublasLt() || library == cusparseLt()) {
    const Symbols& symbols = *static_cast<Symbols*>(library);
    const auto found = symbols.find(name ? name : "");
    if (found != symbols.end() && !hidden(found->first)) return found->second;
  }
  lastProblem = std::string("undefined symbol: ") + (name ? name : "(null)");
  return nullptr;
}

const char* rnmEmulatorLibraryError() { return lastProblem.empty() ? nullptr : lastProblem.c_str(); }
