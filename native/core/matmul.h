// One matrix product on a GPU, as the public bindings of cuSPARSELt and cuBLASLt offer it:
//   D[m, n] = activation(alpha op(A)[m, k] op(B)[k, n] + beta C[m, n] + bias)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rnm {

// What the operands are held and multiplied as. Sums are float32, for int8 int32.
//   fp32  float32
//   tf32  float32, rounded to 10 bits of mantissa within the tensor cores
//   int8  with D as int32
enum class MatmulType { fp32, tf32, fp16, bf16, int8 };
enum class MatmulActivation { none, relu, gelu };
// The operand that is 2:4 along k (1:2 under tf32).
enum class MatmulSparse { none, a, b };
enum class MatmulOperand { a, b, c, bias, d };
enum class MatmulPrune { strip, tile };

struct MatmulSpec {
  int64_t m, n, k;
  MatmulType type;
  MatmulSparse sparse;
  bool transposeA, transposeB;           // A lies as [k, m], B as [n, k]
  bool rowMajorA, rowMajorB, rowMajorD;  // C lies as D does
  // One value for each line of D that the sparse operand makes: rows if it is A, columns if B. Without
  // one, for what cuBLASLt adds it to: rows of a column-major D, columns of a row-major one.
  bool bias;
  MatmulActivation activation;
  float alpha, beta;
};

struct MatmulInfo {
  std::string library;  // "cuSPARSELt 0.8.1"
  int algorithm, algorithms;
  size_t workspaceBytes, compressedBytes;
};

// Every call returns when its work is done. Throws std::invalid_argument for what this product
// has not, std::runtime_error with the cause for what the GPU or the library refuses.
class Matmul {
 public:
  virtual ~Matmul() = default;

  // How many values an operand has: 0 for one that this product goes without.
  virtual size_t elements(MatmulOperand operand) const = 0;
  // All of an operand, as it lies in memory, rounded to the product's type. Not D.
  virtual void write(MatmulOperand operand, const float* values) = 0;
  virtual void read(MatmulOperand operand, float* values) const = 0;

  // The sparse operand: keep the largest magnitudes; whether no group has too many nonzero values;
  // and its compression, which the product multiplies by. Compress again after changes.
  virtual void prune(MatmulPrune how) = 0;
  virtual bool pruned() const = 0;
  virtual void compress() = 0;

  // Measures the library's algorithms and keeps the fastest. A sparse operand has to be compressed
  // before, and is compressed anew.
  virtual void search() = 0;
  virtual void run() = 0;
  // Microseconds of one product, `repetitions` times, each the mean of `launches` in a row.
  virtual std::vector<double> time(int repetitions, int launches) = 0;
  virtual MatmulInfo info() const = 0;
};

}  // namespace rnm
