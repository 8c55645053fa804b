#include "cuda/blas.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "cuda/handle_pool.h"

namespace rnm::cuda {
namespace {

// What NVIDIA recommends for Hopper; less is enough for others.
constexpr size_t kWorkspaceBytes = 32 << 20;

cudaDataType dataType(ElementType type) {
  return type == ElementType::bfloat16 ? CUDA_R_16BF : CUDA_R_32F;
}

cublasComputeType_t computeType(const Product& product, Precision precision) {
  const bool fast = precision == Precision::tf32 && product.a.type == ElementType::float32;
  return fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

int64_t elementBytes(ElementType type) { return type == ElementType::bfloat16 ? 2 : 4; }

// The largest power of two, up to 256 bytes, that every matrix of a batch and every row begins at.
int64_t alignment(const MatrixRef& matrix, int batch) {
  uint64_t bits = reinterpret_cast<uintptr_t>(matrix.data) | matrix.ld * elementBytes(matrix.type) | 256;
  if (batch > 1) bits |= matrix.stride * elementBytes(matrix.type);
  return static_cast<int64_t>(bits & (~bits + 1));
}

cublasLtEpilogue_t epilogue(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::bias: return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::biasRelu: return CUBLASLT_EPILOGUE_RELU_BIAS;
    default: return CUBLASLT_EPILOGUE_DEFAULT;
  }
}

}  // namespace

void check(const CublasLt& lt, cublasStatus_t status, const char* attempt) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error(std::string("cuBLASLt could not ") + attempt + ": " +
                           lt.cublasLtGetStatusString(status));
}

// cuBLASLt's matrices are column-major, in which ours appear transposed. It is therefore asked for
// the transposed product, result^T = op(b)^T op(a)^T: its A is our b, its B our a.
struct Blas::Plan {
  explicit Plan(const CublasLt& lt) : lt(lt), operation(lt), a(lt), b(lt), result(lt) {}

  void describe(const Product& p, Precision precision);
  void choose(cublasLtHandle_t handle, const Product& p);

  const CublasLt& lt;
  BlasOperation operation;
  BlasLayout a, b, result;
  cublasLtMatmulAlgo_t algorithm{};

 private:
  template <typename Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(lt, lt.cublasLtMatmulDescSetAttribute(operation.handle, attribute, &value, sizeof value),
          "describe a matrix product");
  }
  void layOut(BlasLayout& layout, const MatrixRef& matrix, int64_t rows, int64_t columns, int batch);
};

void Blas::Plan::layOut(BlasLayout& layout, const MatrixRef& matrix, int64_t rows, int64_t columns,
                        int batch) {
  check(lt,
        lt.cublasLtMatrixLayoutCreate(&layout.handle, dataType(matrix.type), columns, rows, matrix.ld),
        "describe a matrix");
  if (batch == 1) return;
  const int32_t count = batch;
  const int64_t stride = matrix.stride;
  check(lt, lt.cublasLtMatrixLayoutSetAttribute(layout.handle, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                &count, sizeof count),
        "describe a batch of matrices");
  check(lt, lt.cublasLtMatrixLayoutSetAttribute(layout.handle,
                                                CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                &stride, sizeof stride),
        "describe a batch of matrices");
}

void Blas::Plan::describe(const Product& p, Precision precision) {
  check(lt,
        lt.cublasLtMatmulDescCreate(&operation.handle, computeType(p, precision), CUDA_R_32F),
        "describe a matrix product");
  set(CUBLASLT_MATMUL_DESC_TRANSA, p.transposeB ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, p.transposeA ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(p.epilogue));
  if (p.epilogue != Epilogue::none) {
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    if (p.batch > 1) set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, p.biasStride);
  }
  layOut(a, p.b, p.transposeB ? p.columns : p.depth, p.transposeB ? p.depth : p.columns, p.batch);
  layOut(b, p.a, p.transposeA ? p.depth : p.rows, p.transposeA ? p.rows : p.depth, p.batch);
  layOut(result, p.result, p.rows, p.columns, p.batch);
}

