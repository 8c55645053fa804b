#include "cpu/matrix.h"

#include <stdexcept>
#include <string>

namespace rnm::cpu {

TileView tileView(const MatrixView& view, const char* name) {
  auto* matrix = dynamic_cast<CpuMatrix*>(view.matrix.get());
  if (!matrix) throw std::invalid_argument(std::string("Expected ") + name + " to be a matrix of this device");
  if (view.first < 0 || view.columns < 1 || view.columns > matrix->columns() - view.first) {
    throw std::invalid_argument(std::string("Expected ") + name + " to lie within its matrix of " +
                                std::to_string(matrix->columns()) + " columns but received columns " +
                                std::to_string(view.first) + " to " +
                                std::to_string(view.first + view.columns - 1));
  }
  return {matrix->tile(0, view.first), matrix->tileStride(), matrix->rows(),
          tilesOf(matrix->rows()), view.columns};
}

TileView tileView(const MatrixView& view, const char* name, int rows, int columns) {
  const TileView result = tileView(view, name);
  if (result.rows != rows || result.columns != columns) {
    throw std::invalid_argument(std::string("Expected ") + name + " to have shape [" +
                                std::to_string(rows) + ", " + std::to_string(columns) +
                                "] but received [" + std::to_string(result.rows) + ", " +
                                std::to_string(result.columns) + "]");
  }
  return result;
}

}  // namespace rnm::cpu
