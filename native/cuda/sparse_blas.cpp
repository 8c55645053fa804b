#include "cuda/sparse_blas.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "cuda/handle_pool.h"

namespace rnm::cuda {
namespace {

cudaDataType dataType(ElementType type) {
  return type == ElementType::bfloat16 ? CUDA_R_16BF : CUDA_R_32F;
}

// Columns that share their active weights' budget, and the budget.
int groupOf(ElementType type) { return type == ElementType::bfloat16 ? 4 : 2; }

int64_t unitOf(ElementType type) { return type == ElementType::bfloat16 ? 8 : 4; }

constexpr int64_t kSparseUnit = 16;

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

constexpr uint32_t kAlignment = 16;

}  // namespace

std::string causeOf(const CusparseLt& lt, cusparseStatus_t status) {
  if (lt.cusparseLtGetErrorString) return lt.cusparseLtGetErrorString(status);
  return "status " + std::to_string(static_cast<int>(status));
}

void check(const CusparseLt& lt, cusparseStatus_t status, const char* attempt) {
  if (status == CUSPARSE_STATUS_SUCCESS) return;
  throw SparseFailure(std::string("cuSPARSELt could not ") + attempt + ": " + causeOf(lt, status));
}

// A tile is of at most 128 rows and columns; positions take half a byte for a column at most.
size_t compressedRoom(size_t bytes, int64_t rows) {
  constexpr int64_t kTile = 128;
  return bytes + roundUp(rows, kTile) * kTile / 2;
}

bool fitsTensorCores(const NmPattern& pattern, ElementType type) {
  if (pattern.dense()) return false;
  const int group = groupOf(type), budget = group / 2;
  // Both grids repeat after their product.
  for (int begin = 0; begin < group * pattern.m; begin += group) {
    int most = 0;
    for (int at = begin; at < begin + group;) {
      const int end = std::min(begin + group, (at / pattern.m + 1) * pattern.m);
      most += std::min(pattern.n, end - at);
      at = end;
    }
    if (most > budget) return false;
  }
  return true;
}

// Sizes of dense matrices are multiples of the unit, those of sparse ones of two, or of more than that.
int64_t SparseProduct::Shape::paddedOutputs() const { return roundUp(outputs, kSparseUnit); }
int64_t SparseProduct::Shape::paddedInputs() const { return roundUp(inputs, kSparseUnit); }
int64_t SparseProduct::Shape::paddedRows() const { return roundUp(rows, unitOf(type)); }

namespace {

SparseHandle makeHandle(const CusparseLt& lt) {
  auto handle = std::make_unique<Roomy<cusparseLtHandle_t>>();
  const cusparseStatus_t status = lt.cusparseLtInit(handle->get());
  if (status == CUSPARSE_STATUS_SUCCESS) return handle;
  throw std::runtime_error(std::string("cuSPARSELt failed to initialise: ") + causeOf(lt, status) +
                           " (" + lt.path + ")");
}

}  // namespace

SparseBlas::SparseBlas()
    : lt_(cusparseLt()),
      handle_(HandlePool<SparseHandle>::instance().take([&] { return makeHandle(lt_); })) {}

SparseBlas::~SparseBlas() { HandlePool<SparseHandle>::instance().giveBack(std::move(handle_)); }

SparseProduct::SparseProduct(Context& context, SparseBlas& blas, const Shape& shape,
                             const SparseAlgorithm& algorithm)
    : context_(context),
      blas_(blas),
      lt_(blas.functions()),
      shape_(shape),
      weights_(lt_),
      input_(lt_),
      output_(lt_),
      algorithm_(lt_),
      plan_(lt_) {
  describe();
  select(algorithm);
  plan();
}

// With W as it lies (row-major) and the others column-major, where our row-major batches appear
// transposed: y^T = W x^T, whose bias is one number for each row.
void SparseProduct::describe() {
  const cusparseLtHandle_t* handle = blas_.handle();
  const cudaDataType type = dataType(shape_.type);
  const int64_t outputs = shape_.paddedOutputs(), inputs = shape_.paddedInputs();
  const int64_t rows = shape_.paddedRows();
  weights_.make("describe sparse weights", [&](cusparseLtMatDescriptor_t* made) {
    return lt_.cusparseLtStructuredDescriptorInit(handle, made, outputs, inputs, shape_.weightLd,
                                                  kAlignment, type, CUSPARSE_ORDER_ROW,
                                                  CUSPARSELT_SPARSITY_50_PERCENT);
  });
  input_.make("describe a layer's input", [&](cusparseLtMatDescriptor_t* made) {
    return lt_.cusparseLtDenseDescriptorInit(handle, made, inputs, rows, shape_.inputLd, kAlignment,
                                             type, CUSPARSE_ORDER_COL);
  });
  output_.make("describe a layer's output", [&](cusparseLtMatDescriptor_t* made) {
    return lt_.cusparseLtDenseDescriptorInit(handle, made, outputs, rows, shape_.outputLd,
                                             kAlignment, type, CUSPARSE_ORDER_COL);
  });
  check(lt_,
        lt_.cusparseLtMatmulDescriptorInit(
            handle, operation_.get(), CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE,
            weights_.get(), input_.get(), output_.get(), output_.get(), CUSPARSE_COMPUTE_32F),
        "describe a sparse product");
  if (shape_.bias) addBiasAndRelu();
}

void SparseProduct::addBiasAndRelu() {
  const cusparseLtHandle_t* handle = blas_.handle();
  const int relu = 1;
  check(lt_,
        lt_.cusparseLtMatmulDescSetAttribute(handle, operation_.get(), CUSPARSELT_MATMUL_ACTIVATION_RELU,
                                             &relu, sizeof relu),
        "add ReLU to a sparse product");
  check(lt_,
        lt_.cusparseLtMatmulDescSetAttribute(handle, operation_.get(), CUSPARSELT_MATMUL_BIAS_POINTER,
                                             &shape_.bias, sizeof shape_.bias),
        "add a bias to a sparse product");
}

void SparseProduct::select(const SparseAlgorithm& algorithm) {
  algorithm_.make("choose an algorithm", [&](cusparseLtMatmulAlgSelection_t* made) {
    return lt_.cusparseLtMatmulAlgSelectionInit(blas_.handle(), made, operation_.get(),
                                                CUSPARSELT_MATMUL_ALG_DEFAULT);
  });
  setAttribute(CUSPARSELT_MATMUL_ALG_CONFIG_ID, algorithm.id);
  setAttribute(CUSPARSELT_MATMUL_SPLIT_K, algorithm.splitK);
  setAttribute(CUSPARSELT_MATMUL_SPLIT_K_MODE, algorithm.splitMode);
  setAttribute(CUSPARSELT_MATMUL_SPLIT_K_BUFFERS, algorithm.splitBuffers);
}

// What the library has chosen by itself is not always something that it may be told: on Hopper it
// has the mode ONE_KERNEL, and refuses it.
void SparseProduct::setAttribute(cusparseLtMatmulAlgAttribute_t name, std::optional<int> value) {
  if (!value || value == attribute(name)) return;
  check(lt_,
        lt_.cusparseLtMatmulAlgSetAttribute(blas_.handle(), algorithm_.get(), name, &*value,
                                            sizeof *value),
        "choose an algorithm");
}

void SparseProduct::plan() {
  const cusparseLtHandle_t* handle = blas_.handle();
  plan_.make("plan a sparse product", [&](cusparseLtMatmulPlan_t* made) {
    return lt_.cusparseLtMatmulPlanInit(handle, made, operation_.get(), algorithm_.get());
  });
  check(lt_, lt_.cusparseLtMatmulGetWorkspace(handle, plan_.get(), &workspace_), "plan a sparse product");
  check(lt_,
        lt_.cusparseLtSpMMACompressedSize(handle, plan_.get(), &compressedBytes_, &compressScratch_),
        "plan a sparse product");
}

void SparseProduct::compress(const void* dense, void* compressed) {
  context_.requireNoGraph("a compression of weights");
  void* scratch = compressScratch_ > 0
                      ? context_.scratch(Context::Scratch::blas, compressScratch_)
                      : nullptr;
  check(lt_,
        lt_.cusparseLtSpMMACompress(blas_.handle(), plan_.get(), dense, compressed, scratch,
                                    context_.stream()),
        "compress sparse weights");
}

void SparseProduct::run(const void* compressed, const void* x, void* y) {
  void* workspace =
      workspace_ > 0 ? context_.scratch(Context::Scratch::blas, workspace_) : nullptr;
  const void* operands[] = {this, compressed, x, y};
  context_.recordCall(operands, sizeof operands);
  if (context_.refreshing()) return;
  const float one = 1.0f, zero = 0.0f;
  cudaStream_t stream = context_.stream();
  check(lt_,
        lt_.cusparseLtMatmul(blas_.handle(), plan_.get(), &one, compressed, x, &zero, y, y, workspace,
                             &stream, 1),
        "multiply with sparse weights");
}

void SparseProduct::search(const void* compressed, const void* x, void* y) {
  context_.requireNoGraph("a search for an algorithm");
  void* workspace =
      workspace_ > 0 ? context_.scratch(Context::Scratch::blas, workspace_) : nullptr;
  const float one = 1.0f, zero = 0.0f;
  cudaStream_t stream = context_.stream();
  check(lt_,
        lt_.cusparseLtMatmulSearch(blas_.handle(), plan_.get(), &one, compressed, x, &zero, y, y,
                                   workspace, &stream, 1),
        "search for an algorithm");
}

// Not every library tells every attribute.
std::optional<int> SparseProduct::attribute(cusparseLtMatmulAlgAttribute_t name) const {
  int value = 0;
  const cusparseStatus_t status = lt_.cusparseLtMatmulAlgGetAttribute(
      blas_.handle(), algorithm_.get(), name, &value, sizeof value);
  return status == CUSPARSE_STATUS_SUCCESS ? std::optional(value) : std::nullopt;
}

SparseAlgorithm SparseProduct::algorithm() const {
  return {attribute(CUSPARSELT_MATMUL_ALG_CONFIG_ID), attribute(CUSPARSELT_MATMUL_SPLIT_K),
          attribute(CUSPARSELT_MATMUL_SPLIT_K_MODE), attribute(CUSPARSELT_MATMUL_SPLIT_K_BUFFERS)};
}

}  // namespace rnm::cuda
