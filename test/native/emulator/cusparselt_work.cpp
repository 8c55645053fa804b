// cuSPARSELt: prune, check, compress and multiply.
#include "cusparselt_work.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "clock.h"
#include "cusparselt_objects.h"
#include "memory.h"

namespace rnm::emulator::lt {
namespace {

constexpr size_t kCompressBuffer = 512;

bool aligned(const void* pointer) { return pointer && reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

// A fault that a device would only notice while it works.
cusparseStatus_t lost(const std::string& message) {
  fault(cudaErrorIllegalAddress, message);
  return CUSPARSE_STATUS_EXECUTION_FAILED;
}

cusparseStatus_t statusOf(cudaError_t error) {
  return error == cudaSuccess ? CUSPARSE_STATUS_SUCCESS : CUSPARSE_STATUS_EXECUTION_FAILED;
}

// The structured matrix of a call, as rows of k, and how to get there from its memory.
struct Sparse {
  Matrix matrix;
  bool transpose;
  SparseShape shape;
  int64_t batches() const { return matrix.stride != 0 ? matrix.batches : 1; }
  size_t bytes() const { return compressedBytes(shape) * batches(); }
};

Sparse sparseOf(const Matmul& matmul, int algorithm) {
  // k runs along the rows of op(A), and along those of op(B)^T.
  const bool transpose = matmul.sparseA() ? matmul.transposeA : !matmul.transposeB;
  return {matmul.sparse(), transpose, matmul.shape(algorithm)};
}

// The same from the descriptor alone; the algorithm is then the default.
cusparseStatus_t sparseOf(const cusparseLtMatDescriptor_t* descriptor, bool isA, cusparseOperation_t op, Sparse* out) {
  const auto object = registries().matrices.get(descriptor);
  if (!object || !object->structured) return CUSPARSE_STATUS_INVALID_VALUE;
  if (op != CUSPARSE_OPERATION_NON_TRANSPOSE && op != CUSPARSE_OPERATION_TRANSPOSE) {
    return CUSPARSE_STATUS_NOT_SUPPORTED;
  }
  const Matrix& m = object->matrix;
  const bool transpose = isA == (op == CUSPARSE_OPERATION_TRANSPOSE);
  *out = {m, transpose, {m.type, transpose ? m.cols : m.rows, transpose ? m.rows : m.cols, 0}};
  return CUSPARSE_STATUS_SUCCESS;
}

std::vector<float> load(const Sparse& s, const void* data, int64_t batch) {
  return loadMatrix(s.matrix, data, batch, s.transpose, false);
}

cusparseStatus_t prune(const Sparse& s, const void* in, void* out, cusparseLtPruneAlg_t how, cudaStream_t stream) {
  if (!aligned(in) || !aligned(out) || !validStream(stream)) return CUSPARSE_STATUS_INVALID_VALUE;
  if (how != CUSPARSELT_PRUNE_SPMMA_TILE && how != CUSPARSELT_PRUNE_SPMMA_STRIP) return CUSPARSE_STATUS_INVALID_VALUE;
  const size_t bytes = s.matrix.bytes();
  if (!deviceCanAccess(in, bytes) || !deviceCanAccess(out, bytes)) {
    return lost("cusparseLtSpMMAPrune: a matrix is not within live memory of the device");
  }
  return statusOf(submit(stream, [=] {
    if (!deviceCanAccess(in, bytes) || !deviceCanAccess(out, bytes)) return cudaErrorIllegalAddress;
    for (int64_t batch = 0; batch < s.batches(); ++batch) {
      std::vector<float> values = load(s, in, batch);
      how == CUSPARSELT_PRUNE_SPMMA_TILE ? pruneTiles(s.shape, values) : pruneStrips(s.shape, values);
      for (int64_t r = 0; r < s.shape.rows; ++r) {
        for (int64_t i = 0; i < s.shape.k; ++i) {
          const size_t at = batch * s.matrix.stride + (s.transpose ? s.matrix.at(i, r) : s.matrix.at(r, i));
          storeElement(out, at, s.matrix.type, values[r * s.shape.k + i]);
        }
      }
    }
    return cudaSuccess;
  }));
}

cusparseStatus_t pruneCheck(const Sparse& s, const void* in, int* valid, cudaStream_t stream) {
  if (!aligned(in) || !valid || !validStream(stream)) return CUSPARSE_STATUS_INVALID_VALUE;
  const size_t bytes = s.matrix.bytes();
  if (!deviceCanAccess(in, bytes) || !deviceCanAccess(valid, sizeof(int))) {
    return lost("cusparseLtSpMMAPruneCheck: an argument is not within live memory of the device");
  }
  return statusOf(submit(stream, [=] {
    if (!deviceCanAccess(in, bytes) || !deviceCanAccess(valid, sizeof(int))) return cudaErrorIllegalAddress;
    // Where all is well nothing is written, as the real library has it.
    for (int64_t batch = 0; batch < s.batches(); ++batch) {
      if (!isPruned(s.shape, load(s, in, batch))) *valid = 1;
    }
    return cudaSuccess;
  }));
}

cusparseStatus_t compressedSizes(const Sparse& s, size_t* size, size_t* buffer) {
  if (!size || !buffer) return CUSPARSE_STATUS_INVALID_VALUE;
  *size = s.bytes();
  *buffer = kCompressBuffer;
  return CUSPARSE_STATUS_SUCCESS;
}

// The real library writes the positions of whole tiles of float32, which it tells no size of.
size_t bytesBeyond(const SparseShape& s) {
  const auto padded = [](int64_t size) { return (size + 63) / 64 * 64; };
  return s.type == CUDA_R_32F ? padded(s.rows) * (padded(s.k) - s.k) / 2 : 0;
}

cusparseStatus_t compressAll(const Sparse& s, const void* dense, void* compressed, void* buffer, cudaStream_t stream) {
  if (!aligned(dense) || !aligned(compressed) || !aligned(buffer) || !validStream(stream)) {
    return CUSPARSE_STATUS_INVALID_VALUE;
  }
  const auto reachable = [=] {
    return deviceCanAccess(dense, s.matrix.bytes()) && deviceCanAccess(compressed, s.bytes()) &&
           deviceCanAccess(buffer, kCompressBuffer);
  };
  if (!reachable()) return lost("cusparseLtSpMMACompress: an argument is not within live memory of the device");
  return statusOf(submit(stream, [=] {
    if (!reachable()) return cudaErrorIllegalAddress;
    std::memset(buffer, kFreshByte, kCompressBuffer);
    for (int64_t batch = 0; batch < s.batches(); ++batch) {
      void* const out = static_cast<char*>(compressed) + batch * compressedBytes(s.shape);
      const std::string problem = compress(s.shape, load(s, dense, batch), out);
      std::memset(static_cast<char*>(compressed) + s.bytes(), kFreshByte, bytesBeyond(s.shape));
      if (problem.empty()) continue;
      fault(cudaErrorLaunchFailure, "cusparseLtSpMMACompress: the matrix cannot be compressed: " + problem);
      return cudaErrorLaunchFailure;
    }
    return cudaSuccess;
  }));
}

struct Operands {
  const void *a, *b, *c;
  void *d, *workspace;
  float alpha, beta;
};

size_t workspaceBytes(int algorithm) { return algorithm == 1 ? 4096 : 0; }

// A value for each line of D that the structured operand makes: rows if it is A, columns if it is B.
size_t biasBytes(const Plan& plan) {
  const Matrix& d = plan.matmul->d->matrix;
  return ((plan.matmul->sparseA() ? d.rows : d.cols) + (d.batches - 1) * plan.attributes.biasStride) * sizeOf(d.type);
}

bool reachable(const Plan& plan, const Operands& at) {
  const Matmul& matmul = *plan.matmul;
  const Sparse s = sparseOf(matmul, plan.id);
  const void* const sparse = matmul.sparseA() ? at.a : at.b;
  const void* const dense = matmul.sparseA() ? at.b : at.a;
  const Matrix& other = matmul.sparseA() ? matmul.b->matrix : matmul.a->matrix;
  return deviceCanAccess(sparse, s.bytes()) && deviceCanAccess(dense, other.bytes()) &&
         deviceCanAccess(at.d, matmul.d->matrix.bytes()) &&
         (at.beta == 0 || deviceCanAccess(at.c, matmul.c->matrix.bytes())) &&
         (!plan.attributes.bias || deviceCanAccess(plan.attributes.bias, biasBytes(plan))) &&
         (workspaceBytes(plan.id) == 0 || deviceCanAccess(at.workspace, workspaceBytes(plan.id)));
}

float activate(const MatmulAttributes& attributes, float value) {
  if (!attributes.relu) return value;
  value = relu(value, attributes.threshold);
  return value > attributes.upperBound ? attributes.upperBound : value;
}

std::vector<float> transposed(const std::vector<float>& values, int64_t rows, int64_t cols) {
  std::vector<float> result(values.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) result[c * rows + r] = values[r * cols + c];
  }
  return result;
}

cudaError_t multiplyBatch(const Plan& plan, const Operands& at, int64_t batch) {
  const Matmul& matmul = *plan.matmul;
  const Matrix& d = matmul.d->matrix;
  const bool tf32 = d.type == CUDA_R_32F;
  const Sparse s = sparseOf(matmul, plan.id);
  const char* const compressed = static_cast<const char*>(matmul.sparseA() ? at.a : at.b);
  std::vector<float> sparse;
  const std::string problem =
      decompress(s.shape, compressed + (s.batches() > 1 ? batch * compressedBytes(s.shape) : 0), &sparse);
  if (!problem.empty()) {
    fault(cudaErrorIllegalAddress, "cusparseLtMatmul: the structured operand is not usable: " + problem);
    return cudaErrorIllegalAddress;
  }
  if (tf32) std::transform(sparse.begin(), sparse.end(), sparse.begin(), toTf32);
  const auto a = matmul.sparseA() ? sparse : loadMatrix(matmul.a->matrix, at.a, batch, matmul.transposeA, tf32);
  const auto b = matmul.sparseA() ? loadMatrix(matmul.b->matrix, at.b, batch, matmul.transposeB, tf32)
                                  : transposed(sparse, matmul.n, matmul.k);
  const auto product = multiply(a, b, matmul.m, matmul.n, matmul.k);
  for (int64_t row = 0; row < matmul.m; ++row) {
    for (int64_t col = 0; col < matmul.n; ++col) {
      float value = at.alpha * product[row * matmul.n + col];
      const Matrix& c = matmul.c->matrix;
      if (at.beta != 0) value += at.beta * loadElement(at.c, batch * c.stride + c.at(row, col), c.type);
      if (plan.attributes.bias) {
        const int64_t line = matmul.sparseA() ? row : col;
        value += loadElement(plan.attributes.bias, batch * plan.attributes.biasStride + line, d.type);
      }
      storeElement(at.d, batch * d.stride + d.at(row, col), d.type, activate(plan.attributes, value));
    }
  }
  return cudaSuccess;
}

cusparseStatus_t checkOperands(const Plan& plan, const Operands& at) {
  if (!aligned(at.a) || !aligned(at.b) || !aligned(at.c) || !aligned(at.d)) return CUSPARSE_STATUS_INVALID_VALUE;
  if (workspaceBytes(plan.id) > 0 && !aligned(at.workspace)) return CUSPARSE_STATUS_INVALID_VALUE;
  if (plan.attributes.bias && !aligned(plan.attributes.bias)) return CUSPARSE_STATUS_INVALID_VALUE;
  // What a plan does with attributes that are set after it was made is documented nowhere.
  if (!(plan.attributes == plan.matmul->attributes)) return CUSPARSE_STATUS_INVALID_VALUE;
  return CUSPARSE_STATUS_SUCCESS;
}

}  // namespace
}  // namespace rnm::emulator::lt

