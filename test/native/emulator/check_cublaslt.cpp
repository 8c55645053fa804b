// cuBLASLt: products and epilogues against plain loops, and what it refuses.
#include "cublasLt.h"

#include <cmath>

#include "check_emulator.h"
#include "emulator/library.h"
#include "numbers.h"

namespace check {
namespace {

using rnm::emulator::loadElement;
using rnm::emulator::sizeOf;
using rnm::emulator::storeElement;
using rnm::emulator::toTf32;

cublasLtHandle_t handle = nullptr;

struct Shape {
  int m, n, k;
  bool ta, tb;
  cublasComputeType_t compute;
  cudaDataType in, out;
  int batches = 1;
};

// A matrix in device memory with a gap behind each line, and as floats.
struct Operand {
  int rows, cols, ld, batches;
  cudaDataType type;
  std::vector<float> values;
  DeviceArray<char> memory;
  cublasLtMatrixLayout_t layout = nullptr;

  Operand(int rows, int cols, int batches, cudaDataType type)
      : rows(rows), cols(cols), ld(rows + 3), batches(batches), type(type),
        memory(static_cast<size_t>(ld) * cols * batches * sizeOf(type)) {
    std::vector<char> bytes(memory.count);
    values = randomValues(bytes.size() / sizeOf(type));
    for (size_t i = 0; i < values.size(); ++i) {
      storeElement(bytes.data(), i, type, values[i]);
      values[i] = loadElement(bytes.data(), i, type);
    }
    memory.set(bytes);
    CHECK_OK(cublasLtMatrixLayoutCreate(&layout, type, rows, cols, ld));
    const int64_t stride = static_cast<int64_t>(ld) * cols;
    CHECK_OK(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof(batches)));
    CHECK_OK(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)));
  }
  ~Operand() { CHECK_OK(cublasLtMatrixLayoutDestroy(layout)); }
  double at(int b, int r, int c) const { return values[(static_cast<size_t>(b) * cols + c) * ld + r]; }
  float now(const std::vector<char>& bytes, int b, int r, int c) const {
    return loadElement(bytes.data(), (static_cast<size_t>(b) * cols + c) * ld + r, type);
  }
};

struct Problem {
  Shape s;
  Operand a, b, d;
  cublasLtMatmulDesc_t desc = nullptr;
  float alpha = 0.75f, beta = 0;

  explicit Problem(const Shape& s)
      : s(s), a(s.ta ? s.k : s.m, s.ta ? s.m : s.k, s.batches, s.in), b(s.tb ? s.n : s.k, s.tb ? s.k : s.n, s.batches, s.in),
        d(s.m, s.n, s.batches, s.out) {
    CHECK_OK(cublasLtMatmulDescCreate(&desc, s.compute, CUDA_R_32F));
    const int32_t ta = s.ta, tb = s.tb;
    set(CUBLASLT_MATMUL_DESC_TRANSA, ta);
    set(CUBLASLT_MATMUL_DESC_TRANSB, tb);
  }
  ~Problem() { CHECK_OK(cublasLtMatmulDescDestroy(desc)); }
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    CHECK_OK(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)));
  }
  cublasStatus_t run(const cublasLtMatmulAlgo_t* algorithm = nullptr, void* workspace = nullptr, size_t size = 0) {
    return cublasLtMatmul(handle, desc, &alpha, a.memory.data, a.layout, b.memory.data, b.layout, &beta, d.memory.data,
                          d.layout, d.memory.data, d.layout, algorithm, workspace, size, nullptr);
  }
  double operandA(int batch, int row, int i) const {
    const double v = s.ta ? a.at(batch, i, row) : a.at(batch, row, i);
    return s.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? toTf32(static_cast<float>(v)) : v;
  }
  double operandB(int batch, int i, int col) const {
    const double v = s.tb ? b.at(batch, col, i) : b.at(batch, i, col);
    return s.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? toTf32(static_cast<float>(v)) : v;
  }
  double product(int batch, int row, int col) const {
    double sum = 0;
    for (int i = 0; i < s.k; ++i) sum += operandA(batch, row, i) * operandB(batch, i, col);
    return alpha * sum + beta * d.at(batch, row, col);
  }
  double tolerance() const { return s.out == CUDA_R_16BF ? 0.03 : s.out == CUDA_R_16F ? 0.004 : 2e-5; }
};

