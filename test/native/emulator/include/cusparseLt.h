// cuSPARSELt 0.8: types, attributes and functions with their real values and signatures.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cusparse.h"

#define CUSPARSELT_VER_MAJOR 0
#define CUSPARSELT_VER_MINOR 8
#define CUSPARSELT_VER_PATCH 1
#define CUSPARSELT_VERSION (CUSPARSELT_VER_MAJOR * 1000 + CUSPARSELT_VER_MINOR * 100 + CUSPARSELT_VER_PATCH)

#if defined(__cplusplus)
extern "C" {
#endif

typedef struct {
  alignas(16) uint8_t data[512];
} cusparseLtHandle_t;
typedef struct {
  alignas(16) uint8_t data[512];
} cusparseLtMatDescriptor_t;
typedef struct {
  alignas(16) uint8_t data[512];
} cusparseLtMatmulDescriptor_t;
typedef struct {
  alignas(16) uint8_t data[512];
} cusparseLtMatmulAlgSelection_t;
typedef struct {
  alignas(16) uint8_t data[512];
} cusparseLtMatmulPlan_t;

typedef enum { CUSPARSELT_SPARSITY_50_PERCENT } cusparseLtSparsity_t;
typedef enum { CUSPARSELT_MAT_NUM_BATCHES, CUSPARSELT_MAT_BATCH_STRIDE } cusparseLtMatDescAttribute_t;
typedef enum { CUSPARSE_COMPUTE_32I, CUSPARSE_COMPUTE_16F, CUSPARSE_COMPUTE_32F } cusparseComputeType;
typedef enum {
  CUSPARSELT_MATMUL_ACTIVATION_RELU,
  CUSPARSELT_MATMUL_ACTIVATION_RELU_UPPERBOUND,
  CUSPARSELT_MATMUL_ACTIVATION_RELU_THRESHOLD,
  CUSPARSELT_MATMUL_ACTIVATION_GELU,
  CUSPARSELT_MATMUL_ACTIVATION_GELU_SCALING,
  CUSPARSELT_MATMUL_ALPHA_VECTOR_SCALING,
  CUSPARSELT_MATMUL_BETA_VECTOR_SCALING,
  CUSPARSELT_MATMUL_BIAS_STRIDE,
  CUSPARSELT_MATMUL_BIAS_POINTER,
  CUSPARSELT_MATMUL_SPARSE_MAT_POINTER
} cusparseLtMatmulDescAttribute_t;
typedef enum { CUSPARSELT_MATMUL_ALG_DEFAULT } cusparseLtMatmulAlg_t;
typedef enum {
  CUSPARSELT_MATMUL_ALG_CONFIG_ID,
  CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID,
  CUSPARSELT_MATMUL_SEARCH_ITERATIONS,
  CUSPARSELT_MATMUL_SPLIT_K,
  CUSPARSELT_MATMUL_SPLIT_K_MODE,
  CUSPARSELT_MATMUL_SPLIT_K_BUFFERS
} cusparseLtMatmulAlgAttribute_t;
typedef enum {
  CUSPARSELT_INVALID_MODE = 0,
  CUSPARSELT_SPLIT_K_MODE_ONE_KERNEL = 1,
  CUSPARSELT_SPLIT_K_MODE_TWO_KERNELS = 2,
  CUSPARSELT_HEURISTIC,
  CUSPARSELT_DATAPARALLEL,
  CUSPARSELT_SPLITK,
  CUSPARSELT_STREAMK
} cusparseLtSplitKMode_t;
typedef enum { CUSPARSELT_PRUNE_SPMMA_TILE = 0, CUSPARSELT_PRUNE_SPMMA_STRIP = 1 } cusparseLtPruneAlg_t;

cusparseStatus_t cusparseLtInit(cusparseLtHandle_t* handle);
cusparseStatus_t cusparseLtDestroy(const cusparseLtHandle_t* handle);
cusparseStatus_t cusparseLtGetVersion(const cusparseLtHandle_t* handle, int* version);
cusparseStatus_t cusparseLtGetProperty(libraryPropertyType propertyType, int* value);
const char* cusparseLtGetErrorName(cusparseStatus_t status);
const char* cusparseLtGetErrorString(cusparseStatus_t status);

cusparseStatus_t cusparseLtDenseDescriptorInit(const cusparseLtHandle_t* handle, cusparseLtMatDescriptor_t* matDescr,
                                               int64_t rows, int64_t cols, int64_t ld, uint32_t alignment,
                                               cudaDataType valueType, cusparseOrder_t order);
cusparseStatus_t cusparseLtStructuredDescriptorInit(const cusparseLtHandle_t* handle,
                                                    cusparseLtMatDescriptor_t* matDescr, int64_t rows, int64_t cols,
                                                    int64_t ld, uint32_t alignment, cudaDataType valueType,
                                                    cusparseOrder_t order, cusparseLtSparsity_t sparsity);
cusparseStatus_t cusparseLtMatDescriptorDestroy(const cusparseLtMatDescriptor_t* matDescr);
cusparseStatus_t cusparseLtMatDescSetAttribute(const cusparseLtHandle_t* handle, cusparseLtMatDescriptor_t* matDescr,
                                               cusparseLtMatDescAttribute_t matAttribute, const void* data,
                                               size_t dataSize);
cusparseStatus_t cusparseLtMatDescGetAttribute(const cusparseLtHandle_t* handle,
                                               const cusparseLtMatDescriptor_t* matDescr,
                                               cusparseLtMatDescAttribute_t matAttribute, void* data,
                                               size_t dataSize);

cusparseStatus_t cusparseLtMatmulDescriptorInit(const cusparseLtHandle_t* handle,
                                                cusparseLtMatmulDescriptor_t* matmulDescr, cusparseOperation_t opA,
                                                cusparseOperation_t opB, const cusparseLtMatDescriptor_t* matA,
                                                const cusparseLtMatDescriptor_t* matB,
                                                const cusparseLtMatDescriptor_t* matC,
                                                const cusparseLtMatDescriptor_t* matD,
                                                cusparseComputeType computeType);
cusparseStatus_t cusparseLtMatmulDescSetAttribute(const cusparseLtHandle_t* handle,
                                                  cusparseLtMatmulDescriptor_t* matmulDescr,
                                                  cusparseLtMatmulDescAttribute_t matmulAttribute, const void* data,
                                                  size_t dataSize);
cusparseStatus_t cusparseLtMatmulDescGetAttribute(const cusparseLtHandle_t* handle,
                                                  const cusparseLtMatmulDescriptor_t* matmulDescr,
                                                  cusparseLtMatmulDescAttribute_t matmulAttribute, void* data,
                                                  size_t dataSize);

cusparseStatus_t cusparseLtMatmulAlgSelectionInit(const cusparseLtHandle_t* handle,
                                                  cusparseLtMatmulAlgSelection_t* algSelection,
                                                  const cusparseLtMatmulDescriptor_t* matmulDescr,
                                                  cusparseLtMatmulAlg_t alg);
cusparseStatus_t cusparseLtMatmulAlgSelectionDestroy(const cusparseLtMatmulAlgSelection_t* algSelection);
cusparseStatus_t cusparseLtMatmulAlgSetAttribute(const cusparseLtHandle_t* handle,
                                                 cusparseLtMatmulAlgSelection_t* algSelection,
                                                 cusparseLtMatmulAlgAttribute_t attribute, const void* data,
                                                 size_t dataSize);
cusparseStatus_t cusparseLtMatmulAlgGetAttribute(const cusparseLtHandle_t* handle,
                                                 const cusparseLtMatmulAlgSelection_t* algSelection,
                                                 cusparseLtMatmulAlgAttribute_t attribute, void* data,
                                                 size_t dataSize);

cusparseStatus_t cusparseLtMatmulGetWorkspace(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                              size_t* workspaceSize);
cusparseStatus_t cusparseLtMatmulPlanInit(const cusparseLtHandle_t* handle, cusparseLtMatmulPlan_t* plan,
                                          const cusparseLtMatmulDescriptor_t* matmulDescr,
                                          const cusparseLtMatmulAlgSelection_t* algSelection);
cusparseStatus_t cusparseLtMatmulPlanDestroy(const cusparseLtMatmulPlan_t* plan);
cusparseStatus_t cusparseLtMatmul(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                  const void* alpha, const void* d_A, const void* d_B, const void* beta,
                                  const void* d_C, void* d_D, void* workspace, cudaStream_t* streams,
                                  int32_t numStreams);
cusparseStatus_t cusparseLtMatmulSearch(const cusparseLtHandle_t* handle, cusparseLtMatmulPlan_t* plan,
                                        const void* alpha, const void* d_A, const void* d_B, const void* beta,
                                        const void* d_C, void* d_D, void* workspace, cudaStream_t* streams,
                                        int32_t numStreams);

cusparseStatus_t cusparseLtSpMMAPrune(const cusparseLtHandle_t* handle,
                                      const cusparseLtMatmulDescriptor_t* matmulDescr, const void* d_in, void* d_out,
                                      cusparseLtPruneAlg_t pruneAlg, cudaStream_t stream);
cusparseStatus_t cusparseLtSpMMAPruneCheck(const cusparseLtHandle_t* handle,
                                           const cusparseLtMatmulDescriptor_t* matmulDescr, const void* d_in,
                                           int* valid, cudaStream_t stream);
cusparseStatus_t cusparseLtSpMMAPrune2(const cusparseLtHandle_t* handle,
                                       const cusparseLtMatDescriptor_t* sparseMatDescr, int isSparseA,
                                       cusparseOperation_t op, const void* d_in, void* d_out,
                                       cusparseLtPruneAlg_t pruneAlg, cudaStream_t stream);
cusparseStatus_t cusparseLtSpMMAPruneCheck2(const cusparseLtHandle_t* handle,
                                            const cusparseLtMatDescriptor_t* sparseMatDescr, int isSparseA,
                                            cusparseOperation_t op, const void* d_in, int* d_valid,
                                            cudaStream_t stream);
cusparseStatus_t cusparseLtSpMMACompressedSize(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                               size_t* compressedSize, size_t* compressedBufferSize);
cusparseStatus_t cusparseLtSpMMACompress(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                         const void* d_dense, void* d_compressed, void* d_compressed_buffer,
                                         cudaStream_t stream);
cusparseStatus_t cusparseLtSpMMACompressedSize2(const cusparseLtHandle_t* handle,
                                                const cusparseLtMatDescriptor_t* sparseMatDescr,
                                                size_t* compressedSize, size_t* compressedBufferSize);
cusparseStatus_t cusparseLtSpMMACompress2(const cusparseLtHandle_t* handle,
                                          const cusparseLtMatDescriptor_t* sparseMatDescr, int isSparseA,
                                          cusparseOperation_t op, const void* d_dense, void* d_compressed,
                                          void* d_compressed_buffer, cudaStream_t stream);

#if defined(__cplusplus)
}
#endif
