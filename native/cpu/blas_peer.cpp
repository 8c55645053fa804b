#include "cpu/blas_peer.h"

#include <dlfcn.h>

#include <stdexcept>

namespace rnm::cpu {
namespace {

template <typename Function>
Function symbol(void* handle, const char* name) {
  return reinterpret_cast<Function>(dlsym(handle, name));
}

// CBLAS's enumerations.
constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

}  // namespace

BlasPeer::BlasPeer(const std::string& library, const std::vector<std::string>& names) {
  std::string causes;
  for (const std::string& name : names) {
    // Never closed: its threads may still be in its code.
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* cause = dlerror();
      causes += std::string("\n  - ") + (cause ? cause : name.c_str());
      continue;
    }
    find(handle, library);
    if (cblas_ != nullptr || dnnl_ != nullptr) {
      name_ = name;
      return;
    }
    causes += "\n  - " + name + ": has no single precision matrix product";
  }
  throw std::runtime_error("No usable library:" + causes);
}

void BlasPeer::find(void* handle, const std::string& library) {
  if (library == "onednn") {
    dnnl_ = symbol<DnnlSgemm>(handle, "dnnl_sgemm");
    // oneDNN runs on OpenMP, whose number of threads is the process's.
    setThreads_ = symbol<SetThreads>(handle, "omp_set_num_threads");
    return;
  }
  cblas_ = symbol<CblasSgemm>(handle, "cblas_sgemm");
  setThreads_ = symbol<SetThreads>(handle, "openblas_set_num_threads");
}

void BlasPeer::run(const Product& p, int threads, int count) {
  if (p.m < 1 || p.n < 1 || p.k < 1) throw std::invalid_argument("Expected positive sizes");
  const auto size = [](int rows, int columns) { return static_cast<size_t>(rows) * columns; };
  a_.assign(size(p.m, p.k), 0.5f);
  b_.assign(size(p.k, p.n), 0.25f);
  c_.resize(size(p.m, p.n));
  if (setThreads_ != nullptr) setThreads_(threads);
  for (int i = 0; i < count; ++i) multiply(p);
}

void BlasPeer::multiply(const Product& p) {
  const int lda = p.transposeA ? p.m : p.k, ldb = p.transposeB ? p.k : p.n;
  if (cblas_ != nullptr) {
    cblas_(kRowMajor, p.transposeA ? kTransposed : kPlain, p.transposeB ? kTransposed : kPlain, p.m,
           p.n, p.k, 1.0f, a_.data(), lda, b_.data(), ldb, 0.0f, c_.data(), p.n);
    return;
  }
  const int status = dnnl_(p.transposeA ? 'T' : 'N', p.transposeB ? 'T' : 'N', p.m, p.n, p.k, 1.0f,
                           a_.data(), lda, b_.data(), ldb, 0.0f, c_.data(), p.n);
  if (status != 0) throw std::runtime_error("dnnl_sgemm failed with status " + std::to_string(status));
}

}  // namespace rnm::cpu