// Compares every entry, and that the gaps are as they were. Written so that NaN fails.
template <typename Expected>
void compare(const Problem& p, Expected expected) {
  const auto bytes = p.d.memory.get();
  int wrong = 0, touched = 0;
  for (int b = 0; b < p.s.batches; ++b) {
    for (int c = 0; c < p.s.n; ++c) {
      for (int r = 0; r < p.s.m; ++r) wrong += !(std::fabs(p.d.now(bytes, b, r, c) - expected(b, r, c)) < p.tolerance());
      for (int r = p.s.m; r < p.d.ld; ++r) touched += p.d.now(bytes, b, r, c) != p.d.at(b, r, c);
    }
  }
  CHECK_EQUAL(wrong, 0);
  CHECK_EQUAL(touched, 0);
}

void products() {
  const struct {
    cublasComputeType_t compute;
    cudaDataType in, out;
  } types[] = {{CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F},           {CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F, CUDA_R_32F},
               {CUBLAS_COMPUTE_32F, CUDA_R_16BF, CUDA_R_16BF}, {CUBLAS_COMPUTE_32F, CUDA_R_16BF, CUDA_R_32F},
               {CUBLAS_COMPUTE_32F, CUDA_R_16F, CUDA_R_16F}};
  for (const auto& type : types) {
    for (const int transposes : {0, 1, 2, 3}) {
      Problem p({13, 7, 21, (transposes & 1) != 0, (transposes & 2) != 0, type.compute, type.in, type.out, 2});
      CHECK_OK(p.run());
      compare(p, [&](int b, int r, int c) { return p.product(b, r, c); });
      Problem q({5, 9, 3, (transposes & 1) != 0, (transposes & 2) != 0, type.compute, type.in, type.out});
      q.beta = -0.5f;
      CHECK_OK(q.run());
      compare(q, [&](int b, int r, int c) { return q.product(b, r, c); });
    }
  }
}

// Matrices of a batch may lie between each other's lines.
void interleaved() {
  Problem p({2, 6, 5, false, true, CUBLAS_COMPUTE_32F, CUDA_R_16BF, CUDA_R_32F, 2});
  const int64_t stride = 2;
  CHECK_OK(cublasLtMatrixLayoutSetAttribute(p.d.layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)));
  CHECK_OK(p.run());
  const auto bytes = p.d.memory.get();
  for (int c = 0; c < 6; ++c) {
    for (int i = 0; i < 4; ++i) {
      CHECK(std::fabs(loadElement(bytes.data(), c * p.d.ld + i, CUDA_R_32F) - p.product(i / 2, i % 2, c)) < 1e-5);
    }
    CHECK_EQUAL(loadElement(bytes.data(), c * p.d.ld + 4, CUDA_R_32F), p.d.values[c * p.d.ld + 4]);
  }
}

void rowMajor() {
  Problem p({4, 6, 5, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  const int32_t order = CUBLASLT_ORDER_ROW;
  const int64_t ld = 6;
  CHECK_OK(cublasLtMatrixLayoutSetAttribute(p.d.layout, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof(order)));
  CHECK_OK(cublasLtMatrixLayoutSetAttribute(p.d.layout, CUBLASLT_MATRIX_LAYOUT_LD, &ld, sizeof(ld)));
  CHECK_OK(p.run());
  const auto bytes = p.d.memory.get();
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 6; ++c) CHECK(std::fabs(loadElement(bytes.data(), r * 6 + c, CUDA_R_32F) - p.product(0, r, c)) < 1e-5);
  }
  p.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(CUBLASLT_EPILOGUE_BIAS));
  CHECK_EQUAL(p.run(), CUBLAS_STATUS_NOT_SUPPORTED);
}

void forwardEpilogues() {
  for (const bool relu : {false, true}) {
    Problem p({12, 10, 8, false, true, CUBLAS_COMPUTE_32F, CUDA_R_16BF, CUDA_R_16BF, 2});
    const auto bias = randomValues(24);
    DeviceArray<float> memory(bias);
    p.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS));
    CHECK_EQUAL(p.run(), CUBLAS_STATUS_INVALID_VALUE);  // without a pointer
    p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(memory.data));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(CUDA_R_32F));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, int64_t{12});
    CHECK_OK(p.run());
    compare(p, [&](int b, int r, int c) {
      const double value = p.product(b, r, c) + bias[b * 12 + r];
      return relu && value < 0 ? 0 : value;
    });
  }
}

