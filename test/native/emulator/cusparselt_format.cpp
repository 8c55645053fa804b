#include "cusparselt_format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace rnm::emulator {
namespace {

// A block has eight groups: their values, four bytes of positions, twelve of filling.
constexpr int kBlockGroups = 8, kPositionBytes = 4, kFillingBytes = 12;
constexpr size_t kHeaderBytes = 64;
constexpr uint32_t kMark = 0x4c544e4d;

struct Header {
  uint32_t mark, algorithm, type, reserved;
  int64_t rows, k;
  bool operator==(const Header&) const = default;
};

Header headerOf(const SparseShape& s) {
  return {kMark, s.algorithm, static_cast<uint32_t>(s.type), 0, s.rows, s.k};
}

int64_t groups(const SparseShape& s) { return s.rows * (s.k / s.group()); }
size_t valueBytes(const SparseShape& s) { return kBlockGroups * s.kept() * sizeOf(s.type); }
size_t blockBytes(const SparseShape& s) { return valueBytes(s) + kPositionBytes + kFillingBytes; }
int64_t blocks(const SparseShape& s) { return (groups(s) + kBlockGroups - 1) / kBlockGroups; }

bool isFormat(const char* name) {
  const char* const format = std::getenv("RNM_EMULATOR_FORMAT");
  return format && std::strcmp(format, name) == 0;
}

bool gaps() {
  static const bool it = isFormat("gaps");
  return it;
}

// In the place of a group without values, where no code of a position is negative, and for its positions, which no
// group has.
constexpr float kGap = -7.0f;
constexpr int kGapNibble = 15;

bool isGap(const SparseShape& s, const float* group) {
  return gaps() && std::all_of(group, group + s.group(), [](float value) { return value == 0; });
}

// Where the groups of a matrix go: one step of a linear congruence, so that neighbours part.
class Order {
 public:
  explicit Order(const SparseShape& s) : count_(groups(s)), shift_(s.algorithm * 7 + 3) {
    step_ = static_cast<int64_t>(count_ * 0.381966) + 2 * s.algorithm + 1;
    while (std::gcd(step_, count_) != 1) ++step_;
  }
  int64_t operator()(int64_t group) const {
    return straight() ? group : (group % count_ * (step_ % count_) + shift_) % count_;
  }

 private:
  int64_t count_, shift_, step_;
};

// Of float32, of which tensor cores read the upper 19 bits.
constexpr uint32_t kIgnoredBits = 0x1fff, kHalfUnit = 0x1000;

bool rounds(const SparseShape& s) {
  static const char* const kind = std::getenv("RNM_EMULATOR_TF32");
  return s.type == CUDA_R_32F && !(kind && std::strcmp(kind, "unrounded") == 0);
}

// The kept values of a group lie side by side, as in the real formats seen so far, but with one algorithm.
int64_t valueIndex(const SparseShape& s, int64_t slot, int i) {
  return s.algorithm % 4 == 2 && !straight() ? i * kBlockGroups + slot : slot * s.kept() + i;
}

// Where in a buffer the header, and a block's values and positions are.
size_t headerAt(const SparseShape& s) { return straight() ? blocks(s) * blockBytes(s) : 0; }
size_t valuesAt(const SparseShape& s, int64_t block) {
  return straight() ? block * valueBytes(s) : kHeaderBytes + block * blockBytes(s);
}
size_t positionsAt(const SparseShape& s, int64_t block) {
  return straight() ? blocks(s) * valueBytes(s) + block * (kPositionBytes + kFillingBytes)
                    : valuesAt(s, block) + valueBytes(s);
}

// Which entries of a group are kept. Zeros fill up a group with too few others: which of them is
// the library's secret, and differs between algorithms.
std::string chooseKept(const SparseShape& s, const float* group, std::array<int, 2>* kept) {
  int found = 0;
  for (int i = 0; i < s.group(); ++i) {
    if (group[i] == 0) continue;
    if (found == s.kept()) return "it has more nonzero values in a group than the format can hold";
    (*kept)[found++] = i;
  }
  for (int i = 0; found < s.kept(); ++i) {
    const int candidate = s.algorithm % 2 ? i : s.group() - 1 - i;
    if (found == 0 || (*kept)[0] != candidate) (*kept)[found++] = candidate;
  }
  const bool descending = s.algorithm % 3 == 1 && !straight();
  if (s.kept() == 2 && ((*kept)[0] > (*kept)[1]) != descending) std::swap((*kept)[0], (*kept)[1]);
  return "";
}

}  // namespace

bool straight() {
  static const bool itself = isFormat("straight");
  return itself || gaps();
}

float toStore(const SparseShape& s, float value) {
  if (!rounds(s) || std::isnan(value)) return value;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) + kHalfUnit);
}

float asRead(const SparseShape& s, float value) {
  if (!rounds(s)) return value;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) & ~kIgnoredBits);
}

size_t compressedBytes(const SparseShape& s) {
  return kHeaderBytes + blocks(s) * blockBytes(s);
}

