// cuBLASLt: descriptors with attributes, and the product with its epilogues.
#include "cublasLt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "clock.h"
#include "cuda_runtime_api.h"
#include "memory.h"
#include "product.h"
#include "state.h"
#include "stream.h"

struct cublasLtContext {};

namespace rnm::emulator {
namespace {

constexpr int kVersion = 130100, kAlgorithms = 3;
constexpr uint64_t kAlgorithmMark = 0x61c8864680b583ebull;
constexpr uint32_t kDefaultAlignment = 256;

struct Layout {
  int32_t type, order;
  uint64_t rows, cols;
  int64_t ld, stride;
  int32_t batches;
};

struct Product {
  int32_t compute, scale, pointerMode, transA, transB, biasType;
  uint32_t epilogue;
  void *bias, *aux;
  int64_t biasStride, auxLd, auxStride;
};

struct Preference {
  uint64_t workspace;
  uint32_t search, reductions, alignment[4];
};

struct Algorithm {
  uint64_t mark;
  uint64_t id, workspace;
  uint32_t alignment[4];
};

static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Product) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

// Every live object of the library, so that a stale or foreign handle is noticed.
std::set<const void*>& objects() {
  static auto* const instance = new std::set<const void*>;
  return *instance;
}
bool live(const void* object) { return objects().count(object) > 0; }

template <typename Value, typename Opaque>
Value read(const Opaque* opaque) {
  Value value;
  std::memcpy(&value, opaque, sizeof(Value));
  return value;
}

template <typename Value, typename Opaque>
cublasStatus_t create(Opaque** handle, const Value& value) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new Opaque{};
  std::memcpy(static_cast<void*>(*handle), &value, sizeof(Value));
  objects().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}

