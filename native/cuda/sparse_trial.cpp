#include "cuda/sparse_trial.h"

#include <algorithm>

#include "cuda/error.h"
#include "cuda/kernels.h"
#include "cuda/stopwatch.h"

namespace rnm::cuda {
namespace {

// Matrices begin at multiples of 256 bytes, as in networks.
constexpr int64_t kMatrixAlignment = 128;

int64_t aligned(int64_t elements) {
  return (elements + kMatrixAlignment - 1) / kMatrixAlignment * kMatrixAlignment;
}

// Bits of a mask, one for each element: all are active, 2 of 4, or 1 of 2.
constexpr int kAll = 0xff, kTwoOfFour = 0x33, kOneOfTwo = 0x55;

}  // namespace

SparseTrial::SparseTrial(Context& context, const SparseProduct::Shape& shape, int depth, int members)
    : context_(context), shape_(shape), depth_(depth), members_(members) {
  const bool bf16 = shape.type == ElementType::bfloat16;
  elementBytes_ = bf16 ? 2 : 4;
  // Room for the weights as they are, [outputs, inputs], and as a data gradient finds them.
  weightStride_ =
      aligned(std::max(shape.paddedOutputs() * shape.weightLd, shape.inputs * shape.outputLd));
  inputStride_ = aligned(shape.paddedRows() * shape.inputLd);
  outputStride_ = aligned(shape.paddedRows() * shape.outputLd);
  fill(weights_, members * weightStride_, bf16 ? kTwoOfFour : kOneOfTwo);
  fill(input_, members * inputStride_, kAll);
  output_ = DeviceArray<uint8_t>(context, members * outputStride_ * elementBytes_);
  if (!shape.bias) return;
  fill(bias_, aligned(shape.outputLd) * members, kAll);
  shape_.bias = bias_.data();
}

void SparseTrial::fill(DeviceArray<uint8_t>& target, int64_t elements, int pattern) {
  target = DeviceArray<uint8_t>(context_, elements * elementBytes_);
  DeviceArray<uint8_t> mask(context_, elements / 8);
  check(cudaMemsetAsync(mask.data(), pattern, mask.bytes(), context_.stream()), "make up weights");
  writeTestValues(context_, target.data(), mask.data(), {0, elements, elements, 0});
}

void* SparseTrial::at(const DeviceArray<uint8_t>& array, int64_t element) const {
  return array.data() + element * elementBytes_;
}

std::shared_ptr<SparseTrial::Sparse> SparseTrial::prepare(const SparseAlgorithm& algorithm) {
  auto sparse = std::make_shared<Sparse>();
  sparse->product =
      std::make_unique<SparseProduct>(context_, context_.sparseBlas(), shape_, algorithm);
  sparse->stride =
      aligned(static_cast<int64_t>(sparse->product->compressedRoom()) / elementBytes_) *
      elementBytes_;
  sparse->compressed = DeviceArray<uint8_t>(context_, members_ * sparse->stride);
  for (int member = 0; member < members_; ++member) {
    sparse->product->compress(at(weights_, member * weightStride_),
                              sparse->compressed.data() + member * sparse->stride);
  }
  return sparse;
}

// The library's default, and what its search finds if that is another. A library that cannot search,
// or refuses to be told what it found, has its default.
std::vector<std::shared_ptr<SparseTrial::Sparse>> SparseTrial::candidates() {
  std::vector<std::shared_ptr<Sparse>> result = {prepare({})};
  try {
    const auto searched = prepare({});
    searched->product->search(searched->compressed.data(), input_.data(), output_.data());
    const SparseAlgorithm found = searched->product->algorithm();
    if (found != result.front()->product->algorithm()) result.push_back(prepare(found));
  } catch (const std::runtime_error&) {
    cudaGetLastError();
  }
  return result;
}

// As a network does it: see CudaNetwork::forwardLayer and dataGradient.
void SparseTrial::multiplyDense(int count) {
  const bool forward = shape_.bias != nullptr;
  Product product{};
  product.rows = shape_.rows;
  product.columns = shape_.outputs;
  product.depth = depth_;
  product.batch = count;
  product.a = {input_.data(), shape_.inputLd, inputStride_, shape_.type};
  product.b = {weights_.data(), forward ? shape_.weightLd : shape_.outputLd, weightStride_,
               shape_.type};
  product.transposeB = forward;
  product.result = {output_.data(), shape_.outputLd, outputStride_, shape_.type};
  product.epilogue = forward ? Epilogue::biasRelu : Epilogue::none;
  product.bias = shape_.bias;
  product.biasStride = forward ? aligned(shape_.outputLd) : 0;
  context_.blas().multiply(product);
}

// A pass that keeps nothing may have to clear what pads its input.
void SparseTrial::multiplySparse(const Sparse& sparse, int count) {
  if (shape_.bias && shape_.paddedInputs() > shape_.inputs) {
    clearPadding(context_, input_.data(),
                 {shape_.inputLd, inputStride_, count, shape_.rows, shape_.inputs});
  }
  for (int i = 0; i < count; ++i) {
    sparse.product->run(sparse.compressed.data() + i * sparse.stride, at(input_, i * inputStride_),
                        at(output_, i * outputStride_));
  }
}

MeasuredProduct SparseTrial::measure() {
  // What runs beside it would take part in the times.
  context_.synchronize("finish before a measurement");
  const auto sparse = candidates();
  std::vector<Work> works;
  for (const int count : {1, members_}) {
    works.push_back([this, count] { multiplyDense(count); });
    for (const auto& each : sparse) {
      works.push_back([this, each, count] { multiplySparse(*each, count); });
    }
  }
  const std::vector<double> times = microsecondsOf(context_, works);
  // Of one product and of all: the dense one's, then those of the algorithms.
  const double* one = times.data();
  const double* all = one + 1 + sparse.size();
  const auto best = std::min_element(all + 1, all + 1 + sparse.size()) - all;
  return {sparse[best - 1]->product->algorithm(), {one[0], one[best]}, {all[0], all[best]}};
}

}  // namespace rnm::cuda
