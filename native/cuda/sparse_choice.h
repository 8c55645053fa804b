// Which sparse layers cuSPARSELt multiplies, and which cuBLASLt with masked dense weights: the question
// that ProductChooser answers.
#pragma once

#include <string>

#include "cuda/product_choice.h"
#include "cuda/sparse_blas.h"

namespace rnm::cuda {

// Ends the message of an error that a device without sparse products does not have.
inline constexpr const char* kWithoutSparse =
    ". What helps: sparse \"never\" in the device's options, or --sparse never on the command line, "
    "computes the same without cuSPARSELt";

// A layer with the products that it needs; `shape.bias` only says whether there is one, which a
// forward pass has and a data gradient, whose shape is that of W's transpose, has not.
struct SparseCandidate {
  NmPattern pattern;
  bool fits;  // tensor cores have a way for the masks that the products read
  SparseProduct::Shape shape;
  int depth;  // of the dense product: its inputs, or with what pads them
  int members;
};

// `obstacle` is why the layer has to be dense, empty if nothing is known.
ProductQuestion sparseQuestion(Context& context, const SparseCandidate& candidate,
                               const std::string& obstacle);

// "bf16"
const char* nameOf(Precision precision);

// "cuSPARSELt 0.8.1": what the time of its products depends on. Only where it can be used.
std::string sparseLibrary();

}  // namespace rnm::cuda
