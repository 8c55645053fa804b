#include "cuda/matrix.h"

#include <stdexcept>
#include <string>

namespace rnm::cuda {

DeviceView deviceView(const MatrixView& view, const char* name) {
  auto* matrix = dynamic_cast<CudaMatrix*>(view.matrix.get());
  if (!matrix) {
    throw std::invalid_argument(std::string("Expected ") + name + " to be a matrix of this device");
  }
  checkView(view, name);
  return matrix->view(view.first, view.columns);
}

DeviceView deviceView(const MatrixView& view, const char* name, int rows, int columns) {
  const DeviceView result = deviceView(view, name);
  checkShape(name, result.rows, result.columns, rows, columns);
  return result;
}

}  // namespace rnm::cuda
