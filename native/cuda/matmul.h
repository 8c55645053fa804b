// The public bindings' matrix products: what those of cuSPARSELt and cuBLASLt have in common.
#pragma once

#include <memory>
#include <vector>

#include "core/element.h"
#include "core/matmul.h"
#include "cuda/device_buffer.h"
#include "cuda/libraries.h"

namespace rnm::cuda {

// Throws std::runtime_error that says what is missing unless GPU and library can be used.
std::unique_ptr<Matmul> makeMatmul(const MatmulSpec& spec);

// Operands in device memory, copies, and timing. Work is enqueued on one stream of its own.
class CudaMatmul : public Matmul {
 public:
  explicit CudaMatmul(const MatmulSpec& spec);

  size_t elements(MatmulOperand operand) const override;
  void write(MatmulOperand operand, const float* values) override;
  void read(MatmulOperand operand, float* values) const override;
  void run() override;
  std::vector<double> time(int repetitions, int launches) override;

 protected:
  // Enqueues one product.
  virtual void enqueue() = 0;

  static constexpr const char* kOutOfMemory = "use a smaller m, n or k";

  const MatmulSpec& spec() const { return spec_; }
  const Stream& stream() const { return stream_; }
  // Of A and B, and of C, bias and D.
  cudaDataType inputType() const;
  cudaDataType outputType() const;
  // Of an operand as it lies in memory, with nothing between its lines.
  int64_t storedRows(MatmulOperand operand) const;
  int64_t storedColumns(MatmulOperand operand) const;
  bool rowMajor(MatmulOperand operand) const;
  // Whether the bias has a value for each column of D; else for each row.
  bool biasOfColumns() const;
  char* data(MatmulOperand operand) const { return buffers_[static_cast<int>(operand)].data(); }
  // C where there is one; the libraries want a pointer in any case.
  char* dataC() const { return data(spec_.beta != 0 ? MatmulOperand::c : MatmulOperand::d); }

 private:
  Element element(MatmulOperand operand) const;
  const DeviceBuffer& bufferOf(MatmulOperand operand) const;

  MatmulSpec spec_;
  Stream stream_;
  DeviceBuffer buffers_[5];  // by MatmulOperand
};

}  // namespace rnm::cuda
