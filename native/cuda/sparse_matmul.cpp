#include "cuda/sparse_matmul.h"

#include <stdexcept>
#include <string>

namespace rnm::cuda {
namespace {

constexpr uint32_t kAlignment = 16;

cusparseOperation_t operationOf(bool transpose) {
  return transpose ? CUSPARSE_OPERATION_TRANSPOSE : CUSPARSE_OPERATION_NON_TRANSPOSE;
}

void* orNull(const DeviceBuffer& buffer) { return buffer.bytes() > 0 ? buffer.data() : nullptr; }

}  // namespace

SparseMatmul::SparseMatmul(const MatmulSpec& spec)
    : CudaMatmul(spec), lt_(blas_.functions()), a_(lt_), b_(lt_), d_(lt_), algorithm_(lt_), plan_(lt_) {
  if (spec.type == MatmulType::fp32) {
    throw std::invalid_argument("cuSPARSELt multiplies float32 as tf32");
  }
  if (spec.activation == MatmulActivation::gelu) {
    throw std::invalid_argument("cuSPARSELt has GELU for int8 results alone");
  }
  describe(a_, MatmulOperand::a);
  describe(b_, MatmulOperand::b);
  describe(d_, MatmulOperand::d);
  describeProduct();
  plan();
  makeRoom();
}

void SparseMatmul::describe(SparseDescriptor& descriptor, MatmulOperand operand) {
  const int64_t rows = storedRows(operand), columns = storedColumns(operand);
  const bool byRows = rowMajor(operand);
  const cusparseOrder_t order = byRows ? CUSPARSE_ORDER_ROW : CUSPARSE_ORDER_COL;
  const cudaDataType type = operand == MatmulOperand::d ? outputType() : inputType();
  descriptor.make("describe an operand", [&](cusparseLtMatDescriptor_t* made) {
    if (operand == sparse()) {
      return lt_.cusparseLtStructuredDescriptorInit(blas_.handle(), made, rows, columns,
                                                    byRows ? columns : rows, kAlignment, type, order,
                                                    CUSPARSELT_SPARSITY_50_PERCENT);
    }
    return lt_.cusparseLtDenseDescriptorInit(blas_.handle(), made, rows, columns,
                                             byRows ? columns : rows, kAlignment, type, order);
  });
}

void SparseMatmul::describeProduct() {
  const bool integers = spec().type == MatmulType::int8;
  check(lt_,
        lt_.cusparseLtMatmulDescriptorInit(
            blas_.handle(), operation_.get(), operationOf(spec().transposeA),
            operationOf(spec().transposeB), a_.get(), b_.get(), d_.get(), d_.get(),
            integers ? CUSPARSE_COMPUTE_32I : CUSPARSE_COMPUTE_32F),
        "describe a product of these types and layouts");
  if (spec().activation == MatmulActivation::relu) {
    const int on = 1;
    check(lt_,
          lt_.cusparseLtMatmulDescSetAttribute(blas_.handle(), operation_.get(),
                                               CUSPARSELT_MATMUL_ACTIVATION_RELU, &on, sizeof on),
          "add ReLU to a product");
  }
  if (spec().bias) {
    const void* bias = data(MatmulOperand::bias);
    check(lt_,
          lt_.cusparseLtMatmulDescSetAttribute(blas_.handle(), operation_.get(),
                                               CUSPARSELT_MATMUL_BIAS_POINTER, &bias, sizeof bias),
          "add a bias to a product");
  }
}

void SparseMatmul::plan() {
  algorithm_.make("choose an algorithm", [&](cusparseLtMatmulAlgSelection_t* made) {
    return lt_.cusparseLtMatmulAlgSelectionInit(blas_.handle(), made, operation_.get(),
                                                CUSPARSELT_MATMUL_ALG_DEFAULT);
  });
  plan_.make("plan a product of these sizes, types and layouts", [&](cusparseLtMatmulPlan_t* made) {
    return lt_.cusparseLtMatmulPlanInit(blas_.handle(), made, operation_.get(), algorithm_.get());
  });
}

void SparseMatmul::makeRoom() {
  size_t scratch = 0, workspace = 0;
  check(lt_,
        lt_.cusparseLtSpMMACompressedSize(blas_.handle(), plan_.get(), &compressedBytes_, &scratch),
        "tell the size of compressed weights");
  check(lt_, lt_.cusparseLtMatmulGetWorkspace(blas_.handle(), plan_.get(), &workspace),
        "tell the size of its workspace");
  const auto resize = [&](DeviceBuffer& buffer, size_t bytes) {
    if (buffer.bytes() != bytes) buffer = DeviceBuffer(bytes, kOutOfMemory);
  };
  const int64_t rows = sparse() == MatmulOperand::a ? spec().m : spec().n;
  resize(compressed_, compressedRoom(compressedBytes_, rows));
  resize(compressScratch_, scratch);
  resize(workspace_, workspace);
}

void SparseMatmul::write(MatmulOperand operand, const float* values) {
  if (operand == sparse()) isCompressed_ = false;
  CudaMatmul::write(operand, values);
}

void SparseMatmul::prune(MatmulPrune how) {
  isCompressed_ = false;
  check(lt_,
        lt_.cusparseLtSpMMAPrune(blas_.handle(), operation_.get(), data(sparse()), data(sparse()),
                                 how == MatmulPrune::tile ? CUSPARSELT_PRUNE_SPMMA_TILE
                                                          : CUSPARSELT_PRUNE_SPMMA_STRIP,
                                 stream().get()),
        "prune weights");
  stream().synchronize("prune weights");
}

bool SparseMatmul::pruned() const {
  const DeviceBuffer answer(sizeof(int), kOutOfMemory);
  // A library that finds nothing wrong may write nothing.
  check(cudaMemsetAsync(answer.data(), 0, sizeof(int), stream().get()), "clear memory");
  check(lt_,
        lt_.cusparseLtSpMMAPruneCheck(blas_.handle(), operation_.get(), data(sparse()),
                                      reinterpret_cast<int*>(answer.data()), stream().get()),
        "check pruned weights");
  int wrong = 1;
  check(cudaMemcpyAsync(&wrong, answer.data(), sizeof wrong, cudaMemcpyDeviceToHost, stream().get()),
        "copy from the GPU");
  stream().synchronize("check pruned weights");
  return wrong == 0;
}

void SparseMatmul::compress() {
  // What has too many nonzero values would be compressed to something else.
  if (!pruned()) throw std::invalid_argument("Expected pruned weights");
  check(lt_,
        lt_.cusparseLtSpMMACompress(blas_.handle(), plan_.get(), data(sparse()), compressed_.data(),
                                    orNull(compressScratch_), stream().get()),
        "compress weights");
  stream().synchronize("compress weights");
  isCompressed_ = true;
}

void SparseMatmul::requireCompressed() const {
  if (!isCompressed_) throw std::invalid_argument("Expected weights that were compressed");
}

void SparseMatmul::search() {
  requireCompressed();
  cudaStream_t stream = this->stream().get();
  check(lt_,
        lt_.cusparseLtMatmulSearch(blas_.handle(), plan_.get(), &spec().alpha,
                                   operand(MatmulOperand::a), operand(MatmulOperand::b),
                                   &spec().beta, dataC(), data(MatmulOperand::d),
                                   orNull(workspace_), &stream, 1),
        "search for the fastest algorithm");
  this->stream().synchronize("search for the fastest algorithm");
  // Another algorithm may want another compression.
  isCompressed_ = false;
  makeRoom();
  compress();
}

void SparseMatmul::enqueue() {
  requireCompressed();
  cudaStream_t stream = this->stream().get();
  check(lt_,
        lt_.cusparseLtMatmul(blas_.handle(), plan_.get(), &spec().alpha, operand(MatmulOperand::a),
                             operand(MatmulOperand::b), &spec().beta, dataC(),
                             data(MatmulOperand::d), orNull(workspace_), &stream, 1),
        "multiply with sparse weights");
}

int SparseMatmul::algorithmAttribute(cusparseLtMatmulAlgAttribute_t attribute) const {
  int value = 0;
  check(lt_,
        lt_.cusparseLtMatmulAlgGetAttribute(blas_.handle(), algorithm_.get(), attribute, &value,
                                            sizeof value),
        "tell its algorithm");
  return value;
}

MatmulInfo SparseMatmul::info() const {
  return {"cuSPARSELt " + lt_.version(), algorithmAttribute(CUSPARSELT_MATMUL_ALG_CONFIG_ID),
          algorithmAttribute(CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID), workspace_.bytes(),
          compressedBytes_};
}

}  // namespace rnm::cuda