template <typename Opaque>
cublasStatus_t destroy(Opaque* handle) {
  if (!handle) return CUBLAS_STATUS_SUCCESS;
  if (objects().erase(handle) == 0) return CUBLAS_STATUS_INVALID_VALUE;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

// Sets one field of an opaque object.
template <typename Value, typename Opaque, typename Field>
cublasStatus_t set(Opaque* handle, Field Value::* field, const void* data, size_t size) {
  if (size != sizeof(Field)) return CUBLAS_STATUS_INVALID_VALUE;
  Value value = read<Value>(handle);
  std::memcpy(&(value.*field), data, size);
  std::memcpy(static_cast<void*>(handle), &value, sizeof(Value));
  return CUBLAS_STATUS_SUCCESS;
}

template <typename Body>
cublasStatus_t guarded(Body&& body) {
  std::lock_guard lock(deviceMutex());
  return stickyError() ? CUBLAS_STATUS_EXECUTION_FAILED : body();
}

bool known(uint32_t epilogue) {
  for (const uint32_t each : {1, 2, 4, 6, 32, 36, 130, 134, 136, 152, 256, 512}) {
    if (epilogue == each) return true;
  }
  return false;
}

struct Problem {
  Product op;
  Matrix a, b, c, d;
  int64_t m, n, k;
  bool has(uint32_t bit) const { return op.epilogue != CUBLASLT_EPILOGUE_DEFAULT && (op.epilogue & bit) != 0; }
  int biasType() const { return op.biasType < 0 ? d.type : op.biasType; }
};

Matrix matrixOf(const Layout& l) {
  return {l.type, static_cast<int64_t>(l.rows), static_cast<int64_t>(l.cols), l.ld, l.order == CUBLASLT_ORDER_ROW,
          l.batches, l.stride};
}

bool sameShape(const Matrix& a, const Matrix& b) {
  return a.type == b.type && a.rows == b.rows && a.cols == b.cols && a.rowMajor == b.rowMajor && a.batches == b.batches;
}

// int8 with int32 results: k has to run along both operands' columns, in fours.
bool integersSupported(const Problem& p) {
  const bool types = p.op.scale == CUDA_R_32I && p.a.type == CUDA_R_8I && p.b.type == CUDA_R_8I &&
                     p.c.type == CUDA_R_32I && p.d.type == CUDA_R_32I;
  const bool layout = p.op.transA == CUBLAS_OP_T && p.op.transB == CUBLAS_OP_N && !p.a.rowMajor && !p.b.rowMajor &&
                      !p.d.rowMajor && p.m % 4 == 0 && p.k % 4 == 0 && p.a.ld % 4 == 0 && p.b.ld % 4 == 0;
  return types && layout && p.op.epilogue == CUBLASLT_EPILOGUE_DEFAULT;
}

// Which types go together (cuBLASLt's table for real floating point, as far as it is used).
bool supported(const Problem& p) {
  if (p.op.compute == CUBLAS_COMPUTE_32I) return integersSupported(p);
  if (p.op.scale != CUDA_R_32F || p.a.type != p.b.type || p.c.type != p.d.type) return false;
  if (!isFloatType(p.a.type) || !isFloatType(p.d.type)) return false;
  if (p.op.compute == CUBLAS_COMPUTE_32F_FAST_TF32) return p.a.type == CUDA_R_32F && p.d.type == CUDA_R_32F;
  if (p.op.compute != CUBLAS_COMPUTE_32F && p.op.compute != CUBLAS_COMPUTE_32F_PEDANTIC) return false;
  if (p.a.type == CUDA_R_32F) return p.d.type == CUDA_R_32F;
  return p.d.type == p.a.type || p.d.type == CUDA_R_32F;
}

cublasStatus_t describe(cublasLtMatmulDesc_t op, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                        cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, Problem* p) {
  for (const void* object : {static_cast<const void*>(op), static_cast<const void*>(a), static_cast<const void*>(b),
                             static_cast<const void*>(c), static_cast<const void*>(d)}) {
    if (!object || !live(object)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  *p = {read<Product>(op), matrixOf(read<Layout>(a)), matrixOf(read<Layout>(b)), matrixOf(read<Layout>(c)),
        matrixOf(read<Layout>(d)), 0, 0, 0};
  const bool ta = p->op.transA != CUBLAS_OP_N, tb = p->op.transB != CUBLAS_OP_N;
  p->m = p->d.rows;
  p->n = p->d.cols;
  p->k = ta ? p->a.rows : p->a.cols;
  for (const Matrix* matrix : {&p->a, &p->b, &p->c, &p->d}) {
    if (!matrix->fits() || matrix->batches != p->d.batches) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if ((ta ? p->a.cols : p->a.rows) != p->m || (tb ? p->b.cols : p->b.rows) != p->k ||
      (tb ? p->b.rows : p->b.cols) != p->n || !sameShape(p->c, p->d)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (p->op.pointerMode != CUBLASLT_POINTER_MODE_HOST || !known(p->op.epilogue)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!supported(*p)) return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool special = p->op.epilogue > CUBLASLT_EPILOGUE_RELU;
  if (special && p->d.rowMajor) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p->biasType() != p->d.type && p->biasType() != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

bool usesBias(const Problem& p) { return p.has(4 | 16 | 256 | 512); }
int64_t biasLength(const Problem& p) { return p.op.epilogue == CUBLASLT_EPILOGUE_BGRADB ? p.n : p.m; }
size_t biasBytes(const Problem& p) {
  return (biasLength(p) + (p.d.batches - 1) * p.op.biasStride) * sizeOf(p.biasType());
}
size_t auxBytes(const Problem& p) { return (p.op.auxLd * p.n + (p.d.batches - 1) * p.op.auxStride + 7) / 8; }

cublasStatus_t checkEpilogue(const Problem& p) {
  if (usesBias(p) && !p.op.bias) return CUBLAS_STATUS_INVALID_VALUE;
  if (!p.has(128)) return CUBLAS_STATUS_SUCCESS;
  // The mask has a bit for each element and columns that begin at multiples of 128.
  const bool good = p.op.aux && p.op.auxLd >= p.m && p.op.auxLd % 128 == 0 && p.op.auxStride % 8 == 0;
  return good ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

struct Pointers {
  const void *a, *b, *c;
  void *d, *workspace;
  size_t workspaceSize;
};

// Whether all that the product touches is live memory of the device.
bool reachable(const Problem& p, const Pointers& at, float beta) {
  return deviceCanAccess(at.a, p.a.bytes()) && deviceCanAccess(at.b, p.b.bytes()) &&
         deviceCanAccess(at.d, p.d.bytes()) && (beta == 0 || deviceCanAccess(at.c, p.c.bytes())) &&
         (!usesBias(p) || deviceCanAccess(p.op.bias, biasBytes(p))) &&
         (!p.has(128) || deviceCanAccess(p.op.aux, auxBytes(p))) &&
         (at.workspaceSize == 0 || deviceCanAccess(at.workspace, at.workspaceSize));
}

// Sums over k: of a's rows, or of b's columns.
void inputGradient(const Problem& p, const std::vector<float>& a, const std::vector<float>& b, int64_t batch) {
  const bool ofA = p.op.epilogue == CUBLASLT_EPILOGUE_BGRADA;
  for (int64_t i = 0; i < biasLength(p); ++i) {
    float sum = 0;
    for (int64_t j = 0; j < p.k; ++j) sum += ofA ? a[i * p.k + j] : b[j * p.n + i];
    storeElement(p.op.bias, batch * p.op.biasStride + i, p.biasType(), sum);
  }
}

bool maskBit(const Problem& p, int64_t row, int64_t col, int64_t batch) {
  const int64_t bit = batch * p.op.auxStride + col * p.op.auxLd + row;
  return static_cast<const unsigned char*>(p.op.aux)[bit / 8] >> (bit % 8) & 1;
}

void setMaskBit(const Problem& p, int64_t row, int64_t col, int64_t batch, bool value) {
  const int64_t bit = batch * p.op.auxStride + col * p.op.auxLd + row;
  unsigned char& byte = static_cast<unsigned char*>(p.op.aux)[bit / 8];
  byte = static_cast<unsigned char>(value ? byte | 1 << bit % 8 : byte & ~(1 << bit % 8));
}

float epilogue(const Problem& p, float value, int64_t row, int64_t col, int64_t batch) {
  if (p.has(4)) value += loadElement(p.op.bias, batch * p.op.biasStride + row, p.biasType());
  if (p.has(2)) {
    if (p.has(128)) setMaskBit(p, row, col, batch, value > 0);
    value = relu(value, 0);
  }
  if (p.has(32)) {
    // The approximation with tanh (Hendrycks and Gimpel 2016).
    value *= 0.5f * (1 + std::tanh(0.7978845608f * (value + 0.044715f * value * value * value)));
  }
  if (p.has(8) && !maskBit(p, row, col, batch)) value = 0;
  return value;
}

void multiplyBatch(const Problem& p, const Pointers& at, float alpha, float beta, int64_t batch) {
  const bool tf32 = p.op.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const auto a = loadMatrix(p.a, at.a, batch, p.op.transA != CUBLAS_OP_N, tf32);
  const auto b = loadMatrix(p.b, at.b, batch, p.op.transB != CUBLAS_OP_N, tf32);
  const auto product = multiply(a, b, p.m, p.n, p.k);
  std::vector<float> rowSums(p.m);
  for (int64_t row = 0; row < p.m; ++row) {
    for (int64_t col = 0; col < p.n; ++col) {
      float value = alpha * product[row * p.n + col];
      if (beta != 0) value += beta * loadElement(at.c, batch * p.c.stride + p.c.at(row, col), p.c.type);
      value = epilogue(p, value, row, col, batch);
      rowSums[row] += value;
      storeElement(at.d, batch * p.d.stride + p.d.at(row, col), p.d.type, value);
    }
  }
  if (p.has(256 | 512)) inputGradient(p, a, b, batch);
  if (p.has(16)) {
    for (int64_t i = 0; i < p.m; ++i) storeElement(p.op.bias, batch * p.op.biasStride + i, p.biasType(), rowSums[i]);
  }
}

// The largest power of two up to 256 that divides an address.
uint32_t alignmentOf(const void* pointer) {
  uint32_t alignment = kDefaultAlignment;
  while (reinterpret_cast<uintptr_t>(pointer) % alignment != 0) alignment /= 2;
  return alignment;
}

cublasStatus_t checkAlgorithm(const Algorithm& algorithm, const Pointers& at) {
  if (algorithm.mark != kAlgorithmMark || algorithm.id >= kAlgorithms) return CUBLAS_STATUS_INVALID_VALUE;
  const void* const pointers[] = {at.a, at.b, at.c, at.d};
  for (int i = 0; i < 4; ++i) {
    // Found for pointers that are better aligned than these.
    if (alignmentOf(pointers[i]) < algorithm.alignment[i]) return CUBLAS_STATUS_INVALID_VALUE;
  }
  return at.workspaceSize >= algorithm.workspace ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t checkPointers(const Problem& p, const Pointers& at) {
  if (!at.a || !at.b || !at.c || !at.d) return CUBLAS_STATUS_INVALID_VALUE;
  if (at.workspaceSize > 0 && (!at.workspace || alignmentOf(at.workspace) < 16)) return CUBLAS_STATUS_INVALID_VALUE;
  const std::pair<const void*, int> operands[] = {
      {at.a, p.a.type}, {at.b, p.b.type}, {at.c, p.c.type}, {at.d, p.d.type}};
  for (const auto& [pointer, type] : operands) {
    if (alignmentOf(pointer) < sizeOf(type)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  const bool inPlace = at.c == at.d;
  if (inPlace && (p.c.ld != p.d.ld || p.c.stride != p.d.stride)) return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

// A product may write to all of its workspace. Both ends are enough to show who relies on it: backends
// give tens of MiB to each of thousands of products.
void spoilWorkspace(void* workspace, size_t size) {
  constexpr size_t kEnd = 4096;
  const size_t end = std::min(size, kEnd);
  std::memset(workspace, kFreshByte, end);
  std::memset(static_cast<char*>(workspace) + size - end, kFreshByte, end);
}

cublasStatus_t matmul(const Problem& p, const Pointers& at, float alpha, float beta, cudaStream_t stream) {
  if (!reachable(p, at, beta)) {
    fault(cudaErrorIllegalAddress, "cublasLtMatmul: an operand is not within live memory of the device");
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  const cudaError_t error = submit(stream, [p, at, alpha, beta] {
    if (!reachable(p, at, beta)) return cudaErrorIllegalAddress;
    if (at.workspaceSize > 0) spoilWorkspace(at.workspace, at.workspaceSize);
    for (int64_t batch = 0; batch < p.d.batches; ++batch) multiplyBatch(p, at, alpha, beta, batch);
    spend("cublasLt", static_cast<int>(p.d.batches), p.d.batches);
    return cudaSuccess;
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace
}  // namespace rnm::emulator

using namespace rnm::emulator;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return guarded([&] {
    if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
    if (Injection::driver() || Injection::libraryFails("cublasLt")) return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = new cublasLtContext;
    objects().insert(*handle);
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  std::lock_guard lock(deviceMutex());
  if (objects().erase(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_LICENSE_ERROR: return "CUBLAS_STATUS_LICENSE_ERROR";
  }
  return "CUBLAS_STATUS_UNKNOWN";
}

const char* cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

size_t cublasLtGetVersion() { return Injection::libraryVersion("cublasLt", kVersion); }
size_t cublasLtGetCudartVersion() { return CUDART_VERSION; }

cublasStatus_t cublasLtGetProperty(libraryPropertyType type, int* value) {
  if (!value || type < MAJOR_VERSION || type > PATCH_LEVEL) return CUBLAS_STATUS_INVALID_VALUE;
  const int version = static_cast<int>(cublasLtGetVersion());
  *value = type == MAJOR_VERSION ? version / 10000 : type == MINOR_VERSION ? version / 100 % 100 : version % 100;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  return guarded([&] { return create(layout, Layout{type, CUBLASLT_ORDER_COL, rows, cols, ld, 0, 1}); });
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  std::lock_guard lock(deviceMutex());
  return destroy(layout);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* data, size_t size) {
  return guarded([&] {
    if (!data || !live(layout)) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attribute) {
      case CUBLASLT_MATRIX_LAYOUT_TYPE: return set(layout, &Layout::type, data, size);
      case CUBLASLT_MATRIX_LAYOUT_ORDER: return set(layout, &Layout::order, data, size);
      case CUBLASLT_MATRIX_LAYOUT_ROWS: return set(layout, &Layout::rows, data, size);
      case CUBLASLT_MATRIX_LAYOUT_COLS: return set(layout, &Layout::cols, data, size);
      case CUBLASLT_MATRIX_LAYOUT_LD: return set(layout, &Layout::ld, data, size);
      case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set(layout, &Layout::batches, data, size);
      case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set(layout, &Layout::stride, data, size);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  return guarded([&] {
    return create(desc, Product{compute, scale, CUBLASLT_POINTER_MODE_HOST, CUBLAS_OP_N, CUBLAS_OP_N, -1,
                                   CUBLASLT_EPILOGUE_DEFAULT, nullptr, nullptr, 0, 0, 0});
  });
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  std::lock_guard lock(deviceMutex());
  return destroy(desc);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* data, size_t size) {
  return guarded([&] {
    if (!data || !live(desc)) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return set(desc, &Product::compute, data, size);
      case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return set(desc, &Product::scale, data, size);
      case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set(desc, &Product::pointerMode, data, size);
      case CUBLASLT_MATMUL_DESC_TRANSA: return set(desc, &Product::transA, data, size);
      case CUBLASLT_MATMUL_DESC_TRANSB: return set(desc, &Product::transB, data, size);
      case CUBLASLT_MATMUL_DESC_EPILOGUE: return set(desc, &Product::epilogue, data, size);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set(desc, &Product::bias, data, size);
      case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE: return set(desc, &Product::biasStride, data, size);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return set(desc, &Product::aux, data, size);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return set(desc, &Product::auxLd, data, size);
      case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE: return set(desc, &Product::auxStride, data, size);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set(desc, &Product::biasType, data, size);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
  });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return guarded([&] {
    constexpr uint32_t a = kDefaultAlignment;
    return create(preference, Preference{0, 0, 7, {a, a, a, a}});
  });
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  std::lock_guard lock(deviceMutex());
  return destroy(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* data,
                                                    size_t size) {
  return guarded([&] {
    if (!data || !live(preference)) return CUBLAS_STATUS_INVALID_VALUE;
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_SEARCH_MODE: return set(preference, &Preference::search, data, size);
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(preference, &Preference::workspace, data, size);
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(preference, &Preference::reductions, data, size);
      default: break;
    }
    const int operand = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    if (operand < 0 || operand > 3 || size != sizeof(uint32_t)) return CUBLAS_STATUS_INVALID_VALUE;
    auto value = read<Preference>(preference);
    std::memcpy(&value.alignment[operand], data, size);
    std::memcpy(static_cast<void*>(preference), &value, sizeof(value));
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t op,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
  return guarded([&] {
    if (!live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!returned || !results || requested <= 0 || !live(preference)) return CUBLAS_STATUS_INVALID_VALUE;
    *returned = 0;
    Problem problem;
    if (const auto status = describe(op, a, b, c, d, &problem)) return status;
    const auto wish = read<Preference>(preference);
    for (uint64_t id = 0; id < kAlgorithms && *returned < requested; ++id) {
      // Later algorithms need more room, as those that split k do.
      const uint64_t workspace = id * 16384;
      if (workspace > wish.workspace) break;
      Algorithm algorithm{kAlgorithmMark, id, workspace, {}};
      std::memcpy(algorithm.alignment, wish.alignment, sizeof(wish.alignment));
      cublasLtMatmulHeuristicResult_t& result = results[(*returned)++];
      result = {};
      std::memcpy(&result.algo, &algorithm, sizeof(algorithm));
      result.workspaceSize = workspace;
      result.state = CUBLAS_STATUS_SUCCESS;
      result.wavesCount = 1;
    }
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t op, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t aLayout, const void* b, cublasLtMatrixLayout_t bLayout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t cLayout, void* d,
                              cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              size_t workspaceSize, cudaStream_t stream) {
  return guarded([&] {
    if (!live(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!alpha || !beta || !validStream(stream)) return CUBLAS_STATUS_INVALID_VALUE;
    Problem problem;
    if (const auto status = describe(op, aLayout, bLayout, cLayout, dLayout, &problem)) return status;
    if (const auto status = checkEpilogue(problem)) return status;
    const Pointers at{a, b, c, d, workspace, workspaceSize};
    if (const auto status = checkPointers(problem, at)) return status;
    if (algorithm) {
      if (const auto status = checkAlgorithm(read<Algorithm>(algorithm), at)) return status;
    }
    const int scale = problem.op.scale;
    return matmul(problem, at, loadElement(alpha, 0, scale), loadElement(beta, 0, scale), stream);
  });
}
