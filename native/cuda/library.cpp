#include "cuda/library.h"

#include <cstdlib>
#include <sstream>
#include <stdexcept>

#if defined(RNM_CUDA_EMULATED)
#include "emulator/library.h"
#else
#include <dlfcn.h>
#include <glob.h>
#include <unistd.h>
#endif

namespace rnm::cuda {
namespace {

#if defined(RNM_CUDA_EMULATED)

void* openLibrary(const char* file) { return rnmEmulatorOpenLibrary(file); }
void* findSymbol(void* library, const char* name) { return rnmEmulatorSymbol(library, name); }
const char* lastError() { return rnmEmulatorLibraryError(); }
std::vector<std::string> foldersMatching(const std::string&) { return {}; }

#else

void* openLibrary(const char* file) { return dlopen(file, RTLD_NOW | RTLD_LOCAL); }
void* findSymbol(void* library, const char* name) { return dlsym(library, name); }
const char* lastError() { return dlerror(); }

std::vector<std::string> foldersMatching(const std::string& pattern) {
  std::vector<std::string> folders;
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    folders.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return folders;
}

#endif

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Prefixes under which Python keeps its packages.
std::vector<std::string> pythonPrefixes() {
  std::vector<std::string> prefixes = {"/usr/local", "/usr"};
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string prefix = environment(name); !prefix.empty()) {
      prefixes.insert(prefixes.begin(), prefix);
    }
  }
  if (const std::string home = environment("HOME"); !home.empty()) {
    prefixes.push_back(home + "/.local");
    prefixes.push_back(home + "/.pyenv/versions/*");
  }
  return prefixes;
}

}  // namespace

std::vector<std::string> libraryFolders() {
  std::vector<std::string> patterns;
  std::istringstream hints(environment("RNM_CUDA_HINTS"));
  for (std::string hint; std::getline(hints, hint, ':');) {
    for (const char* suffix : {"", "/lib64", "/lib", "/*/lib"}) patterns.push_back(hint + suffix);
  }
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string home = environment(name); !home.empty()) {
      patterns.push_back(home + "/lib64");
    }
  }
  patterns.insert(patterns.end(), {"/usr/local/cuda/lib64", "/usr/lib/*-linux-gnu/libcusparseLt/*"});
  for (const std::string& prefix : pythonPrefixes()) {
    patterns.push_back(prefix + "/lib/python3*/*-packages/nvidia/*/lib");
  }
  std::vector<std::string> folders;
  for (const std::string& pattern : patterns) {
    for (std::string& folder : foldersMatching(pattern)) folders.push_back(std::move(folder));
  }
  return folders;
}

DynamicLibrary::DynamicLibrary(const std::vector<std::string>& names) {
  std::string causes;
  const auto attempt = [&](const std::string& file) {
    handle_ = openLibrary(file.c_str());
    if (handle_) {
      path_ = file;
      return true;
    }
    const char* cause = lastError();
    causes += std::string("\n  - ") + (cause ? cause : file.c_str());
    return false;
  };
  for (const std::string& name : names) {
    if (attempt(name)) return;
  }
  for (const std::string& folder : libraryFolders()) {
    for (const std::string& name : names) {
      const std::string file = folder + "/" + name;
#if !defined(RNM_CUDA_EMULATED)
      if (access(file.c_str(), F_OK) != 0) continue;
#endif
      if (attempt(file)) return;
    }
  }
  throw std::runtime_error("not found:" + causes);
}

void* DynamicLibrary::find(const char* symbol) const { return findSymbol(handle_, symbol); }

}  // namespace rnm::cuda