void Blas::Plan::choose(cublasLtHandle_t handle, const Product& p) {
  BlasPreference preference(lt);
  check(lt, lt.cublasLtMatmulPreferenceCreate(&preference.handle), "choose an algorithm");
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check(lt,
          lt.cublasLtMatmulPreferenceSetAttribute(preference.handle, attribute, &value,
                                                  sizeof value),
          "choose an algorithm");
  };
  const auto aligned = [&](const MatrixRef& matrix) {
    return static_cast<uint32_t>(alignment(matrix, p.batch));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, aligned(p.b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, aligned(p.a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, aligned(p.result));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, aligned(p.result));
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  const cublasStatus_t status = lt.cublasLtMatmulAlgoGetHeuristic(
      handle, operation.handle, a.handle, b.handle, result.handle, result.handle,
      preference.handle, 1, &best, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found == 0 || best.state != CUBLAS_STATUS_SUCCESS) {
    throw std::runtime_error("cuBLASLt has no algorithm for a product of [" +
                             std::to_string(p.rows) + ", " + std::to_string(p.depth) + "] and [" +
                             std::to_string(p.depth) + ", " + std::to_string(p.columns) + "]: " +
                             lt.cublasLtGetStatusString(status));
  }
  algorithm = best.algo;
}

namespace {

cublasLtHandle_t makeHandle(const CublasLt& lt) {
  cublasLtHandle_t handle = nullptr;
  const cublasStatus_t status = lt.cublasLtCreate(&handle);
  if (status == CUBLAS_STATUS_SUCCESS) return handle;
  throw std::runtime_error("cuBLASLt " + lt.version() + " failed to initialise: " +
                           lt.cublasLtGetStatusString(status) + " (" + lt.path +
                           "). It has to fit the driver that `nvidia-smi` shows, and the GPU needs some "
                           "free memory; or use device \"cpu\".");
}

}  // namespace

BlasHandle::BlasHandle(const CublasLt& lt)
    : handle_(HandlePool<cublasLtHandle_t>::instance().take([&] { return makeHandle(lt); })) {}

BlasHandle::~BlasHandle() { HandlePool<cublasLtHandle_t>::instance().giveBack(handle_); }

Blas::Blas(Context& context) : context_(context), lt_(cublasLt()), blas_(lt_) {}

Blas::~Blas() = default;

Blas::Key Blas::keyOf(const Product& p) {
  Key key{p.rows, p.columns, p.depth, p.batch, p.transposeA, p.transposeB,
          static_cast<int64_t>(p.epilogue), p.biasStride};
  size_t at = 8;
  for (const MatrixRef& matrix : {p.a, p.b, p.result}) {
    for (const int64_t part : {matrix.ld, matrix.stride, static_cast<int64_t>(matrix.type),
                               alignment(matrix, p.batch)}) {
      key[at++] = part;
    }
  }
  return key;
}

Blas::Plan& Blas::planOf(const Product& product) {
  std::unique_ptr<Plan>& plan = plans_[keyOf(product)];
  if (!plan) {
    auto made = std::make_unique<Plan>(lt_);
    made->describe(product, context_.precision());
    made->choose(blas_.get(), product);
    plan = std::move(made);
  }
  return *plan;
}

void Blas::multiply(const Product& product) {
  void* workspace = context_.scratch(Context::Scratch::blas, kWorkspaceBytes);
  Plan& plan = planOf(product);
  const void* operands[] = {&plan, product.a.data, product.b.data, product.result.data,
                            product.bias};
  context_.recordCall(operands, sizeof operands);
  if (context_.refreshing()) return;
  if (product.epilogue != Epilogue::none) {
    check(lt_,
          lt_.cublasLtMatmulDescSetAttribute(plan.operation.handle,
                                             CUBLASLT_MATMUL_DESC_BIAS_POINTER, &product.bias,
                                             sizeof product.bias),
          "add a bias");
  }
  const float one = 1.0f, zero = 0.0f;
  check(lt_,
        lt_.cublasLtMatmul(blas_.get(), plan.operation.handle, &one, product.b.data, plan.a.handle,
                           product.a.data, plan.b.handle, &zero, product.result.data,
                           plan.result.handle, product.result.data, plan.result.handle,
                           &plan.algorithm, workspace, kWorkspaceBytes, context_.stream()),
        "multiply matrices");
}

}  // namespace rnm::cuda
