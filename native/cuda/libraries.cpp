#include "cuda/libraries.h"

#include <cuda_runtime.h>

namespace rnm::cuda {
namespace {

// cuSPARSELt before this has no fp32 accumulation on Hopper and takes other arguments.
constexpr int kLeastCusparseLtMinor = 7;
// The runtime that this was compiled with decides which packages fit.
constexpr int kCudaMajor = CUDART_VERSION / 1000;

std::string remedy(const std::string& pip, const std::string& apt) {
  return "\nWhat helps: `pip install " + pip + "` or, from NVIDIA's repository, `apt-get install " +
         apt + "`. RNM_CUDA_HINTS=<folder> names where it lies if it is not found.";
}

const std::string& cublasLtRemedy() {
  static const std::string text =
      kCudaMajor >= 13 ? remedy("nvidia-cublas", "libcublas-13-0")
                       : remedy("nvidia-cublas-cu12", "libcublas-12-8");
  return text;
}

const std::string& cusparseLtRemedy() {
  static const std::string major = std::to_string(kCudaMajor);
  static const std::string text = remedy("nvidia-cusparselt-cu" + major, "libcusparselt0-cuda-" + major);
  return text;
}

DynamicLibrary open(const std::string& title, const std::vector<std::string>& names,
                    const std::string& help) {
  try {
    return DynamicLibrary(names);
  } catch (const std::runtime_error& error) {
    throw LibraryMissing(title + " was " + error.what() + help);
  }
}

CublasLt loadCublasLt() {
  // The next major version first, so that nothing of it is needed at build time.
  std::vector<std::string> names;
  for (int major : {kCudaMajor, 13, 12}) names.push_back("libcublasLt.so." + std::to_string(major));
  const DynamicLibrary library = open("cuBLASLt", names, cublasLtRemedy());
  CublasLt functions;
  std::string missing;
  RNM_CUBLASLT_FUNCTIONS(RNM_FIND_FUNCTION)
  if (!missing.empty()) {
    throw LibraryTooOld(library.path() + " lacks " + missing + cublasLtRemedy());
  }
  functions.path = library.path();
  // 130100 is 13.1.0, as 120805 is 12.8.5.
  const auto version = static_cast<int>(functions.cublasLtGetVersion());
  functions.major = version / 10000;
  functions.minor = version / 100 % 100;
  functions.patch = version % 100;
  return functions;
}

int property(const CusparseLt& functions, libraryPropertyType type) {
  int value = 0;
  functions.cusparseLtGetProperty(type, &value);
  return value;
}

template <typename Function>
void findIfThere(const DynamicLibrary& library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(library.find(name));
}

CusparseLt loadCusparseLt() {
  const DynamicLibrary library = open("cuSPARSELt", {"libcusparseLt.so.0"}, cusparseLtRemedy());
  CusparseLt functions;
  std::string missing;
  RNM_CUSPARSELT_FUNCTIONS(RNM_FIND_FUNCTION)
  if (!missing.empty()) {
    throw LibraryTooOld(library.path() + " lacks " + missing + cusparseLtRemedy());
  }
  findIfThere(library, "cusparseLtMatmulAlgSelectionDestroy",
              functions.cusparseLtMatmulAlgSelectionDestroy);
  findIfThere(library, "cusparseLtGetErrorString", functions.cusparseLtGetErrorString);
  functions.path = library.path();
  functions.major = property(functions, MAJOR_VERSION);
  functions.minor = property(functions, MINOR_VERSION);
  functions.patch = property(functions, PATCH_LEVEL);
  if (functions.major == 0 && functions.minor < kLeastCusparseLtMinor) {
    throw LibraryTooOld("cuSPARSELt " + functions.version() + " (" + functions.path +
                        ") is too old: 0.7 or newer is needed." + cusparseLtRemedy());
  }
  return functions;
}

}  // namespace

// A static that throws while it is made is tried again at the next call: a library may be
// installed while the process runs.
const CublasLt& cublasLt() {
  static const CublasLt library = loadCublasLt();
  return library;
}

const CusparseLt& cusparseLt() {
  static const CusparseLt library = loadCusparseLt();
  return library;
}

}  // namespace rnm::cuda
