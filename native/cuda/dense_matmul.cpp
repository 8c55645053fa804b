#include "cuda/dense_matmul.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace rnm::cuda {
namespace {

// The most that an algorithm may need: what NVIDIA recommends for Hopper.
constexpr size_t kWorkspaceBytes = 32 << 20;
constexpr int kMostAlgorithms = 16;
// A search takes the median of so many measurements of so many products.
constexpr int kSearchRepetitions = 5, kSearchLaunches = 5;

cublasLtEpilogue_t epilogueOf(const MatmulSpec& spec) {
  switch (spec.activation) {
    case MatmulActivation::relu:
      return spec.bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    case MatmulActivation::gelu:
      return spec.bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    default: return spec.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  }
}

cublasComputeType_t computeTypeOf(MatmulType type) {
  switch (type) {
    case MatmulType::tf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
    case MatmulType::int8: return CUBLAS_COMPUTE_32I;
    default: return CUBLAS_COMPUTE_32F;
  }
}

[[noreturn]] void notSparse() {
  throw std::invalid_argument("A dense product has no sparse operand");
}

}  // namespace

DenseMatmul::DenseMatmul(const MatmulSpec& spec)
    : CudaMatmul(spec), lt_(cublasLt()), blas_(lt_), operation_(lt_), first_(lt_), second_(lt_), d_(lt_) {
  describe();
  findAlgorithms();
  choose(0);
}

cublasOperation_t DenseMatmul::operationOf(MatmulOperand operand) const {
  const bool transpose = operand == MatmulOperand::a ? spec().transposeA : spec().transposeB;
  return (transpose != rowMajor(operand)) != swapped() ? CUBLAS_OP_T : CUBLAS_OP_N;
}

template <typename Value>
void DenseMatmul::set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check(lt_, lt_.cublasLtMatmulDescSetAttribute(operation_.handle, attribute, &value, sizeof value),
        "describe a product");
}

void DenseMatmul::layOut(BlasLayout& layout, MatmulOperand operand) {
  int64_t rows = storedRows(operand), columns = storedColumns(operand);
  if (rowMajor(operand)) std::swap(rows, columns);
  check(lt_,
        lt_.cublasLtMatrixLayoutCreate(&layout.handle,
                                       operand == MatmulOperand::d ? outputType() : inputType(),
                                       rows, columns, rows),
        "describe an operand");
}

void DenseMatmul::describe() {
  const bool integers = spec().type == MatmulType::int8;
  check(lt_,
        lt_.cublasLtMatmulDescCreate(&operation_.handle, computeTypeOf(spec().type),
                                     integers ? CUDA_R_32I : CUDA_R_32F),
        "describe a product");
  set(CUBLASLT_MATMUL_DESC_TRANSA, operationOf(first()));
  set(CUBLASLT_MATMUL_DESC_TRANSB, operationOf(second()));
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogueOf(spec()));
  if (spec().bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, data(MatmulOperand::bias));
  layOut(first_, first());
  layOut(second_, second());
  layOut(d_, MatmulOperand::d);
}

void DenseMatmul::findAlgorithms() {
  BlasPreference preference(lt_);
  check(lt_, lt_.cublasLtMatmulPreferenceCreate(&preference.handle), "choose an algorithm");
  check(lt_,
        lt_.cublasLtMatmulPreferenceSetAttribute(preference.handle,
                                                 CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &kWorkspaceBytes, sizeof kWorkspaceBytes),
        "choose an algorithm");
  algorithms_.resize(kMostAlgorithms);
  int found = 0;
  const cublasStatus_t status = lt_.cublasLtMatmulAlgoGetHeuristic(
      blas_.get(), operation_.handle, first_.handle, second_.handle, d_.handle, d_.handle,
      preference.handle, kMostAlgorithms, algorithms_.data(), &found);
  algorithms_.resize(status == CUBLAS_STATUS_SUCCESS ? found : 0);
  std::erase_if(algorithms_, [](const auto& each) { return each.state != CUBLAS_STATUS_SUCCESS; });
  if (!algorithms_.empty()) return;
  throw std::runtime_error(
      std::string("cuBLASLt has no algorithm for a product of these sizes, types and layouts: ") +
      lt_.cublasLtGetStatusString(status));
}

void DenseMatmul::choose(size_t algorithm) {
  const size_t bytes = algorithms_[algorithm].workspaceSize;
  if (bytes > workspace_.bytes()) workspace_ = DeviceBuffer(bytes, kOutOfMemory);
  chosen_ = algorithm;
}

void DenseMatmul::prune(MatmulPrune) { notSparse(); }
bool DenseMatmul::pruned() const { notSparse(); }
void DenseMatmul::compress() { notSparse(); }

void DenseMatmul::search() {
  double fastest = 0;
  size_t best = 0;
  for (size_t each = 0; each < algorithms_.size(); ++each) {
    choose(each);
    std::vector<double> times = time(kSearchRepetitions, kSearchLaunches);
    const auto middle = times.begin() + kSearchRepetitions / 2;
    std::nth_element(times.begin(), middle, times.end());
    if (each == 0 || *middle < fastest) {
      fastest = *middle;
      best = each;
    }
  }
  choose(best);
}

void DenseMatmul::enqueue() {
  // Factors of an int8 product are integers; it has no others than these.
  const int32_t one = 1, zero = 0;
  const bool integers = spec().type == MatmulType::int8;
  const void* alpha = integers ? static_cast<const void*>(&one) : &spec().alpha;
  const void* beta = integers ? static_cast<const void*>(&zero) : &spec().beta;
  check(lt_,
        lt_.cublasLtMatmul(blas_.get(), operation_.handle, alpha, data(first()), first_.handle,
                           data(second()), second_.handle, beta, dataC(), d_.handle,
                           data(MatmulOperand::d), d_.handle, &algorithms_[chosen_].algo,
                           workspace_.data(), workspace_.bytes(), stream().get()),
        "multiply matrices");
}

MatmulInfo DenseMatmul::info() const {
  return {"cuBLASLt " + lt_.version(), static_cast<int>(chosen_),
          static_cast<int>(algorithms_.size()), algorithms_[chosen_].workspaceSize, 0};
}

}  // namespace rnm::cuda