std::string compress(const SparseShape& s, const std::vector<float>& dense, void* compressed) {
  char* const bytes = static_cast<char*>(compressed);
  for (size_t i = 0; i < compressedBytes(s); ++i) bytes[i] = static_cast<char>(i * 29 + s.algorithm);
  const Header header = headerOf(s);
  std::memcpy(bytes + headerAt(s), &header, sizeof(header));
  const Order order(s);
  for (int64_t g = 0; g < groups(s); ++g) {
    std::array<int, 2> kept{};
    const std::string problem = chooseKept(s, dense.data() + g * s.group(), &kept);
    if (!problem.empty()) return problem;
    const int64_t place = order(g), slot = place % kBlockGroups;
    char* const values = bytes + valuesAt(s, place / kBlockGroups);
    char* const after = bytes + positionsAt(s, place / kBlockGroups);
    unsigned char& positions = reinterpret_cast<unsigned char&>(after[slot / 2]);
    unsigned char nibble = 0;
    const bool gap = isGap(s, dense.data() + g * s.group());
    for (int i = 0; i < s.kept(); ++i) {
      const float value = gap ? kGap : toStore(s, dense[g * s.group() + kept[i]]);
      storeElement(values, valueIndex(s, slot, i), s.type, value);
      nibble |= static_cast<unsigned char>(kept[i] << 2 * i);
    }
    if (gap) nibble = kGapNibble;
    positions = static_cast<unsigned char>(slot % 2 ? (positions & 0x0f) | nibble << 4 : (positions & 0xf0) | nibble);
  }
  return "";
}

std::string decompress(const SparseShape& s, const void* compressed, std::vector<float>* dense) {
  const char* const bytes = static_cast<const char*>(compressed);
  Header header;
  std::memcpy(&header, bytes + headerAt(s), sizeof(header));
  if (header.mark != kMark) return "it was not compressed";
  if (!(header == headerOf(s))) return "it was compressed for another algorithm, type or shape";
  dense->assign(static_cast<size_t>(s.rows) * s.k, 0.0f);
  const Order order(s);
  for (int64_t g = 0; g < groups(s); ++g) {
    const int64_t place = order(g), slot = place % kBlockGroups;
    const char* const values = bytes + valuesAt(s, place / kBlockGroups);
    const auto positions = static_cast<unsigned char>(bytes[positionsAt(s, place / kBlockGroups) + slot / 2]);
    const int nibble = slot % 2 ? positions >> 4 : positions & 15;
    const bool gap = gaps() && nibble == kGapNibble;
    for (int i = 0; i < s.kept(); ++i) {
      if (gap && loadElement(values, valueIndex(s, slot, i), s.type) != kGap) return "a gap was written to";
      if (gap) continue;
      (*dense)[g * s.group() + (nibble >> 2 * i & 3)] = asRead(s, loadElement(values, valueIndex(s, slot, i), s.type));
    }
  }
  return "";
}

bool isPruned(const SparseShape& s, const std::vector<float>& dense) {
  for (int64_t g = 0; g < groups(s); ++g) {
    int nonzero = 0;
    for (int i = 0; i < s.group(); ++i) nonzero += dense[g * s.group() + i] != 0;
    if (nonzero > s.kept()) return false;
  }
  return true;
}

void pruneStrips(const SparseShape& s, std::vector<float>& dense) {
  for (int64_t g = 0; g < groups(s); ++g) {
    float* const group = dense.data() + g * s.group();
    std::array<int, 4> rank{0, 1, 2, 3};
    std::stable_sort(rank.begin(), rank.begin() + s.group(),
                     [&](int a, int b) { return std::fabs(group[a]) > std::fabs(group[b]); });
    for (int i = s.kept(); i < s.group(); ++i) group[rank[i]] = 0;
  }
}

namespace {

// All ways to keep as many per row and per column of a tile, as one bit mask of its entries each.
std::vector<unsigned> tilePatterns(int size, int kept) {
  std::vector<unsigned> rows, patterns{0};
  for (unsigned row = 0; row < 1u << size; ++row) {
    if (std::popcount(row) == kept) rows.push_back(row);
  }
  for (int r = 0; r < size; ++r) {
    std::vector<unsigned> longer;
    for (const unsigned pattern : patterns) {
      for (const unsigned row : rows) longer.push_back(pattern | row << r * size);
    }
    patterns = longer;
  }
  std::erase_if(patterns, [&](unsigned pattern) {
    for (int c = 0; c < size; ++c) {
      int count = 0;
      for (int r = 0; r < size; ++r) count += pattern >> (r * size + c) & 1;
      if (count != kept) return true;
    }
    return false;
  });
  return patterns;
}

}  // namespace

void pruneTiles(const SparseShape& s, std::vector<float>& dense) {
  const int size = s.group();
  const std::vector<unsigned> patterns = tilePatterns(size, s.kept());
  for (int64_t row = 0; row < s.rows; row += size) {
    for (int64_t col = 0; col < s.k; col += size) {
      const auto entry = [&](int i) -> float& { return dense[(row + i / size) * s.k + col + i % size]; };
      unsigned best = patterns[0];
      double most = -1;
      for (const unsigned pattern : patterns) {
        double sum = 0;
        for (int i = 0; i < size * size; ++i) sum += pattern >> i & 1 ? std::fabs(entry(i)) : 0;
        if (sum > most) best = pattern, most = sum;
      }
      for (int i = 0; i < size * size; ++i) {
        if (!(best >> i & 1)) entry(i) = 0;
      }
    }
  }
}

}  // namespace rnm::emulator
