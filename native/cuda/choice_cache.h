// What was measured for products, kept on disk so that the next process need not measure again, and
// chooses the same: one small text file for each machine and product.
#pragma once

#include <optional>
#include <string>

#include "cuda/sparse_blas.h"

namespace rnm::cuda {

// Microseconds that a number of products of one shape took: as one batch of dense ones, and as
// sparse ones, one after the other.
struct ProductTimes {
  double dense = 0, sparse = 0;
};

// The sparse products' algorithm, and the times of one product and of all members' of an ensemble.
struct MeasuredProduct {
  SparseAlgorithm algorithm;
  ProductTimes one, all;
};

class ChoiceCache {
 public:
  // `machine`: GPU, driver and libraries, one line. An empty folder is for none.
  ChoiceCache(std::string folder, std::string machine);

  // What was measured on this machine; nothing if there is no whole file of it.
  std::optional<MeasuredProduct> find(const std::string& product) const;
  // Writes it, unless another process was faster. Returns what is there from now on, which is what
  // was given if nothing can be written.
  MeasuredProduct keep(const std::string& product, const MeasuredProduct& measured) const;
  // Removes it.
  void forget(const std::string& product) const;

 private:
  std::string fileOf(const std::string& product) const;
  std::string folder_, machine_;
};

}  // namespace rnm::cuda
