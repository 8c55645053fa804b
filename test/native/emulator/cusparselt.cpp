// cuSPARSELt: handle, descriptors, attributes and plans. The work itself is in cusparselt_work.cpp.
#include "cusparseLt.h"

#include "cusparselt_objects.h"
#include "cusparselt_work.h"
#include "numbers.h"
#include "state.h"

namespace rnm::emulator::lt {

Registries& registries() {
  static auto* const instance = new Registries;
  return *instance;
}

namespace {

constexpr int kVersion = 801;  // 0.8.1
constexpr int kAlgorithms16 = 4, kAlgorithms32 = 3;

int algorithms(const Matmul& matmul) { return matmul.a->matrix.type == CUDA_R_32F ? kAlgorithms32 : kAlgorithms16; }

// Not every algorithm takes every shape, as with the real ones: the last needs a longer k.
bool takes(int id, const Matmul& matmul) { return id + 1 < algorithms(matmul) || matmul.k >= 128; }

// Hopper and later split k in ways of their own.
bool hopper() { return Injection::capability() >= 90; }

// What an algorithm is chosen with; the mode is one that Hopper refuses to be told.
Split standardSplit() {
  return hopper() ? Split{-1, CUSPARSELT_SPLIT_K_MODE_ONE_KERNEL, 0} : Split{1, CUSPARSELT_INVALID_MODE, 0};
}

// What a search finds.
Split foundSplit() {
  return hopper() ? Split{1, CUSPARSELT_STREAMK, 0} : Split{2, CUSPARSELT_SPLIT_K_MODE_TWO_KERNELS, 1};
}

bool takesSplit(const Selection& selection, cusparseLtMatmulAlgAttribute_t attribute, int value) {
  const int64_t k = selection.matmul->k;
  switch (attribute) {
    case CUSPARSELT_MATMUL_SPLIT_K: return hopper() ? value == 1 || value == -1 : value >= 1 && value <= k;
    case CUSPARSELT_MATMUL_SPLIT_K_MODE:
      return hopper() ? value >= CUSPARSELT_HEURISTIC && value <= CUSPARSELT_STREAMK
                      : value == CUSPARSELT_SPLIT_K_MODE_ONE_KERNEL || value == CUSPARSELT_SPLIT_K_MODE_TWO_KERNELS;
    default: return hopper() ? value == 0 : value > 0 && value < selection.split.k;
  }
}

bool isOrder(cusparseOrder_t order) { return order == CUSPARSE_ORDER_COL || order == CUSPARSE_ORDER_ROW; }

cusparseStatus_t initMatrix(const cusparseLtHandle_t* handle, cusparseLtMatDescriptor_t* descriptor, int64_t rows,
                            int64_t cols, int64_t ld, uint32_t alignment, cudaDataType type, cusparseOrder_t order,
                            bool structured) {
  if (const auto status = checkHandle(handle)) return status;
  if (!descriptor || rows <= 0 || cols <= 0 || !isOrder(order)) return CUSPARSE_STATUS_INVALID_VALUE;
  if (alignment == 0 || alignment % 16 != 0) return CUSPARSE_STATUS_INVALID_VALUE;
  if (!isFloatType(type) && !isIntegerType(type)) return CUSPARSE_STATUS_NOT_SUPPORTED;
  const Matrix matrix{type, rows, cols, ld, order == CUSPARSE_ORDER_ROW, 1, 0};
  if (!matrix.fits()) return CUSPARSE_STATUS_INVALID_VALUE;
  const int64_t unit = static_cast<int64_t>(16 / sizeOf(type)) * (structured ? 2 : 1);
  if (rows % unit != 0 || cols % unit != 0 || ld % unit != 0) return CUSPARSE_STATUS_NOT_SUPPORTED;
  registries().matrices.put(descriptor, {matrix, structured});
  return CUSPARSE_STATUS_SUCCESS;
}

template <typename Value>
cusparseStatus_t setValue(Value* field, const void* data, size_t size) {
  if (size != sizeof(Value)) return CUSPARSE_STATUS_INVALID_VALUE;
  std::memcpy(field, data, size);
  return CUSPARSE_STATUS_SUCCESS;
}

template <typename Value>
cusparseStatus_t getValue(const Value& field, void* data, size_t size) {
  if (size != sizeof(Value)) return CUSPARSE_STATUS_INVALID_VALUE;
  std::memcpy(data, &field, size);
  return CUSPARSE_STATUS_SUCCESS;
}

bool consistent(const Matmul& matmul) {
  const auto rows = [](const Matrix& x, bool t) { return t ? x.cols : x.rows; };
  const auto cols = [](const Matrix& x, bool t) { return t ? x.rows : x.cols; };
  const Matrix &a = matmul.a->matrix, &b = matmul.b->matrix, &c = matmul.c->matrix, &d = matmul.d->matrix;
  if (rows(a, matmul.transposeA) != d.rows || cols(b, matmul.transposeB) != d.cols) return false;
  if (cols(a, matmul.transposeA) != rows(b, matmul.transposeB)) return false;
  return c.rows == d.rows && c.cols == d.cols && c.rowMajor == d.rowMajor && c.ld == d.ld;
}

// Whether k runs along an operand's lines.
bool aAlongK(const Matmul& matmul) { return matmul.a->matrix.rowMajor != matmul.transposeA; }
bool bAlongK(const Matmul& matmul) { return matmul.b->matrix.rowMajor == matmul.transposeB; }

// int8, of which results as int32 are emulated alone: k has to run along both operands' lines.
bool integersCompatible(const Matmul& matmul, cusparseComputeType compute) {
  return compute == CUSPARSE_COMPUTE_32I && matmul.b->matrix.type == CUDA_R_8I &&
         matmul.c->matrix.type == CUDA_R_32I && matmul.d->matrix.type == CUDA_R_32I && aAlongK(matmul) &&
         bAlongK(matmul);
}

// Planning a tf32 product whose dense operand has k across its lines, version 0.8.0 does not return on Hopper.
bool denseAlongK(const Matmul& matmul) { return matmul.sparseA() ? bAlongK(matmul) : aAlongK(matmul); }

bool compatible(const Matmul& matmul, cusparseComputeType compute) {
  const Matrix &a = matmul.a->matrix, &d = matmul.d->matrix;
  if (matmul.a->structured == matmul.b->structured || matmul.c->structured || matmul.d->structured) return false;
  if (a.type == CUDA_R_8I) return integersCompatible(matmul, compute);
  if (!isFloatType(a.type)) return false;
  for (const auto& other : {matmul.b, matmul.c, matmul.d}) {
    if (other->matrix.type != a.type) return false;
  }
  if (compute != CUSPARSE_COMPUTE_32F && !(compute == CUSPARSE_COMPUTE_16F && a.type == CUDA_R_16F)) return false;
  return a.type == d.type;
}

}  // namespace

cusparseStatus_t checkHandle(const cusparseLtHandle_t* handle) {
  if (!handle) return CUSPARSE_STATUS_INVALID_VALUE;
  return registries().handles.get(handle) ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_NOT_INITIALIZED;
}

}  // namespace rnm::emulator::lt

