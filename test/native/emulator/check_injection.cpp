// Every failure that can be injected, and that nothing is left of it afterwards.
#include <memory>

#include "check_emulator.h"
#include "cublasLt.h"
#include "cusparseLt.h"
#include "emulator/library.h"

namespace check {
namespace {

__global__ void touch(float* values) { values[threadIdx.x] = 1; }

struct Injected {
  explicit Injected(const char* text) { CHECK(rnmEmulatorInject(text)); }
  ~Injected() {
    CHECK(rnmEmulatorInject(""));
    rnmEmulatorReset();
  }
};

void syntax() {
  for (const char* wrong : {"nonsense", "malloc", "malloc:", "malloc:0", "malloc:-1", "malloc:x", "graph:0", "library:cudart",
                            "capability:8", "version:cusparseLt", "version:cusparseLt=0.6", "driver:x", "devices:1",
                            "launch:1,nonsense", "refuse:", "refuse:init", "sticky:0", "sticky:1=", "sticky:1=0",
                            "sticky:1=x", "sticky:=700"}) {
    const bool taken = rnmEmulatorInject(wrong);
    if (taken) std::printf("  %s was taken\n", wrong);
    CHECK(!taken);
  }
}

void memory() {
  Injected injected("malloc:3");
  void* p[4] = {};
  CHECK_OK(cudaMalloc(&p[0], 4));
  CHECK_OK(cudaMallocHost(&p[1], 4));
  CHECK_EQUAL(cudaMalloc(&p[2], 4), cudaErrorMemoryAllocation);
  CHECK(p[2] == nullptr);
  CHECK_OK(cudaMalloc(&p[3], 4));
  CHECK_OK(cudaFree(p[0]));
  CHECK_OK(cudaFreeHost(p[1]));
  CHECK_OK(cudaFree(p[3]));
}

void executables() {
  cudaStream_t stream = nullptr;
  cudaGraph_t graph = nullptr;
  CHECK_OK(cudaStreamCreate(&stream));
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  {
    Injected injected("graph:2");
    cudaGraphExec_t exec[3] = {};
    CHECK_OK(cudaGraphInstantiate(&exec[0], graph, 0));
    CHECK_EQUAL(cudaGraphInstantiate(&exec[1], graph, 0), cudaErrorMemoryAllocation);
    CHECK(exec[1] == nullptr);
    CHECK_OK(cudaGraphInstantiate(&exec[2], graph, 0));
    CHECK_OK(cudaGraphExecDestroy(exec[0]));
    CHECK_OK(cudaGraphExecDestroy(exec[2]));
  }
  CHECK_OK(cudaGraphDestroy(graph));
  CHECK_OK(cudaStreamDestroy(stream));
}

void launches() {
  DeviceArray<float> x(4);
  {
    Injected injected("launch:2");
    const auto launch = config(1, 4);
    CHECK_OK(cudaLaunchKernelEx(&launch, touch, x.data));
    CHECK_EQUAL(cudaLaunchKernelEx(&launch, touch, x.data), cudaErrorLaunchOutOfResources);
    CHECK_OK(cudaLaunchKernelEx(&launch, touch, x.data));
    CHECK_OK(cudaDeviceSynchronize());
  }
  {
    Injected injected("sticky:2");
    const auto launch = config(1, 4);
    CHECK_OK(cudaLaunchKernelEx(&launch, touch, x.data));
    CHECK_OK(cudaDeviceSynchronize());
    CHECK_OK(cudaLaunchKernelEx(&launch, touch, x.data));  // only noticed later
    CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    void* p = nullptr;
    CHECK_EQUAL(cudaMalloc(&p, 4), cudaErrorIllegalAddress);
    CHECK_EQUAL(cudaFree(nullptr), cudaErrorIllegalAddress);
    CHECK_EQUAL(cudaLaunchKernelEx(&launch, touch, x.data), cudaErrorIllegalAddress);
    cublasLtHandle_t handle = nullptr;
    CHECK_EQUAL(cublasLtCreate(&handle), CUBLAS_STATUS_EXECUTION_FAILED);
    CHECK(rnmEmulatorFault() != nullptr);
  }
  {
    Injected injected("sticky:1=710");
    const auto launch = config(1, 4);
    CHECK_OK(cudaLaunchKernelEx(&launch, touch, x.data));
    CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorAssert);
  }
  CHECK_OK(cudaDeviceSynchronize());
}

void machines() {
  int count = -7, version = -1;
  cusparseLtHandle_t handle;
  {
    Injected injected("driver");
    CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    CHECK_EQUAL(count, -7);
    CHECK_OK(cudaDriverGetVersion(&version));
    CHECK_EQUAL(version, 0);
    CHECK_EQUAL(cusparseLtInit(&handle), CUSPARSE_STATUS_NOT_INITIALIZED);
  }
  {
    Injected injected("driver:12.4");
    CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    CHECK_OK(cudaDriverGetVersion(&version));
    CHECK_EQUAL(version, 12040);
  }
  {
    Injected injected("devices");
    CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    CHECK_EQUAL(count, -7);
  }
  CHECK_OK(cudaGetDeviceCount(&count));
  CHECK_EQUAL(count, 1);
  cudaDeviceProp properties{};
  {
    Injected injected("capability:7.5,memory:1000");
    CHECK_OK(cudaGetDeviceProperties(&properties, 0));
    CHECK_EQUAL(properties.major * 10 + properties.minor, 75);
    CHECK_EQUAL(properties.totalGlobalMem, 1000);
    CHECK_EQUAL(cusparseLtInit(&handle), CUSPARSE_STATUS_ARCH_MISMATCH);
    void* p = nullptr;
    CHECK_EQUAL(cudaMalloc(&p, 1001), cudaErrorMemoryAllocation);
  }
  CHECK_OK(cudaGetDeviceProperties(&properties, 0));
  CHECK_EQUAL(properties.major, 9);
  CHECK(std::string(properties.name) == "Emulated GPU (host)");
  int major = 0;
  CHECK_OK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  CHECK_EQUAL(major, 9);
}

void libraries() {
  CHECK(rnmEmulatorOpenLibrary("libcudnn.so.9") == nullptr);
  CHECK(rnmEmulatorLibraryError() != nullptr);
  for (const char* name : {"cublasLt", "cusparseLt"}) {
    const std::string file = std::string("/somewhere/lib") + name + ".so.0", missing = std::string("library:") + name;
    void* const library = rnmEmulatorOpenLibrary(file.c_str());
    CHECK(library != nullptr && rnmEmulatorLibraryError() == nullptr);
    CHECK(rnmEmulatorSymbol(library, (std::string(name) + "Matmul").c_str()) != nullptr);
    CHECK(rnmEmulatorSymbol(library, "cudaMalloc") == nullptr);
    CHECK(rnmEmulatorLibraryError() != nullptr);
    Injected injected(missing.c_str());
    CHECK(rnmEmulatorOpenLibrary(file.c_str()) == nullptr);
    CHECK(std::string(rnmEmulatorLibraryError()).find(file) == 0);
  }
  using Property = cusparseStatus_t (*)(libraryPropertyType, int*);
  void* const library = rnmEmulatorOpenLibrary("libcusparseLt.so.0");
  const auto property = reinterpret_cast<Property>(rnmEmulatorSymbol(library, "cusparseLtGetProperty"));
  const char* const since08[] = {"cusparseLtMatmulAlgSelectionDestroy", "cusparseLtGetErrorName",
                                 "cusparseLtGetErrorString"};
  int minor = 0;
  {
    Injected injected("version:cusparseLt=0.6.2,version:cublasLt=12.3.4,init:cublasLt,init:cusparseLt");
    CHECK_OK(property(MINOR_VERSION, &minor));
    CHECK_EQUAL(minor, 6);
    for (const char* name : since08) CHECK(rnmEmulatorSymbol(library, name) == nullptr);
    CHECK_EQUAL(cublasLtGetVersion(), 120304);
    cublasLtHandle_t blas = nullptr;
    cusparseLtHandle_t sparse;
    CHECK_EQUAL(cublasLtCreate(&blas), CUBLAS_STATUS_NOT_INITIALIZED);
    CHECK_EQUAL(cusparseLtInit(&sparse), CUSPARSE_STATUS_NOT_INITIALIZED);
  }
  CHECK_OK(property(MINOR_VERSION, &minor));
  CHECK_EQUAL(minor, 8);
  for (const char* name : since08) CHECK(rnmEmulatorSymbol(library, name) != nullptr);
}

}  // namespace

void injection() {
  syntax();
  memory();
  executables();
  launches();
  machines();
  libraries();
}

}  // namespace check
