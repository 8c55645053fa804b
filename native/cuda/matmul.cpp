#include "cuda/matmul.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "cuda/dense_matmul.h"
#include "cuda/probe.h"
#include "cuda/sparse_matmul.h"

namespace rnm::cuda {
namespace {

// Values are converted and copied this many at a time.
constexpr size_t kChunk = 1 << 20;
constexpr int64_t kLargestSize = 1 << 24;
constexpr MatmulOperand kOperands[] = {MatmulOperand::a, MatmulOperand::b, MatmulOperand::c,
                                       MatmulOperand::bias, MatmulOperand::d};

Element elementOf(cudaDataType type) {
  switch (type) {
    case CUDA_R_16F: return Element::float16;
    case CUDA_R_16BF: return Element::bfloat16;
    case CUDA_R_8I: return Element::int8;
    case CUDA_R_32I: return Element::int32;
    default: return Element::float32;
  }
}

const MatmulSpec& checked(const MatmulSpec& spec) {
  for (const int64_t size : {spec.m, spec.n, spec.k}) {
    if (size < 1 || size > kLargestSize) {
      throw std::invalid_argument("Expected m, n and k to be from 1 to " +
                                  std::to_string(kLargestSize));
    }
  }
  const bool plain = !spec.bias && spec.activation == MatmulActivation::none && spec.alpha == 1 &&
                     spec.beta == 0;
  if (spec.type == MatmulType::int8 && !plain) {
    throw std::invalid_argument("Expected an int8 product without bias, activation, alpha and beta");
  }
  return spec;
}

}  // namespace

std::unique_ptr<Matmul> makeMatmul(const MatmulSpec& spec) {
  requireGpu();
  if (spec.sparse == MatmulSparse::none) return std::make_unique<DenseMatmul>(checked(spec));
  return std::make_unique<SparseMatmul>(checked(spec));
}

CudaMatmul::CudaMatmul(const MatmulSpec& spec) : spec_(spec) {
  for (const MatmulOperand operand : kOperands) {
    const size_t bytes = elements(operand) * elementBytes(element(operand));
    DeviceBuffer& buffer = buffers_[static_cast<int>(operand)];
    buffer = DeviceBuffer(bytes, kOutOfMemory);
    if (bytes > 0) check(cudaMemsetAsync(buffer.data(), 0, bytes, stream_.get()), "clear memory");
  }
  stream_.synchronize("clear memory");
}

cudaDataType CudaMatmul::inputType() const {
  switch (spec_.type) {
    case MatmulType::fp16: return CUDA_R_16F;
    case MatmulType::bf16: return CUDA_R_16BF;
    case MatmulType::int8: return CUDA_R_8I;
    default: return CUDA_R_32F;
  }
}

cudaDataType CudaMatmul::outputType() const {
  return spec_.type == MatmulType::int8 ? CUDA_R_32I : inputType();
}

int64_t CudaMatmul::storedRows(MatmulOperand operand) const {
  switch (operand) {
    case MatmulOperand::a: return spec_.transposeA ? spec_.k : spec_.m;
    case MatmulOperand::b: return spec_.transposeB ? spec_.n : spec_.k;
    case MatmulOperand::bias: return biasOfColumns() ? spec_.n : spec_.m;
    default: return spec_.m;
  }
}

bool CudaMatmul::biasOfColumns() const {
  return spec_.sparse == MatmulSparse::none ? spec_.rowMajorD : spec_.sparse == MatmulSparse::b;
}

int64_t CudaMatmul::storedColumns(MatmulOperand operand) const {
  switch (operand) {
    case MatmulOperand::a: return spec_.transposeA ? spec_.m : spec_.k;
    case MatmulOperand::b: return spec_.transposeB ? spec_.k : spec_.n;
    case MatmulOperand::bias: return 1;
    default: return spec_.n;
  }
}

bool CudaMatmul::rowMajor(MatmulOperand operand) const {
  switch (operand) {
    case MatmulOperand::a: return spec_.rowMajorA;
    case MatmulOperand::b: return spec_.rowMajorB;
    default: return spec_.rowMajorD;
  }
}

size_t CudaMatmul::elements(MatmulOperand operand) const {
  if (operand == MatmulOperand::c && spec_.beta == 0) return 0;
  if (operand == MatmulOperand::bias && !spec_.bias) return 0;
  return static_cast<size_t>(storedRows(operand)) * storedColumns(operand);
}

Element CudaMatmul::element(MatmulOperand operand) const {
  const bool input = operand == MatmulOperand::a || operand == MatmulOperand::b;
  return elementOf(input ? inputType() : outputType());
}

const DeviceBuffer& CudaMatmul::bufferOf(MatmulOperand operand) const {
  const DeviceBuffer& buffer = buffers_[static_cast<int>(operand)];
  if (buffer.bytes() == 0) throw std::invalid_argument("This product has no such operand");
  return buffer;
}

void CudaMatmul::write(MatmulOperand operand, const float* values) {
  if (operand == MatmulOperand::d) throw std::invalid_argument("D is what a product writes");
  const DeviceBuffer& target = bufferOf(operand);
  const size_t count = elements(operand), size = elementBytes(element(operand));
  std::vector<char> staging(std::min(count, kChunk) * size);
  for (size_t first = 0; first < count; first += kChunk) {
    const size_t part = std::min(kChunk, count - first);
    encodeElements(element(operand), values + first, part, staging.data());
    check(cudaMemcpyAsync(target.data() + first * size, staging.data(), part * size,
                          cudaMemcpyHostToDevice, stream_.get()),
          "copy to the GPU");
    stream_.synchronize("copy to the GPU");
  }
}

void CudaMatmul::read(MatmulOperand operand, float* values) const {
  const DeviceBuffer& source = bufferOf(operand);
  const size_t count = elements(operand), size = elementBytes(element(operand));
  std::vector<char> staging(std::min(count, kChunk) * size);
  for (size_t first = 0; first < count; first += kChunk) {
    const size_t part = std::min(kChunk, count - first);
    check(cudaMemcpyAsync(staging.data(), source.data() + first * size, part * size,
                          cudaMemcpyDeviceToHost, stream_.get()),
          "copy from the GPU");
    stream_.synchronize("copy from the GPU");
    decodeElements(element(operand), staging.data(), part, values + first);
  }
}

void CudaMatmul::run() {
  enqueue();
  stream_.synchronize("multiply matrices");
}

std::vector<double> CudaMatmul::time(int repetitions, int launches) {
  if (repetitions < 1 || launches < 1) {
    throw std::invalid_argument("Expected repetitions and launches to be positive");
  }
  // Everything is enqueued before anything is waited for, so that the host's time is not in it.
  std::vector<TimingEvent> events(repetitions + 1);
  for (int i = 0; i < launches; ++i) enqueue();
  events[0].record(stream_);
  for (int repetition = 1; repetition <= repetitions; ++repetition) {
    for (int i = 0; i < launches; ++i) enqueue();
    events[repetition].record(stream_);
  }
  stream_.synchronize("multiply matrices");
  std::vector<double> microseconds(repetitions);
  for (int i = 0; i < repetitions; ++i) {
    microseconds[i] = events[i + 1].microsecondsSince(events[i]) / launches;
  }
  return microseconds;
}

}  // namespace rnm::cuda