using namespace rnm::emulator;
using namespace rnm::emulator::lt;

cusparseStatus_t cusparseLtSpMMAPrune(const cusparseLtHandle_t* handle, const cusparseLtMatmulDescriptor_t* descriptor,
                                      const void* in, void* out, cusparseLtPruneAlg_t how, cudaStream_t stream) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto matmul = registries().matmuls.get(descriptor);
    return matmul ? prune(sparseOf(*matmul, 0), in, out, how, stream) : CUSPARSE_STATUS_INVALID_VALUE;
  });
}

cusparseStatus_t cusparseLtSpMMAPrune2(const cusparseLtHandle_t* handle, const cusparseLtMatDescriptor_t* descriptor,
                                       int isA, cusparseOperation_t op, const void* in, void* out,
                                       cusparseLtPruneAlg_t how, cudaStream_t stream) {
  return guarded([&] {
    Sparse sparse;
    if (const auto status = checkHandle(handle)) return status;
    if (const auto status = sparseOf(descriptor, isA != 0, op, &sparse)) return status;
    return prune(sparse, in, out, how, stream);
  });
}

cusparseStatus_t cusparseLtSpMMAPruneCheck(const cusparseLtHandle_t* handle,
                                           const cusparseLtMatmulDescriptor_t* descriptor, const void* in, int* valid,
                                           cudaStream_t stream) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto matmul = registries().matmuls.get(descriptor);
    return matmul ? pruneCheck(sparseOf(*matmul, 0), in, valid, stream) : CUSPARSE_STATUS_INVALID_VALUE;
  });
}

