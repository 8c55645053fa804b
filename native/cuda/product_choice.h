// Which products of sparse layers are computed sparse, and which as masked dense ones: whatever was
// measured to be faster, for each shape once on a machine, unless it is forced.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/choice_cache.h"
#include "cuda/context.h"

namespace rnm::cuda {

// What was chosen for a layer's products.
struct SparseChoice {
  int members = 1;
  // Whether those of one member, of all, and of any other number are sparse.
  bool one = false, all = false, others = false;
  SparseAlgorithm algorithm;

  bool any() const { return one || all || others; }
  bool takes(int count) const { return count == members ? all : count == 1 ? one : others; }
};

// Products that could be sparse: those of one member of an ensemble, and of all at once.
struct ProductQuestion {
  LayerChoice about;     // the layer, its pass and all of its members; the rest is filled in
  // Everything that its time depends on, but for the GPU and cuBLASLt. Not looked at if there is an obstacle.
  std::string product;
  std::string obstacle;  // why it has to be dense, empty if nothing is known
  std::string forced;    // why it has to be sparse, empty to have what is faster
  std::string remedy;    // what helps if it cannot be sparse though it has to
  // Throw std::runtime_error with the cause if it cannot be sparse, or not by this algorithm.
  std::function<MeasuredProduct()> measure;
  std::function<void(const SparseAlgorithm&)> require;
};

class ProductChooser {
 public:
  // An empty folder: choices are not kept on disk.
  ProductChooser(Context& context, std::string cacheFolder);

  // Measures if nobody has yet, which waits for the GPU and may allocate: not while a graph is recorded.
  // Throws std::runtime_error with the cause if it cannot be sparse though it has to.
  SparseChoice choose(const ProductQuestion& question);
  // It could not be done as it was chosen, and is dense.
  void withdraw(const ProductQuestion& question, const std::string& reason);

  const std::vector<LayerChoice>& report() const { return report_; }

 private:
  struct Known {
    std::optional<MeasuredProduct> measured;
    std::string failure;
    bool cached = false;
  };

  const Known& known(const ProductQuestion& question);
  std::optional<MeasuredProduct> kept(const ProductQuestion& question);
  const ChoiceCache& cache();
  void tell(const ProductQuestion& question, int count, bool sparse, const std::string& reason,
            const Known* known);
  void tellAll(const ProductQuestion& question, const SparseChoice& choice, const std::string& reason,
               const Known* known);

  Context& context_;
  std::string cacheFolder_;
  std::optional<ChoiceCache> cache_;
  std::map<std::string, Known> known_;  // by product
  std::vector<LayerChoice> report_;
};

}  // namespace rnm::cuda
