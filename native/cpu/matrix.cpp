#include "cpu/matrix.h"

#include <stdexcept>
#include <string>

namespace rnm::cpu {

TileView tileView(const MatrixView& view, const char* name) {
  auto* matrix = dynamic_cast<CpuMatrix*>(view.matrix.get());
  if (!matrix) throw std::invalid_argument(std::string("Expected ") + name + " to be a matrix of this device");
  checkView(view, name);
  return {matrix->tile(0, view.first), matrix->tileStride(), matrix->rows(),
          tilesOf(matrix->rows()), view.columns};
}

TileView tileView(const MatrixView& view, const char* name, int rows, int columns) {
  const TileView result = tileView(view, name);
  checkShape(name, result.rows, result.columns, rows, columns);
  return result;
}

}  // namespace rnm::cpu