using namespace rnm::emulator;
using namespace rnm::emulator::lt;

cusparseStatus_t cusparseLtInit(cusparseLtHandle_t* handle) {
  return guarded([&] {
    if (!handle) return CUSPARSE_STATUS_INVALID_VALUE;
    if (Injection::driver() || Injection::libraryFails("cusparseLt")) return CUSPARSE_STATUS_NOT_INITIALIZED;
    if (Injection::capability() < 80) return CUSPARSE_STATUS_ARCH_MISMATCH;
    registries().handles.put(handle, {});
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtDestroy(const cusparseLtHandle_t* handle) {
  std::lock_guard lock(deviceMutex());
  if (const auto status = checkHandle(handle)) return status;
  registries().handles.erase(handle);
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseLtGetVersion(const cusparseLtHandle_t* handle, int* version) {
  std::lock_guard lock(deviceMutex());
  if (const auto status = checkHandle(handle)) return status;
  if (!version) return CUSPARSE_STATUS_INVALID_VALUE;
  *version = Injection::libraryVersion("cusparseLt", kVersion);
  return CUSPARSE_STATUS_SUCCESS;
}

cusparseStatus_t cusparseLtGetProperty(libraryPropertyType type, int* value) {
  std::lock_guard lock(deviceMutex());
  if (!value || type < MAJOR_VERSION || type > PATCH_LEVEL) return CUSPARSE_STATUS_INVALID_VALUE;
  const int version = Injection::libraryVersion("cusparseLt", kVersion);
  *value = type == MAJOR_VERSION ? version / 10000 : type == MINOR_VERSION ? version / 100 % 100 : version % 100;
  return CUSPARSE_STATUS_SUCCESS;
}

const char* cusparseLtGetErrorName(cusparseStatus_t status) {
  switch (status) {
    case CUSPARSE_STATUS_SUCCESS: return "CUSPARSE_STATUS_SUCCESS";
    case CUSPARSE_STATUS_NOT_INITIALIZED: return "CUSPARSE_STATUS_NOT_INITIALIZED";
    case CUSPARSE_STATUS_ALLOC_FAILED: return "CUSPARSE_STATUS_ALLOC_FAILED";
    case CUSPARSE_STATUS_INVALID_VALUE: return "CUSPARSE_STATUS_INVALID_VALUE";
    case CUSPARSE_STATUS_ARCH_MISMATCH: return "CUSPARSE_STATUS_ARCH_MISMATCH";
    case CUSPARSE_STATUS_MAPPING_ERROR: return "CUSPARSE_STATUS_MAPPING_ERROR";
    case CUSPARSE_STATUS_EXECUTION_FAILED: return "CUSPARSE_STATUS_EXECUTION_FAILED";
    case CUSPARSE_STATUS_INTERNAL_ERROR: return "CUSPARSE_STATUS_INTERNAL_ERROR";
    case CUSPARSE_STATUS_MATRIX_TYPE_NOT_SUPPORTED: return "CUSPARSE_STATUS_MATRIX_TYPE_NOT_SUPPORTED";
    case CUSPARSE_STATUS_ZERO_PIVOT: return "CUSPARSE_STATUS_ZERO_PIVOT";
    case CUSPARSE_STATUS_NOT_SUPPORTED: return "CUSPARSE_STATUS_NOT_SUPPORTED";
    case CUSPARSE_STATUS_INSUFFICIENT_RESOURCES: return "CUSPARSE_STATUS_INSUFFICIENT_RESOURCES";
  }
  return "CUSPARSE_STATUS_UNKNOWN";
}

const char* cusparseLtGetErrorString(cusparseStatus_t status) { return cusparseLtGetErrorName(status); }

cusparseStatus_t cusparseLtDenseDescriptorInit(const cusparseLtHandle_t* handle, cusparseLtMatDescriptor_t* descriptor,
                                               int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
                                               cudaDataType type, cusparseOrder_t order) {
  return guarded([&] { return initMatrix(handle, descriptor, rows, cols, ld, alignment, type, order, false); });
}

cusparseStatus_t cusparseLtStructuredDescriptorInit(const cusparseLtHandle_t* handle,
                                                    cusparseLtMatDescriptor_t* descriptor, int64_t rows, int64_t cols,
                                                    int64_t ld, uint32_t alignment, cudaDataType type,
                                                    cusparseOrder_t order, cusparseLtSparsity_t sparsity) {
  return guarded([&] {
    if (sparsity != CUSPARSELT_SPARSITY_50_PERCENT) return CUSPARSE_STATUS_INVALID_VALUE;
    return initMatrix(handle, descriptor, rows, cols, ld, alignment, type, order, true);
  });
}

cusparseStatus_t cusparseLtMatDescriptorDestroy(const cusparseLtMatDescriptor_t* descriptor) {
  std::lock_guard lock(deviceMutex());
  return registries().matrices.erase(descriptor) ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_INVALID_VALUE;
}

cusparseStatus_t cusparseLtMatDescSetAttribute(const cusparseLtHandle_t* handle, cusparseLtMatDescriptor_t* descriptor,
                                               cusparseLtMatDescAttribute_t attribute, const void* data, size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().matrices.get(descriptor);
    if (!object || !data) return CUSPARSE_STATUS_INVALID_VALUE;
    if (attribute == CUSPARSELT_MAT_BATCH_STRIDE) return setValue(&object->matrix.stride, data, size);
    if (attribute != CUSPARSELT_MAT_NUM_BATCHES) return CUSPARSE_STATUS_INVALID_VALUE;
    int batches = 0;
    if (const auto status = setValue(&batches, data, size)) return status;
    if (batches < 1) return CUSPARSE_STATUS_INVALID_VALUE;
    object->matrix.batches = batches;
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtMatDescGetAttribute(const cusparseLtHandle_t* handle,
                                               const cusparseLtMatDescriptor_t* descriptor,
                                               cusparseLtMatDescAttribute_t attribute, void* data, size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().matrices.get(descriptor);
    if (!object || !data) return CUSPARSE_STATUS_INVALID_VALUE;
    if (attribute == CUSPARSELT_MAT_BATCH_STRIDE) return getValue(object->matrix.stride, data, size);
    if (attribute != CUSPARSELT_MAT_NUM_BATCHES) return CUSPARSE_STATUS_INVALID_VALUE;
    return getValue(static_cast<int>(object->matrix.batches), data, size);
  });
}

cusparseStatus_t cusparseLtMatmulDescriptorInit(const cusparseLtHandle_t* handle,
                                                cusparseLtMatmulDescriptor_t* descriptor, cusparseOperation_t opA,
                                                cusparseOperation_t opB, const cusparseLtMatDescriptor_t* a,
                                                const cusparseLtMatDescriptor_t* b, const cusparseLtMatDescriptor_t* c,
                                                const cusparseLtMatDescriptor_t* d, cusparseComputeType compute) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    auto& matrices = registries().matrices;
    Matmul matmul{matrices.get(a), matrices.get(b), matrices.get(c), matrices.get(d),
                  opA == CUSPARSE_OPERATION_TRANSPOSE, opB == CUSPARSE_OPERATION_TRANSPOSE, 0, 0, 0, {}};
    if (!descriptor || !matmul.a || !matmul.b || !matmul.c || !matmul.d) return CUSPARSE_STATUS_INVALID_VALUE;
    for (const auto op : {opA, opB}) {
      if (op != CUSPARSE_OPERATION_NON_TRANSPOSE && op != CUSPARSE_OPERATION_TRANSPOSE) {
        return CUSPARSE_STATUS_NOT_SUPPORTED;
      }
    }
    if (!consistent(matmul)) return CUSPARSE_STATUS_INVALID_VALUE;
    if (!compatible(matmul, compute)) return CUSPARSE_STATUS_NOT_SUPPORTED;
    matmul.m = matmul.d->matrix.rows;
    matmul.n = matmul.d->matrix.cols;
    matmul.k = matmul.transposeA ? matmul.a->matrix.rows : matmul.a->matrix.cols;
    registries().matmuls.put(descriptor, std::move(matmul));
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtMatmulDescSetAttribute(const cusparseLtHandle_t* handle,
                                                  cusparseLtMatmulDescriptor_t* descriptor,
                                                  cusparseLtMatmulDescAttribute_t attribute, const void* data,
                                                  size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().matmuls.get(descriptor);
    if (!object || !data) return CUSPARSE_STATUS_INVALID_VALUE;
    MatmulAttributes& a = object->attributes;
    switch (attribute) {
      case CUSPARSELT_MATMUL_ACTIVATION_RELU: return setValue(&a.relu, data, size);
      case CUSPARSELT_MATMUL_ACTIVATION_RELU_UPPERBOUND: return setValue(&a.upperBound, data, size);
      case CUSPARSELT_MATMUL_ACTIVATION_RELU_THRESHOLD: return setValue(&a.threshold, data, size);
      case CUSPARSELT_MATMUL_BIAS_STRIDE: return setValue(&a.biasStride, data, size);
      case CUSPARSELT_MATMUL_BIAS_POINTER: return setValue(&a.bias, data, size);
      case CUSPARSELT_MATMUL_SPARSE_MAT_POINTER: return setValue(&a.sparse, data, size);
      default: return CUSPARSE_STATUS_NOT_SUPPORTED;
    }
  });
}

cusparseStatus_t cusparseLtMatmulDescGetAttribute(const cusparseLtHandle_t* handle,
                                                  const cusparseLtMatmulDescriptor_t* descriptor,
                                                  cusparseLtMatmulDescAttribute_t attribute, void* data, size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().matmuls.get(descriptor);
    if (!object || !data) return CUSPARSE_STATUS_INVALID_VALUE;
    const MatmulAttributes& a = object->attributes;
    switch (attribute) {
      case CUSPARSELT_MATMUL_ACTIVATION_RELU: return getValue(a.relu, data, size);
      case CUSPARSELT_MATMUL_ACTIVATION_RELU_UPPERBOUND: return getValue(a.upperBound, data, size);
      case CUSPARSELT_MATMUL_ACTIVATION_RELU_THRESHOLD: return getValue(a.threshold, data, size);
      case CUSPARSELT_MATMUL_BIAS_STRIDE: return getValue(a.biasStride, data, size);
      case CUSPARSELT_MATMUL_BIAS_POINTER: return getValue(a.bias, data, size);
      case CUSPARSELT_MATMUL_SPARSE_MAT_POINTER: return getValue(a.sparse, data, size);
      default: return CUSPARSE_STATUS_NOT_SUPPORTED;
    }
  });
}