cusparseStatus_t cusparseLtSpMMAPruneCheck2(const cusparseLtHandle_t* handle,
                                            const cusparseLtMatDescriptor_t* descriptor, int isA,
                                            cusparseOperation_t op, const void* in, int* valid, cudaStream_t stream) {
  return guarded([&] {
    Sparse sparse;
    if (const auto status = checkHandle(handle)) return status;
    if (const auto status = sparseOf(descriptor, isA != 0, op, &sparse)) return status;
    return pruneCheck(sparse, in, valid, stream);
  });
}

cusparseStatus_t cusparseLtSpMMACompressedSize(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                               size_t* size, size_t* buffer) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().plans.get(plan);
    return object ? compressedSizes(sparseOf(*object->matmul, object->id), size, buffer) : CUSPARSE_STATUS_INVALID_VALUE;
  });
}

cusparseStatus_t cusparseLtSpMMACompressedSize2(const cusparseLtHandle_t* handle,
                                                const cusparseLtMatDescriptor_t* descriptor, size_t* size,
                                                size_t* buffer) {
  return guarded([&] {
    Sparse sparse;
    if (const auto status = checkHandle(handle)) return status;
    // The size is the same whichever way k runs.
    if (const auto status = sparseOf(descriptor, true, CUSPARSE_OPERATION_NON_TRANSPOSE, &sparse)) return status;
    return compressedSizes(sparse, size, buffer);
  });
}

