#include "cuda/probe.h"

#include <cuda_runtime.h>

#include <stdexcept>

#include "cuda/blas_handles.h"
#include "cuda/libraries.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {
namespace {

// Ampere: the first with sparse tensor cores and bfloat16.
constexpr int kLeastCapability = 8;

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

void set(CudaReport& report, const char* status, const std::string& problem) {
  report.status = status;
  report.problem = problem;
}

void describeGpu(CudaReport& report) {
  cudaDeviceProp gpu{};
  int device = 0, driver = 0, runtime = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaGetDeviceProperties(&gpu, device);
  // Makes the context, which is what fails on a GPU that another process has for itself.
  if (status == cudaSuccess && gpu.major >= kLeastCapability) status = cudaFree(nullptr);
  if (status != cudaSuccess) {
    cudaGetLastError();
    return set(report, "failed", std::string("The GPU could not be initialised: ") +
                                     cudaGetErrorString(status) +
                                     ". `nvidia-smi` says more; another process may hold it.");
  }
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const std::string capability = std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
  report.description = std::string(gpu.name) + ", compute capability " + capability + ", " +
                       std::to_string(gpu.totalGlobalMem >> 30) + " GiB, CUDA " + version(runtime) +
                       " on a driver for " + version(driver);
  if (gpu.major >= kLeastCapability) return;
  set(report, "no-sparse-cores",
      std::string(gpu.name) + " has compute capability " + capability +
          ", without sparse tensor cores: 8.0 (Ampere) or newer is needed. Use device \"cpu\".");
}

void findGpu(CudaReport& report) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) cudaGetLastError();
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0;
    cudaDriverGetVersion(&driver);
    if (driver == 0) {
      return set(report, "no-driver",
                 "There is no NVIDIA driver. Install one (on Ubuntu: `sudo ubuntu-drivers install`) "
                 "and restart; in a container, start it with `--gpus all`.");
    }
    return set(report, "old-driver",
               "The NVIDIA driver is for CUDA " + version(driver) + ", older than CUDA " +
                   version(CUDART_VERSION) +
                   " that this was built with. Update the driver, or build with an older toolkit.");
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    return set(report, "no-gpu",
               "There is a driver but no GPU. `nvidia-smi` lists those of the machine; "
               "CUDA_VISIBLE_DEVICES may hide them.");
  }
  if (status != cudaSuccess) {
    return set(report, "failed", std::string("CUDA could not be initialised: ") +
                                     cudaGetErrorString(status) + ". `nvidia-smi` says more.");
  }
  describeGpu(report);
}

// Looks for one library and, if it is found, has it initialised. Returns the status that what goes wrong
// would give the report.
template <typename Load, typename Initialise>
std::string findLibrary(CudaReport& report, const char* name, const Load& load,
                        const Initialise& initialise) {
  CudaLibrary found{name, "", "", ""};
  std::string status = "no-library";
  try {
    const auto& library = load();
    found.version = library.version();
    found.path = library.path;
    status = "failed";
    if (report.status == "usable") initialise(library);
    status = "usable";
  } catch (const LibraryTooOld& error) {
    status = "old-library";
    found.problem = error.what();
  } catch (const std::exception& error) {
    found.problem = error.what();
  }
  report.libraries.push_back(found);
  return status;
}

// What cuSPARSELt makes of patterns, whatever the GPU.
std::vector<CudaPattern> commonPatterns() {
  std::vector<CudaPattern> result;
  for (const NmPattern pattern : {NmPattern{2, 4}, {1, 2}, {1, 4}, {2, 8}, {1, 8}, {1, 16}, {3, 4},
                                  {4, 8}}) {
    const auto path = [&](ElementType type, const char* name) {
      return fitsTensorCores(pattern, type) ? name : "";
    };
    result.push_back({std::to_string(pattern.n) + ":" + std::to_string(pattern.m),
                      path(ElementType::bfloat16, "2:4"), path(ElementType::float32, "1:2"), ""});
  }
  return result;
}

}  // namespace

CudaReport report() {
  CudaReport result;
  result.status = "usable";
  result.patterns = commonPatterns();
  findGpu(result);
  const std::string blas = findLibrary(result, "cuBLASLt", cublasLt, [](const CublasLt& library) {
    const BlasHandle handle(library);
  });
  // Without cuSPARSELt sparse layers run as masked dense ones.
  findLibrary(result, "cuSPARSELt", cusparseLt, [](const CusparseLt&) { SparseBlas(); });
  if (result.status == "usable" && blas != "usable") {
    set(result, blas.c_str(), result.libraries.front().problem);
  }
  return result;
}

std::string requireGpu() {
  const CudaReport found = report();
  if (found.status != "usable") throw std::runtime_error(found.problem);
  return found.description;
}

}  // namespace rnm::cuda