cusparseStatus_t cusparseLtMatmulAlgSelectionInit(const cusparseLtHandle_t* handle,
                                                  cusparseLtMatmulAlgSelection_t* selection,
                                                  const cusparseLtMatmulDescriptor_t* descriptor,
                                                  cusparseLtMatmulAlg_t algorithm) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto matmul = registries().matmuls.get(descriptor);
    if (!selection || !matmul || algorithm != CUSPARSELT_MATMUL_ALG_DEFAULT) return CUSPARSE_STATUS_INVALID_VALUE;
    registries().selections.put(selection, {matmul, standardSplit()});
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtMatmulAlgSelectionDestroy(const cusparseLtMatmulAlgSelection_t* selection) {
  std::lock_guard lock(deviceMutex());
  return registries().selections.erase(selection) ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_INVALID_VALUE;
}

cusparseStatus_t cusparseLtMatmulAlgSetAttribute(const cusparseLtHandle_t* handle,
                                                 cusparseLtMatmulAlgSelection_t* selection,
                                                 cusparseLtMatmulAlgAttribute_t attribute, const void* data,
                                                 size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().selections.get(selection);
    int value = 0;
    if (!object || !data || setValue(&value, data, size)) return CUSPARSE_STATUS_INVALID_VALUE;
    const auto store = [&](int& field, bool valid) {
      if (!valid) return CUSPARSE_STATUS_INVALID_VALUE;
      field = value;
      return CUSPARSE_STATUS_SUCCESS;
    };
    if (Injection::refuses("set")) return CUSPARSE_STATUS_NOT_SUPPORTED;
    const auto split = [&](int& field) { return store(field, takesSplit(*object, attribute, value)); };
    switch (attribute) {
      case CUSPARSELT_MATMUL_ALG_CONFIG_ID: return store(object->id, value >= 0 && value < algorithms(*object->matmul));
      case CUSPARSELT_MATMUL_SEARCH_ITERATIONS: return store(object->iterations, value > 0);
      case CUSPARSELT_MATMUL_SPLIT_K: return split(object->split.k);
      case CUSPARSELT_MATMUL_SPLIT_K_MODE: return split(object->split.mode);
      case CUSPARSELT_MATMUL_SPLIT_K_BUFFERS: return split(object->split.buffers);
      default: return CUSPARSE_STATUS_INVALID_VALUE;
    }
  });
}

