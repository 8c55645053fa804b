// Matrix products of other people's libraries, for comparison. They are looked for at run time and
// never required: nothing links against them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rnm::cpu {

// C[m, n] = op(A) op(B), all row-major float32; op(A) is [m, k], op(B) is [k, n].
struct Product {
  int m, n, k;
  bool transposeA, transposeB;
};

class BlasPeer {
 public:
  // Opens the first of these libraries that there is; library is "openblas" (any library with
  // cblas_sgemm) or "onednn". Throws std::runtime_error with every cause if none can be used.
  BlasPeer(const std::string& library, const std::vector<std::string>& names);

  // The name under which it was found.
  const std::string& name() const { return name_; }

  // Computes the product of constant matrices `count` times on so many threads.
  void run(const Product& product, int threads, int count);

 private:
  using CblasSgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*,
                              int, float, float*, int);
  using DnnlSgemm = int (*)(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t,
                            const float*, int64_t, float, float*, int64_t);
  using SetThreads = void (*)(int);

  void find(void* handle, const std::string& library);
  void multiply(const Product& product);

  std::string name_;
  CblasSgemm cblas_ = nullptr;
  DnnlSgemm dnnl_ = nullptr;
  SetThreads setThreads_ = nullptr;
  std::vector<float> a_, b_, c_;
};

}  // namespace rnm::cpu
