// cuSPARSELt: prune, compress and multiply against plain loops, its opaque format, and refusals.
#include "cusparseLt.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "check_emulator.h"
#include "cusparselt_format.h"
#include "numbers.h"

namespace check {
namespace {

using rnm::emulator::loadElement;
using rnm::emulator::sizeOf;
using rnm::emulator::storeElement;
using rnm::emulator::toTf32;

cusparseLtHandle_t handle;

struct Case {
  int m, n, k;
  cudaDataType type;
  bool sparseA, ta, tb;
  cusparseOrder_t orderA, orderB, orderD;
  int algorithm = 0, batches = 1;
  bool relu = false, bias = false;
};

// What compressing may write beyond the size that the library tells.
constexpr size_t kBeyond = 64 * 64;

int group(cudaDataType type) { return type == CUDA_R_32F ? 2 : 4; }

struct Operand {
  int rows, cols, ld, batches;
  bool rowMajor;
  cudaDataType type;
  std::vector<float> values;
  std::unique_ptr<DeviceArray<char>> memory;
  cusparseLtMatDescriptor_t descriptor;

  Operand(int rows, int cols, const Case& c, cusparseOrder_t order, bool structured)
      : rows(rows), cols(cols), ld((order == CUSPARSE_ORDER_ROW ? cols : rows) + 16), batches(c.batches),
        rowMajor(order == CUSPARSE_ORDER_ROW), type(c.type) {
    const int64_t stride = static_cast<int64_t>(ld) * (rowMajor ? rows : cols);
    values = randomValues(stride * batches);
    CHECK_OK(structured ? cusparseLtStructuredDescriptorInit(&handle, &descriptor, rows, cols, ld, 16, type, order, CUSPARSELT_SPARSITY_50_PERCENT)
                        : cusparseLtDenseDescriptorInit(&handle, &descriptor, rows, cols, ld, 16, type, order));
    CHECK_OK(cusparseLtMatDescSetAttribute(&handle, &descriptor, CUSPARSELT_MAT_NUM_BATCHES, &batches, sizeof(batches)));
    CHECK_OK(cusparseLtMatDescSetAttribute(&handle, &descriptor, CUSPARSELT_MAT_BATCH_STRIDE, &stride, sizeof(stride)));
  }
  ~Operand() { CHECK_OK(cusparseLtMatDescriptorDestroy(&descriptor)); }
  float& at(int b, int r, int c) {
    const size_t line = rowMajor ? r : c, place = rowMajor ? c : r;
    return values[(static_cast<size_t>(b) * (rowMajor ? rows : cols) + line) * ld + place];
  }
  float& op(bool transpose, int b, int r, int c) { return transpose ? at(b, c, r) : at(b, r, c); }
  void upload() {
    std::vector<char> bytes(values.size() * sizeOf(type));
    for (size_t i = 0; i < values.size(); ++i) {
      storeElement(bytes.data(), i, type, values[i]);
      values[i] = loadElement(bytes.data(), i, type);
    }
    memory = std::make_unique<DeviceArray<char>>(bytes);
  }
  std::vector<float> download() {
    const auto bytes = memory->get();
    std::vector<float> result(values.size());
    for (size_t i = 0; i < result.size(); ++i) result[i] = loadElement(bytes.data(), i, type);
    return result;
  }
};

// Sets all but the largest of every group along k to zero; leaves some groups emptier than allowed.
void sparsify(Operand& operand, bool transpose, int rows, int k) {
  const int size = group(operand.type);
  for (int b = 0; b < operand.batches; ++b) {
    for (int r = 0; r < rows; ++r) {
      for (int g = 0; g < k; g += size) {
        const int keep = (r + g / size) % 7 == 0 ? 0 : (r + g / size) % 5 == 0 ? size / 4 : size / 2;
        std::vector<int> order(size);
        for (int i = 0; i < size; ++i) order[i] = i;
        std::shuffle(order.begin(), order.end(), generator());
        for (int i = keep; i < size; ++i) operand.op(transpose, b, r, g + order[i]) = 0;
      }
    }
  }
}

struct Problem {
  Case c;
  Operand a, b, d;
  cusparseLtMatmulDescriptor_t matmul;
  cusparseLtMatmulAlgSelection_t selection;
  cusparseLtMatmulPlan_t plan;
  std::vector<float> bias;
  std::unique_ptr<DeviceArray<char>> biasMemory, compressed, buffer, workspace;
  float alpha = 0.5f, beta = 0;