cusparseStatus_t cusparseLtMatmulAlgGetAttribute(const cusparseLtHandle_t* handle,
                                                 const cusparseLtMatmulAlgSelection_t* selection,
                                                 cusparseLtMatmulAlgAttribute_t attribute, void* data, size_t size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().selections.get(selection);
    if (!object || !data) return CUSPARSE_STATUS_INVALID_VALUE;
    if (attribute >= CUSPARSELT_MATMUL_SPLIT_K && Injection::refuses("split")) return CUSPARSE_STATUS_NOT_SUPPORTED;
    switch (attribute) {
      case CUSPARSELT_MATMUL_ALG_CONFIG_ID: return getValue(object->id, data, size);
      case CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID: return getValue(algorithms(*object->matmul), data, size);
      case CUSPARSELT_MATMUL_SEARCH_ITERATIONS: return getValue(object->iterations, data, size);
      case CUSPARSELT_MATMUL_SPLIT_K: return getValue(object->split.k, data, size);
      case CUSPARSELT_MATMUL_SPLIT_K_MODE: return getValue(object->split.mode, data, size);
      case CUSPARSELT_MATMUL_SPLIT_K_BUFFERS: return getValue(object->split.buffers, data, size);
    }
    return CUSPARSE_STATUS_INVALID_VALUE;
  });
}