void gelu() {
  for (const bool biased : {false, true}) {
    Problem p({12, 10, 8, true, false, CUBLAS_COMPUTE_32F, CUDA_R_16F, CUDA_R_16F});
    DeviceArray<char> memory(12 * sizeOf(CUDA_R_16F));
    std::vector<char> bytes(memory.count);
    for (int r = 0; r < 12; ++r) storeElement(bytes.data(), r, CUDA_R_16F, 0.25f * r - 1);
    memory.set(bytes);
    p.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(biased ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(memory.data));
    CHECK_OK(p.run());
    compare(p, [&](int b, int r, int c) {
      const double x = p.product(b, r, c) + (biased ? 0.25 * r - 1 : 0);
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    });
  }
}

// int8 with int32 results: one layout, sizes in fours, factors that are integers.
void integers() {
  constexpr int m = 8, n = 5, k = 12;
  const auto bytesOf = [](int count) {
    std::vector<signed char> bytes(count);
    for (auto& byte : bytes) byte = static_cast<signed char>(static_cast<int>(generator()() % 256) - 128);
    return bytes;
  };
  const auto a = bytesOf(m * k), b = bytesOf(k * n);
  DeviceArray<signed char> aMemory(a), bMemory(b);
  DeviceArray<int32_t> d(m * n);
  const auto run = [&](int rows, int depth, cublasOperation_t transA, cudaDataType scale, uint32_t epilogue) {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t aLayout = nullptr, bLayout = nullptr, dLayout = nullptr;
    CHECK_OK(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32I, scale));
    const int32_t transpose = transA;
    CHECK_OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof(transpose)));
    CHECK_OK(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof(epilogue)));
    const bool t = transA == CUBLAS_OP_T;
    CHECK_OK(cublasLtMatrixLayoutCreate(&aLayout, CUDA_R_8I, t ? depth : rows, t ? rows : depth, t ? depth : rows));
    CHECK_OK(cublasLtMatrixLayoutCreate(&bLayout, CUDA_R_8I, depth, n, depth));
    CHECK_OK(cublasLtMatrixLayoutCreate(&dLayout, CUDA_R_32I, rows, n, rows));
    const int32_t one = 1, zero = 0;
    const auto status = cublasLtMatmul(handle, desc, &one, aMemory.data, aLayout, bMemory.data, bLayout, &zero, d.data,
                                       dLayout, d.data, dLayout, nullptr, nullptr, 0, nullptr);
    for (const auto layout : {aLayout, bLayout, dLayout}) CHECK_OK(cublasLtMatrixLayoutDestroy(layout));
    CHECK_OK(cublasLtMatmulDescDestroy(desc));
    return status;
  };
  CHECK_OK(run(m, k, CUBLAS_OP_T, CUDA_R_32I, CUBLASLT_EPILOGUE_DEFAULT));
  const auto result = d.get();
  int wrong = 0;
  for (int r = 0; r < m; ++r) {
    for (int c = 0; c < n; ++c) {
      int sum = 0;
      for (int i = 0; i < k; ++i) sum += a[r * k + i] * b[c * k + i];
      wrong += result[c * m + r] != sum;
    }
  }
  CHECK_EQUAL(wrong, 0);
  CHECK_EQUAL(run(m, k, CUBLAS_OP_N, CUDA_R_32I, CUBLASLT_EPILOGUE_DEFAULT), CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(run(m, k, CUBLAS_OP_T, CUDA_R_32F, CUBLASLT_EPILOGUE_DEFAULT), CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(run(m, k, CUBLAS_OP_T, CUDA_R_32I, CUBLASLT_EPILOGUE_RELU), CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(run(m - 1, k, CUBLAS_OP_T, CUDA_R_32I, CUBLASLT_EPILOGUE_DEFAULT), CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(run(m, k - 2, CUBLAS_OP_T, CUDA_R_32I, CUBLASLT_EPILOGUE_DEFAULT), CUBLAS_STATUS_NOT_SUPPORTED);
}

void backwardEpilogues() {
  Problem forward({20, 6, 9, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  DeviceArray<unsigned char> mask(128 / 8 * 6);
  forward.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(CUBLASLT_EPILOGUE_RELU_AUX));
  forward.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, static_cast<void*>(mask.data));
  forward.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{64});
  CHECK_EQUAL(forward.run(), CUBLAS_STATUS_INVALID_VALUE);
  forward.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{128});
  CHECK_OK(forward.run());
  compare(forward, [&](int b, int r, int c) { return std::max(0.0, forward.product(b, r, c)); });

  Problem backward({20, 6, 4, true, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  DeviceArray<float> sums(20);
  backward.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(CUBLASLT_EPILOGUE_DRELU_BGRAD));
  backward.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, static_cast<void*>(mask.data));
  backward.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, int64_t{128});
  backward.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<void*>(sums.data));
  CHECK_OK(backward.run());
  const auto expected = [&](int b, int r, int c) { return forward.product(b, r, c) > 0 ? backward.product(b, r, c) : 0; };
  compare(backward, expected);
  const auto bias = sums.get();
  for (int r = 0; r < 20; ++r) {
    double sum = 0;
    for (int c = 0; c < 6; ++c) sum += expected(0, r, c);
    CHECK(std::fabs(bias[r] - sum) < 1e-4);
  }
}