cusparseStatus_t cusparseLtSpMMACompress(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                         const void* dense, void* compressed, void* buffer, cudaStream_t stream) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().plans.get(plan);
    if (!object) return CUSPARSE_STATUS_INVALID_VALUE;
    return compressAll(sparseOf(*object->matmul, object->id), dense, compressed, buffer, stream);
  });
}

cusparseStatus_t cusparseLtSpMMACompress2(const cusparseLtHandle_t* handle, const cusparseLtMatDescriptor_t* descriptor,
                                          int isA, cusparseOperation_t op, const void* dense, void* compressed,
                                          void* buffer, cudaStream_t stream) {
  return guarded([&] {
    Sparse sparse;
    if (const auto status = checkHandle(handle)) return status;
    if (const auto status = sparseOf(descriptor, isA != 0, op, &sparse)) return status;
    return compressAll(sparse, dense, compressed, buffer, stream);
  });
}

cusparseStatus_t cusparseLtMatmulGetWorkspace(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                              size_t* size) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().plans.get(plan);
    if (!object || !size) return CUSPARSE_STATUS_INVALID_VALUE;
    *size = workspaceBytes(object->id);
    return CUSPARSE_STATUS_SUCCESS;
  });
}

cusparseStatus_t cusparseLtMatmul(const cusparseLtHandle_t* handle, const cusparseLtMatmulPlan_t* plan,
                                  const void* alpha, const void* a, const void* b, const void* beta, const void* c,
                                  void* d, void* workspace, cudaStream_t* streams, int32_t count) {
  return guarded([&] {
    if (const auto status = checkHandle(handle)) return status;
    const auto object = registries().plans.get(plan);
    if (Injection::refuses("multiply")) return CUSPARSE_STATUS_NOT_SUPPORTED;
    if (!object || !alpha || !beta || count < 0 || (count > 0 && !streams)) return CUSPARSE_STATUS_INVALID_VALUE;
    const cudaStream_t stream = count > 0 ? streams[0] : nullptr;
    if (!validStream(stream)) return CUSPARSE_STATUS_INVALID_VALUE;
    const Operands at{a, b, c, d, workspace, *static_cast<const float*>(alpha), *static_cast<const float*>(beta)};
    if (const auto status = checkOperands(*object, at)) return status;
    if (!reachable(*object, at)) return lost("cusparseLtMatmul: an operand is not within live memory of the device");
    // A copy: the plan may be destroyed before the work is done.
    return statusOf(submit(stream, [plan = *object, at] {
      if (!reachable(plan, at)) return cudaErrorIllegalAddress;
      if (workspaceBytes(plan.id) > 0) std::memset(at.workspace, kFreshByte, workspaceBytes(plan.id));
      for (int64_t batch = 0; batch < plan.matmul->d->matrix.batches; ++batch) {
        if (const cudaError_t error = multiplyBatch(plan, at, batch)) return error;
      }
      spend("cusparseLt", plan.id, plan.matmul->d->matrix.batches);
      return cudaSuccess;
    }));
  });
}