cusparseStatus_t cusparseLtMatmulPlanInit(const cusparseLtHandle_t* handle, cusparseLtMatmulPlan_t* plan,
                                          const cusparseLtMatmulDescriptor_t* descriptor,
                                          const cusparseLtMatmulAlgSelection_t* selection) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto matmul = registries().matmuls.get(descriptor);
    const auto chosen = registries().selections.get(selection);
    if (!plan || !matmul || !chosen || chosen->matmul != matmul) return CUSPARSE_STATUS_INVALID_VALUE;
    for (const auto& each : {matmul->a, matmul->b, matmul->c}) {
      if (each->matrix.batches != matmul->d->matrix.batches) return CUSPARSE_STATUS_INVALID_VALUE;
    }
    if (Injection::refuses("plan") || !takes(chosen->id, *matmul)) return CUSPARSE_STATUS_NOT_SUPPORTED;
    if (matmul->sparse().type == CUDA_R_32F && !denseAlongK(*matmul)) return CUSPARSE_STATUS_NOT_SUPPORTED;
    registries().plans.put(plan, {matmul, chosen, matmul->attributes, chosen->id});
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtMatmulPlanDestroy(const cusparseLtMatmulPlan_t* plan) {
  std::lock_guard lock(deviceMutex());
  return registries().plans.erase(plan) ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_INVALID_VALUE;
}

cusparseStatus_t cusparseLtMatmulSearch(const cusparseLtHandle_t* handle, cusparseLtMatmulPlan_t* plan,
                                        const void* alpha, const void* a, const void* b, const void* beta,
                                        const void* c, void* d, void* workspace, cudaStream_t* streams,
                                        int32_t count) {
  if (Injection::refuses("search")) return CUSPARSE_STATUS_NOT_SUPPORTED;
  // It waits for its own measurements.
  const bool refused = guarded([&] {
    return refuseInCapture() ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
  });
  if (refused) return CUSPARSE_STATUS_EXECUTION_FAILED;
  if (const auto status = cusparseLtMatmul(handle, plan, alpha, a, b, beta, c, d, workspace, streams, count)) {
    return status;
  }
  return guarded([&] {
    const auto object = registries().plans.get(plan);
    runAllStreams();
    // The last that takes the shape wins, so that a search changes the algorithm.
    object->selection->split = foundSplit();
    for (int id = 0; id < algorithms(*object->matmul); ++id) {
      if (takes(id, *object->matmul)) object->id = object->selection->id = id;
    }
    return stickyError() ? CUSPARSE_STATUS_EXECUTION_FAILED : CUSPARSE_STATUS_SUCCESS;
  });
}