  explicit Problem(const Case& c)
      : c(c), a(c.ta ? c.k : c.m, c.ta ? c.m : c.k, c, c.orderA, c.sparseA),
        b(c.tb ? c.n : c.k, c.tb ? c.k : c.n, c, c.orderB, !c.sparseA), d(c.m, c.n, c, c.orderD, false) {
    c.sparseA ? sparsify(a, c.ta, c.m, c.k) : sparsify(b, !c.tb, c.n, c.k);
    for (Operand* each : {&a, &b, &d}) each->upload();
    CHECK_OK(cusparseLtMatmulDescriptorInit(&handle, &matmul, c.ta ? CUSPARSE_OPERATION_TRANSPOSE : CUSPARSE_OPERATION_NON_TRANSPOSE,
                                            c.tb ? CUSPARSE_OPERATION_TRANSPOSE : CUSPARSE_OPERATION_NON_TRANSPOSE,
                                            &a.descriptor, &b.descriptor, &d.descriptor, &d.descriptor, CUSPARSE_COMPUTE_32F));
    if (c.bias) setBias();
    const int relu = c.relu;
    CHECK_OK(cusparseLtMatmulDescSetAttribute(&handle, &matmul, CUSPARSELT_MATMUL_ACTIVATION_RELU, &relu, sizeof(relu)));
    CHECK_OK(cusparseLtMatmulAlgSelectionInit(&handle, &selection, &matmul, CUSPARSELT_MATMUL_ALG_DEFAULT));
    CHECK_OK(cusparseLtMatmulAlgSetAttribute(&handle, &selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &c.algorithm, sizeof(int)));
    CHECK_OK(cusparseLtMatmulPlanInit(&handle, &plan, &matmul, &selection));
    size_t size = 0, room = 0, work = 0;
    CHECK_OK(cusparseLtSpMMACompressedSize(&handle, &plan, &size, &room));
    CHECK_OK(cusparseLtMatmulGetWorkspace(&handle, &plan, &work));
    compressed = std::make_unique<DeviceArray<char>>(size + kBeyond);
    buffer = std::make_unique<DeviceArray<char>>(room);
    workspace = std::make_unique<DeviceArray<char>>(std::max<size_t>(work, 4096));
  }
  ~Problem() {
    CHECK_OK(cusparseLtMatmulPlanDestroy(&plan));
    CHECK_OK(cusparseLtMatmulAlgSelectionDestroy(&selection));
  }
  void setBias() {
    bias = randomValues(biasLength() * c.batches);
    std::vector<char> bytes(bias.size() * sizeOf(c.type));
    for (size_t i = 0; i < bias.size(); ++i) {
      storeElement(bytes.data(), i, c.type, bias[i]);
      bias[i] = loadElement(bytes.data(), i, c.type);
    }
    biasMemory = std::make_unique<DeviceArray<char>>(bytes);
    const void* pointer = biasMemory->data;
    const int64_t stride = biasLength();
    CHECK_OK(cusparseLtMatmulDescSetAttribute(&handle, &matmul, CUSPARSELT_MATMUL_BIAS_POINTER, &pointer, sizeof(pointer)));
    CHECK_OK(cusparseLtMatmulDescSetAttribute(&handle, &matmul, CUSPARSELT_MATMUL_BIAS_STRIDE, &stride, sizeof(stride)));
  }
  int biasLength() const { return c.sparseA ? c.m : c.n; }
  Operand& sparse() { return c.sparseA ? a : b; }
  cusparseStatus_t compress() {
    return cusparseLtSpMMACompress(&handle, &plan, sparse().memory->data, compressed->data, buffer->data, nullptr);
  }
  cusparseStatus_t multiply() {
    return cusparseLtMatmul(&handle, &plan, &alpha, c.sparseA ? compressed->data : a.memory->data,
                            c.sparseA ? b.memory->data : compressed->data, &beta, d.memory->data, d.memory->data,
                            workspace->data, nullptr, 0);
  }
  double expected(int batch, int row, int col) {
    double sum = 0;
    const bool tf32 = c.type == CUDA_R_32F;
    for (int i = 0; i < c.k; ++i) {
      const float x = a.op(c.ta, batch, row, i), y = b.op(c.tb, batch, i, col);
      sum += tf32 ? static_cast<double>(toTf32(x)) * toTf32(y) : static_cast<double>(x) * y;
    }
    sum = alpha * sum + beta * d.at(batch, row, col) + (c.bias ? bias[batch * biasLength() + (c.sparseA ? row : col)] : 0);
    return c.relu && sum < 0 ? 0 : sum;
  }
  // Written so that NaN is wrong.
  int wrong() {
    Operand copy(c.m, c.n, c, c.orderD, false);
    copy.values = d.download();
    int count = 0;
    for (int batch = 0; batch < c.batches; ++batch) {
      for (int r = 0; r < c.m; ++r) {
        for (int col = 0; col < c.n; ++col) {
          const double tolerance = c.type == CUDA_R_32F ? 2e-5 : c.type == CUDA_R_16F ? 0.004 : 0.03;
          count += !(std::fabs(copy.at(batch, r, col) - expected(batch, r, col)) < tolerance);
        }
      }
    }
    return count;
  }
};

constexpr auto kRow = CUSPARSE_ORDER_ROW, kCol = CUSPARSE_ORDER_COL;

// Whether values of the dense operand along k are neighbours in memory: tf32 has no other products.
bool denseAlongK(const Case& c) {
  return c.sparseA ? c.tb == (c.orderB == kRow) : c.ta == (c.orderA == kCol);
}

void products() {
  for (const cudaDataType type : {CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F}) {
    for (int bits = 0; bits < 64; ++bits) {
      Case c{16, 32, 48, type, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, bits & 8 ? kRow : kCol,
             bits & 16 ? kRow : kCol, bits & 32 ? kRow : kCol};
      if (type == CUDA_R_32F && !denseAlongK(c)) continue;
      c.algorithm = bits % 2;
      c.relu = bits % 3 == 0;
      c.bias = bits % 5 < 2;
      c.batches = 1 + bits % 2;
      Problem p(c);
      p.beta = bits % 7 == 0 ? 0.25f : 0;
      CHECK_OK(p.compress());
      CHECK_OK(p.multiply());
      const int wrong = p.wrong();
      if (wrong) std::printf("  type %d, variant %d\n", type, bits);
      CHECK_EQUAL(wrong, 0);
    }
  }
}

// int8 with int32 results, which has k along both operands' lines alone.
void integers() {
  constexpr int m = 32, n = 16, k = 64;
  std::vector<signed char> a(m * k), b(k * n);
  for (auto* values : {&a, &b}) {
    for (auto& value : *values) value = static_cast<signed char>(static_cast<int>(generator()() % 256) - 128);
  }
  for (size_t i = 0; i < a.size(); ++i) a[i] = (i + i / 4) % 4 < 2 ? 0 : a[i];
  DeviceArray<signed char> aMemory(a), bMemory(b);
  DeviceArray<int32_t> d(m * n);
  cusparseLtMatDescriptor_t aDescriptor, bDescriptor, dDescriptor;
  CHECK_OK(cusparseLtStructuredDescriptorInit(&handle, &aDescriptor, m, k, k, 16, CUDA_R_8I, CUSPARSE_ORDER_ROW, CUSPARSELT_SPARSITY_50_PERCENT));
  CHECK_OK(cusparseLtDenseDescriptorInit(&handle, &bDescriptor, k, n, k, 16, CUDA_R_8I, CUSPARSE_ORDER_COL));
  CHECK_OK(cusparseLtDenseDescriptorInit(&handle, &dDescriptor, m, n, n, 16, CUDA_R_32I, CUSPARSE_ORDER_ROW));
  cusparseLtMatmulDescriptor_t matmul;
  const auto describe = [&](cusparseOperation_t opB, const cusparseLtMatDescriptor_t* result, cusparseComputeType compute) {
    return cusparseLtMatmulDescriptorInit(&handle, &matmul, CUSPARSE_OPERATION_NON_TRANSPOSE, opB, &aDescriptor, &bDescriptor,
                                          result, result, compute);
  };
  CHECK_EQUAL(describe(CUSPARSE_OPERATION_NON_TRANSPOSE, &dDescriptor, CUSPARSE_COMPUTE_32F), CUSPARSE_STATUS_NOT_SUPPORTED);
  cusparseLtMatDescriptor_t other;
  CHECK_OK(cusparseLtDenseDescriptorInit(&handle, &other, m, n, n, 16, CUDA_R_32F, CUSPARSE_ORDER_ROW));
  CHECK_EQUAL(describe(CUSPARSE_OPERATION_NON_TRANSPOSE, &other, CUSPARSE_COMPUTE_32I), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_OK(cusparseLtMatDescriptorDestroy(&other));
  CHECK_OK(describe(CUSPARSE_OPERATION_NON_TRANSPOSE, &dDescriptor, CUSPARSE_COMPUTE_32I));
  cusparseLtMatmulAlgSelection_t selection;
  cusparseLtMatmulPlan_t plan;
  CHECK_OK(cusparseLtMatmulAlgSelectionInit(&handle, &selection, &matmul, CUSPARSELT_MATMUL_ALG_DEFAULT));
  CHECK_OK(cusparseLtMatmulPlanInit(&handle, &plan, &matmul, &selection));
  size_t size = 0, room = 0;
  CHECK_OK(cusparseLtSpMMACompressedSize(&handle, &plan, &size, &room));
  DeviceArray<char> compressed(size + kBeyond), buffer(room);
  DeviceArray<int> valid(1);
  valid.set({0});
  CHECK_OK(cusparseLtSpMMAPruneCheck(&handle, &matmul, aMemory.data, valid.data, nullptr));
  CHECK_EQUAL(valid.get()[0], 0);
  CHECK_OK(cusparseLtSpMMACompress(&handle, &plan, aMemory.data, compressed.data, buffer.data, nullptr));
  const float one = 1, zero = 0;
  CHECK_OK(cusparseLtMatmul(&handle, &plan, &one, compressed.data, bMemory.data, &zero, d.data, d.data, nullptr, nullptr, 0));
  const auto result = d.get();
  int wrong = 0;
  for (int r = 0; r < m; ++r) {
    for (int c = 0; c < n; ++c) {
      int sum = 0;
      for (int i = 0; i < k; ++i) sum += a[r * k + i] * b[c * k + i];
      wrong += result[r * n + c] != sum;
    }
  }
  CHECK_EQUAL(wrong, 0);
  CHECK_OK(cusparseLtMatmulPlanDestroy(&plan));
  CHECK_OK(cusparseLtMatmulAlgSelectionDestroy(&selection));
  // k along B's columns only if it is not transposed.
  cusparseLtMatDescriptor_t square;
  CHECK_OK(cusparseLtDenseDescriptorInit(&handle, &square, k, k, k, 16, CUDA_R_8I, CUSPARSE_ORDER_COL));
  CHECK_OK(cusparseLtDenseDescriptorInit(&handle, &other, m, k, k, 16, CUDA_R_32I, CUSPARSE_ORDER_ROW));
  CHECK_EQUAL(cusparseLtMatmulDescriptorInit(&handle, &matmul, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_TRANSPOSE,
                                             &aDescriptor, &square, &other, &other, CUSPARSE_COMPUTE_32I),
              CUSPARSE_STATUS_NOT_SUPPORTED);
  for (auto* each : {&aDescriptor, &bDescriptor, &dDescriptor, &square, &other}) CHECK_OK(cusparseLtMatDescriptorDestroy(each));
}

// The way of a backend that never compresses while it trains: learn from coded matrices where each
// value lands, then write values there.
void learnTheFormat(cudaDataType type, int algorithm) {
  Problem p({32, 16, 128, type, true, false, true, kRow, kRow, kRow, algorithm});
  CHECK_OK(p.compress());
  const auto values = p.a.values;
  std::vector<std::vector<char>> codes;
  for (const int digit : {0, 1}) {
    for (size_t i = 0; i < values.size(); ++i) {
      const int code = static_cast<int>(digit == 0 ? i % 251 : i / 251) + 1;
      p.a.values[i] = values[i] == 0 ? 0 : static_cast<float>(code);
    }
    p.a.upload();
    CHECK_OK(p.compress());
    codes.push_back(p.compressed->get());
  }
  const rnm::emulator::SparseShape shape{type, 0, 0, static_cast<uint32_t>(algorithm)};
  // Other values at the same positions.
  std::vector<float> fresh = randomValues(values.size());
  for (size_t i = 0; i < values.size(); ++i) fresh[i] = values[i] == 0 ? 0 : fresh[i];
  auto bytes = codes[1];
  size_t found = 0, active = 0, inOrder = 0, last = 0;
  for (size_t i = 0; i < values.size(); ++i) active += values[i] != 0 && static_cast<int>(i % p.a.ld) < p.c.k;
  for (size_t slot = 0; (slot + 1) * sizeOf(type) <= bytes.size(); ++slot) {
    const float low = asRead(shape, loadElement(codes[0].data(), slot, type));
    const float high = asRead(shape, loadElement(codes[1].data(), slot, type));
    if (!(low >= 1 && high >= 1 && low == std::floor(low) && high == std::floor(high))) continue;
    const size_t i = static_cast<size_t>(low) - 1 + 251 * (static_cast<size_t>(high) - 1);
    if (i >= values.size() || values[i] == 0) continue;
    storeElement(bytes.data(), slot, type, toStore(shape, fresh[i]));
    ++found;
    inOrder += i > last;
    last = i;
  }
  CHECK_EQUAL(found, active);
  if (rnm::emulator::straight()) {
    CHECK(inOrder + 1 >= active);
  } else {
    CHECK(inOrder < active * 9 / 10);  // not simply the order of the matrix
  }
  p.compressed->set(bytes);
  p.a.values = fresh;
  p.a.upload();
  CHECK_OK(p.multiply());
  CHECK_EQUAL(p.wrong(), 0);
}

void formats() {
  std::set<std::vector<char>> seen;
  rnm::emulator::SparseShape shape{CUDA_R_16BF, 16, 64, 0};
  std::vector<float> dense(16 * 64, 0.0f), back;
  for (size_t i = 0; i < dense.size(); ++i) dense[i] = i % 4 == 1 || i % 4 == i / 4 % 3 + 1 ? 1.0f + i % 100 : 0;
  for (uint32_t algorithm = 0; algorithm < 4; ++algorithm) {
    shape.algorithm = algorithm;
    std::vector<char> bytes(rnm::emulator::compressedBytes(shape));
    CHECK(rnm::emulator::compress(shape, dense, bytes.data()).empty());
    seen.insert(std::vector<char>(bytes.begin() + 64, bytes.end()));
    CHECK(rnm::emulator::decompress(shape, bytes.data(), &back).empty());
    CHECK(back == dense);
    shape.algorithm = (algorithm + 1) % 4;
    CHECK(!rnm::emulator::decompress(shape, bytes.data(), &back).empty());
  }
  CHECK_EQUAL(seen.size(), 4);
  for (const int algorithm : {0, 1, 2, 3}) learnTheFormat(CUDA_R_16BF, algorithm);
  for (const int algorithm : {0, 1, 2}) learnTheFormat(CUDA_R_32F, algorithm);
}

void wrongBuffers() {
  Case c{16, 16, 32, CUDA_R_16BF, true, false, false, kRow, kRow, kRow};
  Problem p(c);
  CHECK_OK(p.multiply());
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  CHECK(faulted("it was not compressed"));
  c.algorithm = 1;
  Problem q(c);
  CHECK_OK(q.compress());
  p.compressed->set(q.compressed->get());
  CHECK_OK(p.multiply());
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  CHECK(faulted("another algorithm"));
  for (float& value : p.a.values) value = 1;
  p.a.upload();
  CHECK_OK(p.compress());
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  CHECK(faulted("more nonzero values"));
}

void pruning() {
  for (const cudaDataType type : {CUDA_R_16BF, CUDA_R_32F}) {
    Problem p({16, 16, 32, type, true, false, true, kRow, kRow, kRow});
    p.a.values = randomValues(p.a.values.size());
    p.a.upload();
    DeviceArray<int> valid(1);
    const auto check = [&] {
      valid.set({0});
      CHECK_OK(cusparseLtSpMMAPruneCheck(&handle, &p.matmul, p.a.memory->data, valid.data, nullptr));
      return valid.get()[0];
    };
    CHECK(check() != 0);
    const auto before = p.a.values;
    for (const auto how : {CUSPARSELT_PRUNE_SPMMA_STRIP, CUSPARSELT_PRUNE_SPMMA_TILE}) {
      p.a.values = before;
      p.a.upload();
      CHECK_OK(cusparseLtSpMMAPrune(&handle, &p.matmul, p.a.memory->data, p.a.memory->data, how, nullptr));
      CHECK_EQUAL(check(), 0);
      p.a.values = p.a.download();
      const int size = group(type);
      int wrong = 0;
      for (int r = 0; r < 16; ++r) {
        for (int g = 0; g < 32; g += size) {
          int kept = 0;
          float smallestKept = 9, largestLost = 0;
          for (int i = 0; i < size; ++i) {
            const float now = p.a.at(0, r, g + i), was = before[r * p.a.ld + g + i];
            kept += now != 0;
            if (now != 0) smallestKept = std::min(smallestKept, std::fabs(now));
            if (now == 0) largestLost = std::max(largestLost, std::fabs(was));
            wrong += now != 0 && now != was;
          }
          wrong += kept != size / 2;
          if (how == CUSPARSELT_PRUNE_SPMMA_STRIP) wrong += smallestKept < largestLost;
        }
      }
      for (int r = 0; r < 16; r += size) {
        for (int col = 0; how == CUSPARSELT_PRUNE_SPMMA_TILE && col < 32; ++col) {
          int kept = 0;
          for (int i = 0; i < size; ++i) kept += p.a.at(0, r + i, col) != 0;
          wrong += kept != size / 2;
        }
      }
      CHECK_EQUAL(wrong, 0);
    }
  }
}

void withoutPlan() {
  Problem p({16, 32, 48, CUDA_R_16BF, false, false, false, kRow, kRow, kRow});
  size_t size = 0, room = 0;
  CHECK_OK(cusparseLtSpMMACompressedSize2(&handle, &p.b.descriptor, &size, &room));
  CHECK_EQUAL(size + kBeyond, p.compressed->count);
  CHECK_OK(cusparseLtSpMMACompress2(&handle, &p.b.descriptor, 0, CUSPARSE_OPERATION_NON_TRANSPOSE, p.b.memory->data,
                                    p.compressed->data, p.buffer->data, nullptr));
  CHECK_OK(p.multiply());
  CHECK_EQUAL(p.wrong(), 0);
  DeviceArray<int> valid(1);
  valid.set({0});
  CHECK_OK(cusparseLtSpMMAPruneCheck2(&handle, &p.b.descriptor, 0, CUSPARSE_OPERATION_NON_TRANSPOSE, p.b.memory->data,
                                      valid.data, nullptr));
  CHECK_EQUAL(valid.get()[0], 0);
}

void searching() {
  Problem p({16, 16, 256, CUDA_R_16BF, true, false, false, kRow, kRow, kRow});
  int most = 0, id = -1;
  CHECK_OK(cusparseLtMatmulAlgGetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID, &most, sizeof(most)));
  CHECK_EQUAL(most, 4);
  CHECK_EQUAL(cusparseLtMatmulAlgSetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &most, sizeof(most)),
              CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_OK(p.compress());
  CHECK_OK(cusparseLtMatmulSearch(&handle, &p.plan, &p.alpha, p.compressed->data, p.b.memory->data, &p.beta,
                                  p.d.memory->data, p.d.memory->data, p.workspace->data, nullptr, 0));
  CHECK_OK(cusparseLtMatmulAlgGetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &id, sizeof(id)));
  CHECK_EQUAL(id, 3);
  CHECK_OK(p.compress());
  CHECK_OK(p.multiply());
  CHECK_EQUAL(p.wrong(), 0);
  // An algorithm that does not take the shape says so when the plan is made.
  Problem q({16, 16, 64, CUDA_R_16BF, true, false, false, kRow, kRow, kRow});
  CHECK_OK(cusparseLtMatmulAlgSetAttribute(&handle, &q.selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &id, sizeof(id)));
  cusparseLtMatmulPlan_t plan;
  CHECK_EQUAL(cusparseLtMatmulPlanInit(&handle, &plan, &q.matmul, &q.selection), CUSPARSE_STATUS_NOT_SUPPORTED);
  // A search waits, so no capture allows it.
  StreamScope stream;
  cudaStream_t streams[] = {stream};
  cudaGraph_t graph = nullptr;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK_EQUAL(cusparseLtMatmulSearch(&handle, &p.plan, &p.alpha, p.compressed->data, p.b.memory->data, &p.beta,
                                     p.d.memory->data, p.d.memory->data, p.workspace->data, streams, 1),
              CUSPARSE_STATUS_EXECUTION_FAILED);
  CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
}

// The split of k as the messages in the real library describe it, before compute capability 9.0 and from it on.
void splits() {
  struct Profile {
    const char* capability;
    int fresh[3];
    std::vector<int> taken[3], refused[3];  // factors, modes, buffers
  };
  const Profile profiles[] = {
      {"capability:8.9", {1, 0, 0}, {{1, 64, 4}, {1, 2}, {1, 3}}, {{0, 65, -1}, {0, 3, 6}, {0, 4, -1}}},
      {"capability:9.0", {-1, 1, 0}, {{1, -1}, {3, 6}, {0}}, {{0, 2, -2}, {0, 1, 2, 7}, {1, -1}}},
  };
  for (const Profile& each : profiles) {
    CHECK(rnmEmulatorInject(each.capability));
    Problem p({16, 16, 64, CUDA_R_16BF, true, false, false, kRow, kRow, kRow});
    for (int i = 0; i < 3; ++i) {
      const auto attribute = static_cast<cusparseLtMatmulAlgAttribute_t>(CUSPARSELT_MATMUL_SPLIT_K + i);
      int value = 99;
      const auto get = [&] {
        CHECK_OK(cusparseLtMatmulAlgGetAttribute(&handle, &p.selection, attribute, &value, sizeof(value)));
        return value;
      };
      const auto set = [&](int wish) {
        return cusparseLtMatmulAlgSetAttribute(&handle, &p.selection, attribute, &wish, sizeof(wish));
      };
      CHECK_EQUAL(get(), each.fresh[i]);
      for (const int wish : each.refused[i]) CHECK_EQUAL(set(wish), CUSPARSE_STATUS_INVALID_VALUE);
      CHECK_EQUAL(get(), each.fresh[i]);
      for (const int wish : each.taken[i]) {
        CHECK_OK(set(wish));
        CHECK_EQUAL(get(), wish);
      }
    }
  }
  Problem p({16, 16, 64, CUDA_R_16BF, true, false, false, kRow, kRow, kRow});
  CHECK(rnmEmulatorInject("refuse:set,refuse:split"));
  int value = 0;
  CHECK_EQUAL(cusparseLtMatmulAlgSetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &value, sizeof(value)),
              CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(cusparseLtMatmulAlgGetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_SPLIT_K, &value, sizeof(value)),
              CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_OK(cusparseLtMatmulAlgGetAttribute(&handle, &p.selection, CUSPARSELT_MATMUL_ALG_CONFIG_ID, &value, sizeof(value)));
  CHECK(rnmEmulatorInject(""));
}

void captured() {
  Problem p({16, 16, 32, CUDA_R_32F, true, false, true, kRow, kRow, kRow});
  CHECK_OK(p.compress());
  CHECK_OK(cudaDeviceSynchronize());
  StreamScope stream;
  cudaStream_t streams[] = {stream};
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  CHECK_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK_OK(cusparseLtMatmul(&handle, &p.plan, &p.alpha, p.compressed->data, p.b.memory->data, &p.beta, p.d.memory->data,
                            p.d.memory->data, p.workspace->data, streams, 1));
  CHECK_OK(cudaStreamEndCapture(stream, &graph));
  CHECK_OK(cudaGraphInstantiate(&exec, graph, 0));
  CHECK(p.wrong() > 0);
  CHECK_OK(cudaGraphLaunch(exec, stream));
  CHECK_OK(cudaStreamSynchronize(stream));
  CHECK_EQUAL(p.wrong(), 0);
  CHECK_OK(cudaGraphExecDestroy(exec));
  CHECK_OK(cudaGraphDestroy(graph));
}

void descriptorRefusals() {
  cusparseLtMatDescriptor_t d;
  const auto dense = [&](int64_t rows, int64_t cols, int64_t ld, uint32_t alignment, cudaDataType type) {
    return cusparseLtDenseDescriptorInit(&handle, &d, rows, cols, ld, alignment, type, kRow);
  };
  CHECK_EQUAL(dense(0, 16, 16, 16, CUDA_R_32F), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(dense(16, 16, 8, 16, CUDA_R_32F), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(dense(16, 16, 16, 8, CUDA_R_32F), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(dense(16, 12, 16, 16, CUDA_R_16BF), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(dense(16, 6, 16, 16, CUDA_R_32F), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(dense(16, 16, 16, 16, CUDA_R_64F), CUSPARSE_STATUS_NOT_SUPPORTED);
  const auto structured = [&](int64_t rows, int64_t cols, cudaDataType type) {
    return cusparseLtStructuredDescriptorInit(&handle, &d, rows, cols, cols, 16, type, kRow, CUSPARSELT_SPARSITY_50_PERCENT);
  };
  CHECK_EQUAL(structured(16, 24, CUDA_R_16BF), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(structured(16, 12, CUDA_R_32F), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(structured(32, 48, CUDA_R_8I), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(dense(16, 24, 24, 16, CUDA_R_8I), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_EQUAL(cusparseLtDenseDescriptorInit(nullptr, &d, 16, 16, 16, 16, CUDA_R_32F, kRow), CUSPARSE_STATUS_INVALID_VALUE);
  cusparseLtHandle_t none{};
  CHECK_EQUAL(cusparseLtDenseDescriptorInit(&none, &d, 16, 16, 16, 16, CUDA_R_32F, kRow), CUSPARSE_STATUS_NOT_INITIALIZED);
  CHECK_EQUAL(cusparseLtDenseDescriptorInit(&handle, nullptr, 16, 16, 16, 16, CUDA_R_32F, kRow), CUSPARSE_STATUS_INVALID_VALUE);
  cusparseLtMatDescriptor_t never{};
  CHECK_EQUAL(cusparseLtMatDescriptorDestroy(&never), CUSPARSE_STATUS_INVALID_VALUE);
}

void refusesDenseAcrossK() {
  Problem p({16, 32, 32, CUDA_R_32F, true, false, true, kRow, kRow, kRow});
  cusparseLtMatmulDescriptor_t other;
  cusparseLtMatmulAlgSelection_t selection;
  cusparseLtMatmulPlan_t plan;
  CHECK_OK(cusparseLtMatmulDescriptorInit(&handle, &other, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE,
                                          &p.a.descriptor, &p.b.descriptor, &p.d.descriptor, &p.d.descriptor, CUSPARSE_COMPUTE_32F));
  CHECK_OK(cusparseLtMatmulAlgSelectionInit(&handle, &selection, &other, CUSPARSELT_MATMUL_ALG_DEFAULT));
  CHECK_EQUAL(cusparseLtMatmulPlanInit(&handle, &plan, &other, &selection), CUSPARSE_STATUS_NOT_SUPPORTED);
  CHECK_OK(cusparseLtMatmulAlgSelectionDestroy(&selection));
}

void matmulRefusals() {
  refusesDenseAcrossK();
  Problem p({16, 16, 32, CUDA_R_16BF, true, false, false, kRow, kRow, kRow});
  cusparseLtMatmulDescriptor_t other;
  const auto init = [&](const cusparseLtMatDescriptor_t* a, const cusparseLtMatDescriptor_t* b) {
    return cusparseLtMatmulDescriptorInit(&handle, &other, CUSPARSE_OPERATION_NON_TRANSPOSE, CUSPARSE_OPERATION_NON_TRANSPOSE,
                                          a, b, &p.d.descriptor, &p.d.descriptor, CUSPARSE_COMPUTE_32F);
  };
  CHECK_EQUAL(init(&p.b.descriptor, &p.b.descriptor), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(init(&p.d.descriptor, &p.d.descriptor), CUSPARSE_STATUS_NOT_SUPPORTED);  // none is structured
  // What lies elsewhere than where it was initialised is not initialised.
  cusparseLtMatmulPlan_t copy = p.plan;
  size_t size = 0;
  CHECK_EQUAL(cusparseLtMatmulGetWorkspace(&handle, &copy, &size), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_OK(p.compress());
  const auto run = [&](const void* a, void* d) {
    return cusparseLtMatmul(&handle, &p.plan, &p.alpha, a, p.b.memory->data, &p.beta, d, d, p.workspace->data, nullptr, 0);
  };
  CHECK_EQUAL(run(nullptr, p.d.memory->data), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(run(p.compressed->data + 8, p.d.memory->data), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(run(p.compressed->data, nullptr), CUSPARSE_STATUS_INVALID_VALUE);
  const int relu = 1;
  CHECK_EQUAL(cusparseLtMatmulDescSetAttribute(&handle, &p.matmul, CUSPARSELT_MATMUL_ACTIVATION_RELU, &relu, 8), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(cusparseLtMatmulDescSetAttribute(&handle, &p.matmul, CUSPARSELT_MATMUL_ACTIVATION_RELU, nullptr, 4), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_EQUAL(cusparseLtMatmulDescSetAttribute(&handle, &p.matmul, CUSPARSELT_MATMUL_BIAS_POINTER, &relu, 4), CUSPARSE_STATUS_INVALID_VALUE);
  // An attribute that is set after the plan was made.
  CHECK_OK(cusparseLtMatmulDescSetAttribute(&handle, &p.matmul, CUSPARSELT_MATMUL_ACTIVATION_RELU, &relu, 4));
  CHECK_EQUAL(p.multiply(), CUSPARSE_STATUS_INVALID_VALUE);
  const int off = 0;
  CHECK_OK(cusparseLtMatmulDescSetAttribute(&handle, &p.matmul, CUSPARSELT_MATMUL_ACTIVATION_RELU, &off, 4));
  CHECK_OK(p.multiply());
  CHECK_EQUAL(p.wrong(), 0);
  void* freed = nullptr;
  CHECK_OK(cudaMalloc(&freed, p.compressed->count));
  CHECK_OK(cudaFree(freed));
  CHECK_EQUAL(run(freed, p.d.memory->data), CUSPARSE_STATUS_EXECUTION_FAILED);
  CHECK(faulted("not within live memory"));
}

}  // namespace

void cusparseLt() {
  CHECK_EQUAL(cusparseLtInit(nullptr), CUSPARSE_STATUS_INVALID_VALUE);
  CHECK_OK(cusparseLtInit(&handle));
  products();
  integers();
  formats();
  wrongBuffers();
  pruning();
  withoutPlan();
  searching();
  splits();
  captured();
  descriptorRefusals();
  matmulRefusals();
  CHECK_OK(cusparseLtDestroy(&handle));
  CHECK_EQUAL(cusparseLtDestroy(&handle), CUSPARSE_STATUS_NOT_INITIALIZED);
}

}  // namespace check
