#include "core/swaps.h"

#include <algorithm>

namespace rnm {

std::vector<uint8_t> chooseSwaps(const float* keys, size_t size, double fraction) {
  std::vector<uint32_t> units;
  for (size_t u = 0; u < size; ++u) {
    if (keys[u] != kNoUnit) units.push_back(static_cast<uint32_t>(u));
  }
  const double wanted = std::floor(fraction * static_cast<double>(units.size()) + 0.5);
  const auto count = static_cast<std::ptrdiff_t>(std::min(wanted, static_cast<double>(units.size())));
  const auto isBefore = [keys](uint32_t a, uint32_t b) {
    return keys[a] < keys[b] || (keys[a] == keys[b] && a < b);
  };
  std::vector<uint8_t> chosen(size, 0);
  if (count > 0) std::nth_element(units.begin(), units.begin() + (count - 1), units.end(), isBefore);
  for (std::ptrdiff_t k = 0; k < count; ++k) chosen[units[k]] = 1;
  return chosen;
}

}  // namespace rnm
