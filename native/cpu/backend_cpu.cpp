#include "cpu/backend_cpu.h"

#include <algorithm>
#include <stdexcept>

#include "core/philox.h"
#include "cpu/kernel_choice.h"
#include "cpu/matrix.h"
#include "cpu/network.h"
#include "cpu/replay.h"
#include "cpu/thread_pool.h"
#include "cpu/usable_cores.h"

namespace rnm::cpu {
namespace {

constexpr int kMaxThreads = 256;

int resolveThreads(int threads) {
  if (threads < 0 || threads > kMaxThreads) {
    throw std::invalid_argument("Expected threads to be from 0 (all cores) to 256 but received " +
                                std::to_string(threads));
  }
  return threads == 0 ? std::min(usableCores(), kMaxThreads) : threads;
}

class CpuBackend : public Backend {
 public:
  CpuBackend(int threads, const std::string& isa)
      : kernels_(chooseKernels(isa)), pool_(resolveThreads(threads)) {}

  BackendInfo info() const override {
    return {"cpu", std::string("CPU kernels ") + kernels_.name, kernels_.name, pool_.threads()};
  }
  std::shared_ptr<Matrix> matrix(int rows, int columns) override {
    if (rows < 1 || columns < 1 || columns > kMaxColumns) {
      throw std::invalid_argument("Expected a matrix to have at least 1 row and from 1 to " +
                                  std::to_string(kMaxColumns) + " columns");
    }
    return std::make_shared<CpuMatrix>(rows, columns);
  }
  std::unique_ptr<Network> network(const NetworkSpec& spec) override {
    return std::make_unique<CpuNetwork>(spec, pool_, kernels_);
  }
  std::unique_ptr<Replay> replay(int64_t capacity, int observations, int actions) override {
    return std::make_unique<CpuReplay>(capacity, observations, actions, pool_, kernels_);
  }

  void fill(const MatrixView& target, float value) override {
    const TileView view = tileView(target, "target");
    forEachColumn(view, [&](int tile, int column) {
      std::fill_n(view.column(tile, column), kTile, value);
    });
  }

  void fillNormal(const MatrixView& target, uint64_t seed, uint64_t stream) override {
    const TileView view = tileView(target, "target");
    pool_.run(view.tiles, [&](int tile, int) {
      for (int c = 0; c < view.columns; ++c) drawNormals(seed, stream, tile, c, view.column(tile, c));
    });
  }

  void normalize(const MatrixView& values, const MatrixView& statistics) override {
    const TileView x = tileView(values, "values");
    const TileView s = tileView(statistics, "statistics", 2, x.columns);
    pool_.run(x.tiles, [&](int tile, int) {
      for (int c = 0; c < x.columns; ++c) {
        const float* rows = s.column(0, c);
        float* column = x.column(tile, c);
        kernels_.normalize(column, rows[0], rows[1]);
        // Padding that no new batch overwrites would grow from call to call, until 0 times it is NaN.
        std::fill(column + x.lanes(tile), column + kTile, 0.0f);
      }
    });
  }

  void smooth(const MatrixView& action, const MatrixView& noise, const std::vector<float>& low,
              const std::vector<float>& high, float noiseScale, float noiseClip) override {
    const TileView a = tileView(action, "action");
    const TileView n = tileView(noise, "noise", a.rows, a.columns);
    requireLimits(low, high, a.columns);
    forEachColumn(a, [&](int tile, int c) {
      kernels_.smooth(a.column(tile, c), n.column(tile, c), {low[c], high[c], noiseScale, noiseClip});
    });
  }

  void smoothNormal(const MatrixView& action, uint64_t seed, uint64_t stream,
                    const std::vector<float>& low, const std::vector<float>& high, float noiseScale,
                    float noiseClip) override {
    const TileView a = tileView(action, "action");
    requireLimits(low, high, a.columns);
    pool_.run(a.tiles, [&](int tile, int) {
      alignas(kAlignment) float noise[kTile];  // as columns of views are
      for (int c = 0; c < a.columns; ++c) {
        drawNormals(seed, stream, tile, c, noise);
        kernels_.smooth(a.column(tile, c), noise, {low[c], high[c], noiseScale, noiseClip});
      }
    });
  }

  void tdTarget(const MatrixView& reward, const MatrixView& discount, const MatrixView& q,
                const MatrixView& target) override {
    const TileView value = tileView(q, "q");
    const TileView r = tileView(reward, "reward", value.rows, 1);
    const TileView factor = tileView(discount, "discount", value.rows, 1);
    const TileView y = tileView(target, "target", value.rows, 1);
    forEachColumn(y, [&](int tile, int) {
      kernels_.tdTarget(
          {r.tile(tile), factor.tile(tile), value.tile(tile), value.columns, y.tile(tile)});
    });
  }

  void mseGradient(const MatrixView& q, const MatrixView& target,
                   const MatrixView& gradient) override {
    const TileView value = tileView(q, "q");
    const TileView y = tileView(target, "target", value.rows, 1);
    const TileView g = tileView(gradient, "gradient", value.rows, value.columns);
    const float scale = 2.0f / static_cast<float>(value.rows);
    forEachColumn(g, [&](int tile, int e) {
      kernels_.mseGradient(value.column(tile, e), y.tile(tile), scale, g.column(tile, e));
    });
  }

  void tdGradient(const TdBatch& batch, const MatrixView& target,
                  const MatrixView& gradient) override {
    // All that may be wrong is found before anything is written.
    const TileView next = tileView(batch.nextQ, "nextQ");
    const TileView value = tileView(batch.q, "q", next.rows, batch.q.columns);
    tileView(gradient, "gradient", value.rows, value.columns);
    tdTarget(batch.reward, batch.discount, batch.nextQ, target);
    mseGradient(batch.q, target, gradient);
  }

 private:
  // These matrices are a few columns wide: one thread is done before others would have woken.
  template <typename Action>
  static void forEachColumn(const TileView& view, const Action& action) {
    for (int tile = 0; tile < view.tiles; ++tile) {
      for (int column = 0; column < view.columns; ++column) action(tile, column);
    }
  }

  // The normals of a column of a tile, of which neighbouring samples share a block of random bits.
  void drawNormals(uint64_t seed, uint64_t stream, int tile, int column, float* normals) const {
    constexpr uint64_t kBlocks = kTile / 4;
    Philox4 bits[kBlocks];
    for (uint64_t i = 0; i < kBlocks; ++i) {
      bits[i] = philox(seed, stream, (static_cast<uint64_t>(column) << 32) + tile * kBlocks + i);
    }
    kernels_.normals(bits[0].value, normals);
  }

  const KernelTable& kernels_;
  ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads, const std::string& isa) {
  return std::make_unique<CpuBackend>(threads, isa);
}

}  // namespace rnm::cpu
