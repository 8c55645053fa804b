#include "cuda/backend_cuda.h"

#include <stdexcept>

#include "cuda/branch.h"
#include "cuda/context.h"
#include "cuda/graph.h"
#include "cuda/kernels.h"
#include "cuda/libraries.h"
#include "cuda/matrix.h"
#include "cuda/network.h"
#include "cuda/product_choice.h"
#include "cuda/replay.h"

namespace rnm::cuda {
namespace {

Precision precisionNamed(const std::string& name) {
  if (name == "fp32") return Precision::fp32;
  if (name == "tf32") return Precision::tf32;
  if (name == "bf16") return Precision::bf16;
  throw std::invalid_argument("Expected the precision to be fp32, tf32 or bf16");
}

SparseUse sparseUseNamed(const std::string& name) {
  if (name == "auto") return SparseUse::automatic;
  if (name == "always") return SparseUse::always;
  if (name == "never") return SparseUse::never;
  throw std::invalid_argument("Expected sparse to be auto, always or never");
}

DataGradient dataGradientNamed(const std::string& name) {
  if (name == "dense") return DataGradient::dense;
  if (name == "transposable") return DataGradient::transposable;
  if (name == "double-pruned") return DataGradient::doublePruned;
  throw std::invalid_argument("Expected dataGradient to be dense, transposable or double-pruned");
}

WeightGradient weightGradientNamed(const std::string& name) {
  if (name == "auto") return WeightGradient::automatic;
  if (name == "dense") return WeightGradient::dense;
  if (name == "sampled") return WeightGradient::sampled;
  throw std::invalid_argument("Expected weightGradient to be auto, dense or sampled");
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : context_({precisionNamed(options.precision), sparseUseNamed(options.sparse),
                  dataGradientNamed(options.dataGradient),
                  weightGradientNamed(options.weightGradient)},
                 options.cacheFolder) {}

  BackendInfo info() const override {
    const std::string blas = ", cuBLASLt " + cublasLt().version();
    return {kName, context_.description() + blas, context_.architecture(), 1};
  }
  std::vector<LayerChoice> sparseChoices() const override {
    return context_.chooser().report();
  }
  std::shared_ptr<Matrix> matrix(int rows, int columns) override {
    if (rows < 1 || columns < 1) {
      throw std::invalid_argument("Expected a matrix's rows and columns to be positive integers");
    }
    return std::make_shared<CudaMatrix>(context_, rows, columns);
  }
  std::unique_ptr<Network> network(const NetworkSpec& spec) override {
    return std::make_unique<CudaNetwork>(spec, context_);
  }
  std::unique_ptr<Replay> replay(int64_t capacity, int observations, int actions) override {
    return std::make_unique<CudaReplay>(context_, capacity, observations, actions);
  }
  std::unique_ptr<rnm::Graph> graph() override { return std::make_unique<Graph>(context_); }
  void requireReleasable(const char* what) const override {
    const std::string release = std::string("the release of ") + what;
    context_.requireNoGraph(release.c_str());
    context_.requireNoBranch(release.c_str());
  }
  void together(const std::function<void()>& first, const std::function<void()>& second) override {
    Branch branch(context_);
    branch.run(first);
    second();
    branch.join();
  }

  void fill(const MatrixView& target, float value) override {
    cuda::fill(context_, deviceView(target, "target"), value);
  }
  void fillNormal(const MatrixView& target, uint64_t seed, uint64_t stream) override {
    cuda::fillNormal(context_, deviceView(target, "target"), context_.scalar(seed),
                     context_.scalar(stream));
  }
  void normalize(const MatrixView& values, const MatrixView& statistics) override {
    const DeviceView x = deviceView(values, "values");
    cuda::normalize(context_, x, deviceView(statistics, "statistics", 2, x.columns));
  }
  void smooth(const MatrixView& action, const MatrixView& noise, const std::vector<float>& low,
              const std::vector<float>& high, float noiseScale, float noiseClip) override {
    const DeviceView a = deviceView(action, "action");
    requireLimits(low, high, a.columns);
    const DeviceView n = deviceView(noise, "noise", a.rows, a.columns);
    cuda::smooth(context_, a, n, low, high, {noiseScale, noiseClip});
  }
  void smoothNormal(const MatrixView& action, uint64_t seed, uint64_t stream,
                    const std::vector<float>& low, const std::vector<float>& high, float noiseScale,
                    float noiseClip) override {
    const DeviceView a = deviceView(action, "action");
    requireLimits(low, high, a.columns);
    cuda::smoothNormal(context_, a, context_.scalar(seed), context_.scalar(stream), low, high,
                       {noiseScale, noiseClip});
  }
  void tdTarget(const MatrixView& reward, const MatrixView& discount, const MatrixView& q,
                const MatrixView& target) override {
    const DeviceView value = deviceView(q, "q");
    const DeviceView r = deviceView(reward, "reward", value.rows, 1);
    const DeviceView factor = deviceView(discount, "discount", value.rows, 1);
    const DeviceView y = deviceView(target, "target", value.rows, 1);
    cuda::tdTarget(context_, {r, factor, value}, y);
  }
  void mseGradient(const MatrixView& q, const MatrixView& target,
                   const MatrixView& gradient) override {
    const DeviceView value = deviceView(q, "q");
    const DeviceView y = deviceView(target, "target", value.rows, 1);
    const DeviceView g = deviceView(gradient, "gradient", value.rows, value.columns);
    cuda::mseGradient(context_, value, y, g);
  }
  void tdGradient(const TdBatch& batch, const MatrixView& target,
                  const MatrixView& gradient) override {
    const DeviceView next = deviceView(batch.nextQ, "nextQ");
    const DeviceView r = deviceView(batch.reward, "reward", next.rows, 1);
    const DeviceView factor = deviceView(batch.discount, "discount", next.rows, 1);
    const DeviceView q = deviceView(batch.q, "q", next.rows, batch.q.columns);
    const DeviceView y = deviceView(target, "target", next.rows, 1);
    const DeviceView g = deviceView(gradient, "gradient", next.rows, q.columns);
    cuda::tdGradient(context_, {r, factor, next}, y, q, g);
  }

  void polyak(const std::vector<TargetPair>& pairs, float tau) override {
    requireApart(pairs);
    std::vector<Average> averages;
    for (const TargetPair& pair : pairs) {
      const auto* target = dynamic_cast<const CudaNetwork*>(pair.target);
      if (!target || !target->isOf(context_)) {
        throw std::invalid_argument("Expected target to be a network of this device");
      }
      averages.push_back(target->averageOf(*pair.source));
    }
    cuda::polyak(context_, averages, tau);
    for (const TargetPair& pair : pairs) dynamic_cast<const CudaNetwork&>(*pair.target).averaged();
  }

 private:
#if defined(RNM_CUDA_EMULATED)
  static constexpr const char* kName = "cuda-emulated";
#else
  static constexpr const char* kName = "cuda";
#endif
  Context context_;
};

}  // namespace

std::unique_ptr<Backend> makeCudaBackend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace rnm::cuda
