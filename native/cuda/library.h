// Libraries that are looked for at run time: nothing links against them, so that the plugin loads
// without them and can say what is missing.
#pragma once

#include <string>
#include <vector>

namespace rnm::cuda {

class DynamicLibrary {
 public:
  // Opens the first of these file names that can be found: where the system looks, then in the
  // folders of `libraryFolders()`. Throws std::runtime_error with every cause if none can.
  explicit DynamicLibrary(const std::vector<std::string>& names);

  // Null if the library has no such function.
  void* find(const char* symbol) const;
  // The file as it was opened.
  const std::string& path() const { return path_; }

 private:
  // Never closed: a library may have threads and exit handlers in its code.
  void* handle_ = nullptr;
  std::string path_;
};

// Folders in which CUDA's libraries often lie: those of RNM_CUDA_HINTS, of the toolkit, and of
// Python's packages.
std::vector<std::string> libraryFolders();

}  // namespace rnm::cuda