void inputGradients() {
  for (const bool ofA : {true, false}) {
    Problem p({11, 5, 14, false, true, CUBLAS_COMPUTE_32F, CUDA_R_16BF, CUDA_R_32F, 2});
    const int length = ofA ? 11 : 5;
    DeviceArray<float> sums(2 * length);
    p.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(ofA ? CUBLASLT_EPILOGUE_BGRADA : CUBLASLT_EPILOGUE_BGRADB));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<void*>(sums.data));
    p.set(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, int64_t{length});
    CHECK_OK(p.run());
    compare(p, [&](int b, int r, int c) { return p.product(b, r, c); });
    const auto bias = sums.get();
    for (int i = 0; i < 2 * length; ++i) {
      double sum = 0;
      for (int j = 0; j < 14; ++j) sum += ofA ? p.operandA(i / length, i % length, j) : p.operandB(i / length, j, i % length);
      CHECK(std::fabs(bias[i] - sum) < 1e-4);
    }
  }
}

void algorithms() {
  Problem p({8, 8, 8, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  cublasLtMatmulPreference_t preference = nullptr;
  CHECK_OK(cublasLtMatmulPreferenceCreate(&preference));
  cublasLtMatmulHeuristicResult_t results[8];
  int count = -1;
  const auto ask = [&](int requested) {
    return cublasLtMatmulAlgoGetHeuristic(handle, p.desc, p.a.layout, p.b.layout, p.d.layout, p.d.layout, preference,
                                          requested, results, &count);
  };
  CHECK_OK(ask(8));
  CHECK_EQUAL(count, 1);  // others need a workspace
  const uint64_t room = 1 << 20;
  CHECK_OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof(room)));
  CHECK_OK(ask(8));
  CHECK_EQUAL(count, 3);
  DeviceArray<char> workspace(results[2].workspaceSize);
  for (int i = 0; i < count; ++i) {
    CHECK_OK(p.run(&results[i].algo, results[i].workspaceSize ? workspace.data : nullptr, results[i].workspaceSize));
    compare(p, [&](int b, int r, int c) { return p.product(b, r, c); });
  }
  CHECK_EQUAL(p.run(&results[1].algo, nullptr, 0), CUBLAS_STATUS_INVALID_VALUE);
  cublasLtMatmulAlgo_t unknown{};
  CHECK_EQUAL(p.run(&unknown), CUBLAS_STATUS_INVALID_VALUE);
  // Found for pointers that are multiples of 256; this one is not.
  Problem q({8, 8, 8, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  const float one = 1, zero = 0;
  DeviceArray<float> larger(1000);
  const auto shifted = [&](const cublasLtMatmulAlgo_t* algorithm) {
    return cublasLtMatmul(handle, q.desc, &one, larger.data + 4, q.a.layout, q.b.memory.data, q.b.layout, &zero,
                          q.d.memory.data, q.d.layout, q.d.memory.data, q.d.layout, algorithm, nullptr, 0, nullptr);
  };
  CHECK_EQUAL(shifted(&results[0].algo), CUBLAS_STATUS_INVALID_VALUE);
  CHECK_OK(shifted(nullptr));
  const uint32_t alignment = 16;
  CHECK_OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment, sizeof(alignment)));
  CHECK_OK(ask(1));
  CHECK_OK(shifted(&results[0].algo));
  CHECK_EQUAL(ask(0), CUBLAS_STATUS_INVALID_VALUE);
  p.set(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, static_cast<int32_t>(CUBLAS_COMPUTE_16F));
  CHECK_EQUAL(ask(1), CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(count, 0);
  CHECK_OK(cublasLtMatmulPreferenceDestroy(preference));
}

void refusals() {
  Problem p({8, 8, 8, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  const float one = 1, zero = 0;
  const auto run = [&](cublasLtHandle_t h, const void* alpha, const void* a, void* d) {
    return cublasLtMatmul(h, p.desc, alpha, a, p.a.layout, p.b.memory.data, p.b.layout, &zero, d, p.d.layout, d,
                          p.d.layout, nullptr, nullptr, 0, nullptr);
  };
  CHECK_EQUAL(run(nullptr, &one, p.a.memory.data, p.d.memory.data), CUBLAS_STATUS_NOT_INITIALIZED);
  CHECK_EQUAL(run(handle, nullptr, p.a.memory.data, p.d.memory.data), CUBLAS_STATUS_INVALID_VALUE);
  CHECK_EQUAL(run(handle, &one, nullptr, p.d.memory.data), CUBLAS_STATUS_INVALID_VALUE);
  CHECK_EQUAL(run(handle, &one, p.a.memory.data + 2, p.d.memory.data), CUBLAS_STATUS_INVALID_VALUE);
  const int32_t value = 1;
  CHECK_EQUAL(cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_TRANSA, &value, 8), CUBLAS_STATUS_INVALID_VALUE);
  CHECK_EQUAL(cublasLtMatmulDescSetAttribute(nullptr, CUBLASLT_MATMUL_DESC_TRANSA, &value, 4), CUBLAS_STATUS_INVALID_VALUE);
  CHECK_EQUAL(cublasLtMatmulDescSetAttribute(p.desc, CUBLASLT_MATMUL_DESC_TRANSA, nullptr, 4), CUBLAS_STATUS_INVALID_VALUE);
  const uint64_t cols = 9;
  CHECK_OK(cublasLtMatrixLayoutSetAttribute(p.b.layout, CUBLASLT_MATRIX_LAYOUT_ROWS, &cols, sizeof(cols)));
  CHECK_EQUAL(p.run(), CUBLAS_STATUS_INVALID_VALUE);
  // Memory that has been freed, or is too small.
  Problem q({8, 8, 8, false, false, CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_32F});
  CHECK_EQUAL(cublasLtMatmul(handle, q.desc, &one, q.a.memory.data + 4, q.a.layout, q.b.memory.data, q.b.layout, &zero,
                             q.d.memory.data, q.d.layout, q.d.memory.data, q.d.layout, nullptr, nullptr, 0, nullptr),
              CUBLAS_STATUS_SUCCESS);  // still within: the last column's gap is spare
  CHECK_EQUAL(cublasLtMatmul(handle, q.desc, &one, q.a.memory.data + 64, q.a.layout, q.b.memory.data, q.b.layout, &zero,
                             q.d.memory.data, q.d.layout, q.d.memory.data, q.d.layout, nullptr, nullptr, 0, nullptr),
              CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(faulted("not within live memory"));
}

}  // namespace

void cublasLt() {
  CHECK_OK(cublasLtCreate(&handle));
  products();
  interleaved();
  rowMajor();
  forwardEpilogues();
  gelu();
  integers();
  backwardEpilogues();
  inputGradients();
  algorithms();
  refusals();
  CHECK_OK(cublasLtDestroy(handle));
  CHECK_EQUAL(cublasLtDestroy(handle), CUBLAS_STATUS_NOT_INITIALIZED);
  cudaGetLastError();
}

}  // namespace check
