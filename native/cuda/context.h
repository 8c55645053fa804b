// One GPU, its main stream and one beside it, and what every call on it shares: errors, memory whose
// release has to wait, room for intermediate results, and the state of a graph being recorded.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device_buffer.h"
#include "cuda/scalar.h"

namespace rnm::cuda {

// What to do where the GPU has too little memory.
inline constexpr const char* kUseLessMemory =
    "use a smaller batchSize, hiddenSizes or bufferSize";

class Blas;
class Graph;
class SparseBlas;
class ProductChooser;

// The arithmetic of matrix products; everything else is float32 under each of them.
//   fp32  float32 throughout
//   tf32  float32 in memory, factors rounded to 10 bits of mantissa within the tensor cores
//   bf16  weights, activations and their gradients are held as bfloat16 for the products
enum class Precision { fp32, tf32, bf16 };

// Which layers the tensor cores take as sparse: those that are faster so, all whose pattern fits, or
// none.
enum class SparseUse { automatic, always, never };

// How data gradients multiply with W's transpose, where tensor cores take layers as sparse:
//   dense         with the masked dense weights
//   transposable  as sparse, where masks are transposable: the same but for rounding
//   doublePruned  as sparse, without what makes the transpose of the masked weights not 2:4 or 1:2
enum class DataGradient { dense, transposable, doublePruned };

// How weight gradients of sparse layers are computed, where active weights alone learn: as is faster, all of
// them as dense products, or at the active weights alone.
enum class WeightGradient { automatic, dense, sampled };

struct Ways {
  Precision precision;
  SparseUse sparseUse;
  DataGradient dataGradient;
  WeightGradient weightGradient;
};

class Context {
 public:
  // Throws std::runtime_error unless CUDA is usable on this machine. The folder is for what is kept
  // from process to process; empty for none.
  Context(const Ways& ways, std::string cacheFolder);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Where calls are enqueued: the main stream, or the one of a branch.
  cudaStream_t stream() const { return beside_ ? side_ : main_; }
  Precision precision() const { return ways_.precision; }
  // The GPU and the driver, one line.
  const std::string& description() const { return description_; }
  const std::string& architecture() const { return architecture_; }
  Blas& blas() { return *blas_; }
  SparseUse sparseUse() const { return ways_.sparseUse; }
  DataGradient dataGradient() const { return ways_.dataGradient; }
  WeightGradient weightGradient() const { return ways_.weightGradient; }
  bool prunesTransposes() const {
    return dataGradient() == DataGradient::doublePruned && precision() != Precision::fp32;
  }
  // Throws std::runtime_error with the cause if cuSPARSELt cannot be used.
  SparseBlas& sparseBlas();
  // Whether it can, and if not why.
  bool hasSparseBlas();
  const std::string& sparseProblem() const { return sparseProblem_; }
  ProductChooser& chooser() { return *chooser_; }
  const ProductChooser& chooser() const { return *chooser_; }

  // Waits for all that was enqueued. Not within a graph, which has nothing to wait for.
  void synchronize(const char* attempt);
  void requireNoGraph(const char* what) const;
  void requireNoBranch(const char* what) const;

  // Device memory; release() may be called while work that uses it is still enqueued.
  void* allocate(size_t bytes, bool zeroed = true);
  void release(void* memory) noexcept;
  void release(PinnedBuffer memory) noexcept;
  // Uninitialised device memory that the next call with the same slot may overwrite or move, but for
  // calls of a branch, which have their own.
  enum class Scratch { input, hidden, otherHidden, output, inputGradient, partialSums, blas, count };
  void* scratch(Scratch slot, size_t bytes);

  // Small host-device copies through pinned memory; upload returns at once, download waits.
  void upload(void* target, size_t pitch, const void* source, size_t rowBytes, size_t rows);
  void download(void* target, const void* source, size_t pitch, size_t rowBytes, size_t rows) const;

  // ---- branches: see branch.h
  // False if there is one.
  bool openBranch();
  void enterBranch();
  void leaveBranch();
  void joinBranch();
  void abandonBranch() noexcept;

  // ---- graphs: see graph.h
  // Work is not to be enqueued: it is already in the graph whose numbers are being brought up to
  // date.
  bool inGraph() const { return graph_ != nullptr; }
  bool refreshing() const { return graph_ != nullptr && refreshing_; }
  bool capturing() const { return graph_ != nullptr && !refreshing_; }
  void begin(Graph& graph, bool refresh);
  void end();
  template <typename T>
  Scalar<T> scalar(T value);
  // What a call consists of, beside its scalars.
  void recordCall(const void* bytes, size_t count);
  // Counts the times that memory which a graph may use was moved.
  uint64_t epoch() const { return epoch_; }
  void memoryMoved() { ++epoch_; }

 private:
  struct Buffer {
    void* memory = nullptr;
    size_t bytes = 0;
  };
  void* staging() const;
  void freeDeferred() noexcept;
  void waitForStreams() noexcept;
  enum class Step : uint8_t { enter, leave, join };
  void recordStep(Step step) { recordCall(&step, sizeof step); }

  Ways ways_;
  std::string sparseProblem_;
  std::string description_, architecture_;
  cudaStream_t main_ = nullptr, side_ = nullptr;
  cudaEvent_t forked_ = nullptr, joined_ = nullptr;
  cudaEvent_t staged_ = nullptr;  // the last upload has left the pinned memory
  mutable PinnedBuffer staging_;
  Buffer scratch_[2][static_cast<int>(Scratch::count)];  // of the main stream and a branch
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<SparseBlas> sparseBlas_;
  std::unique_ptr<ProductChooser> chooser_;
  // Whether there is a branch, whether calls are its own, and whether there have been such.
  bool branching_ = false, beside_ = false, branched_ = false;
  Graph* graph_ = nullptr;
  bool refreshing_ = false;
  uint64_t epoch_ = 0;
  // To be freed when no graph is being recorded.
  std::vector<void*> deferred_;
  std::vector<PinnedBuffer> deferredPinned_;
};

}  // namespace rnm::cuda
