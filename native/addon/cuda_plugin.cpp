#include "addon/cuda_plugin.h"

#include <dlfcn.h>

#include <cstring>
#include <filesystem>
#include <stdexcept>

// CMake alone builds plugins, and says which contract they and the addon were built against.
#if !defined(RNM_CONTRACT)
#define RNM_CONTRACT "none"
#endif

namespace rnm::addon {
namespace {

constexpr const char* kRebuild =
    "Build again: `npm rebuild rnm-td3` (in a clone: `npm run install`)";

std::filesystem::path folderOfAddon() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&cudaPlugin), &info) == 0 || !info.dli_fname) {
    throw std::runtime_error("The addon's own folder could not be found");
  }
  return std::filesystem::absolute(info.dli_fname).parent_path();
}

const CudaPlugin& open(const std::filesystem::path& file, const char* missing) {
  if (!std::filesystem::exists(file)) {
    throw std::runtime_error("There is no " + file.filename().string() + " in " +
                             file.parent_path().string() + ": " + missing);
  }
  // Never closed: the CUDA runtime lives in it until the process ends.
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* cause = handle ? nullptr : dlerror();
  if (!handle) throw std::runtime_error(std::string(cause ? cause : file.c_str()));
  const auto entry = reinterpret_cast<RnmCudaPluginEntry>(dlsym(handle, "rnmCudaPlugin"));
  if (!entry || std::strcmp(entry()->contract, RNM_CONTRACT) != 0) {
    throw std::runtime_error(file.string() + " is of another build than the addon. " + kRebuild);
  }
  return *entry();
}

}  // namespace

const CudaPlugin& cudaPlugin(bool emulated) {
  if (emulated) {
    return open(folderOfAddon() / "rnm_cuda_emulated.so",
                "it is for tests, and built in a clone by `npm run build:emulated`");
  }
  return open(folderOfAddon() / "rnm_cuda.so",
              "nvcc or a header was not found when the addon was built. Install the CUDA toolkit and "
              "`pip install nvidia-cusparselt-cu13 nvidia-cublas nvidia-cusparse`, then build "
              "again: `npm rebuild rnm-td3` (in a clone: `npm run install`)");
}

}  // namespace rnm::addon
