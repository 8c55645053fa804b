// Which sparse layers cuSPARSELt multiplies, and which cuBLASLt with masked dense weights: under
// `automatic` whatever was measured to be faster, for each shape once on a machine.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/choice_cache.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {

// Ends the message of an error that a device without sparse products does not have.
inline constexpr const char* kWithoutSparse =
    ". What helps: sparse \"never\" in the device's options, or --sparse never on the command line, "
    "computes the same without cuSPARSELt";

// What was chosen for a layer.
struct SparseChoice {
  int members = 1;
  // Whether passes of one member, of all, and of any other number go through cuSPARSELt.
  bool one = false, all = false, others = false;
  SparseAlgorithm algorithm;

  bool any() const { return one || all || others; }
  bool takes(int count) const { return count == members ? all : count == 1 ? one : others; }
};

class SparseChooser {
 public:
  // A layer with the products that it needs; `shape.bias` only says whether there is one, which a
  // forward pass has and a data gradient, whose shape is that of W's transpose, has not.
  struct Layer {
    NmPattern pattern;
    bool fits;  // tensor cores have a way for the masks that the products read
    SparseProduct::Shape shape;
    int depth;  // of the dense product: its inputs, or with what pads them
    int members;
  };

  // An empty folder: choices are not kept on disk.
  SparseChooser(Context& context, std::string cacheFolder);

  // Measures if nobody has yet, which waits for the GPU and allocates: not while a graph is recorded.
  // `obstacle` is why the layer has to be dense, empty if nothing is known. Throws
  // std::runtime_error with the cause if cuSPARSELt fails where it has to be used.
  SparseChoice choose(const Layer& layer, const std::string& obstacle);
  // The layer could not be planned as it was chosen, and is dense.
  void withdraw(const Layer& layer, const std::string& reason);

  const std::vector<LayerChoice>& report() const { return report_; }

 private:
  struct Known {
    std::optional<MeasuredProduct> measured;
    std::string failure;
    bool cached = false;
  };

  std::string whyDense(const Layer& layer, const std::string& obstacle);
  const Known& known(const Layer& layer);
  std::optional<MeasuredProduct> kept(const Layer& layer, const std::string& product);
  const ChoiceCache& cache();
  void tell(const Layer& layer, int count, bool sparse, const std::string& reason,
            const Known* known);
  void tellAll(const Layer& layer, const SparseChoice& choice, const std::string& reason,
               const Known* known);

  Context& context_;
  std::string cacheFolder_;
  std::optional<ChoiceCache> cache_;
  std::map<std::string, Known> known_;  // by product
  std::vector<LayerChoice> report_;
};

}  // namespace rnm::cuda
