// The objects behind cuSPARSELt's opaque structures, and how they are found again.
#pragma once

#include <cstring>
#include <map>
#include <memory>

#include "cusparseLt.h"
#include "cusparselt_format.h"
#include "product.h"
#include "state.h"

namespace rnm::emulator::lt {

struct Handle {};

struct MatDescriptor {
  Matrix matrix;
  bool structured;
};

// The attributes of a matmul descriptor; a plan keeps a copy to notice that they were changed.
struct MatmulAttributes {
  int relu = 0;
  float upperBound = INFINITY, threshold = 0;
  const void* bias = nullptr;
  int64_t biasStride = 0;
  const void* sparse = nullptr;
  bool operator==(const MatmulAttributes&) const = default;
};

struct Matmul {
  std::shared_ptr<MatDescriptor> a, b, c, d;
  bool transposeA, transposeB;
  int64_t m, n, k;
  MatmulAttributes attributes;

  bool sparseA() const { return a->structured; }
  const Matrix& sparse() const { return sparseA() ? a->matrix : b->matrix; }
  // The structured operand with k along its rows.
  SparseShape shape(uint32_t algorithm) const { return {sparse().type, sparseA() ? m : n, k, algorithm}; }
};

// How k is split among blocks.
struct Split {
  int k, mode, buffers;
};

struct Selection {
  std::shared_ptr<Matmul> matmul;
  Split split;
  int id = 0, iterations = 5;
};

struct Plan {
  std::shared_ptr<Matmul> matmul;
  std::shared_ptr<Selection> selection;
  MatmulAttributes attributes;
  int id;
};

// How much of an opaque structure is written to. Before 0.8 as much as 0.6 has: 0.7 is not known.
inline size_t structureBytes() {
  return Injection::libraryVersion("cusparseLt", 801) < 800 ? 11024 : sizeof(cusparseLtHandle_t);
}

// What an opaque structure holds. It must stay where it was initialised: nothing says that the real
// ones may be copied.
struct Tag {
  uint64_t mark, number;
};

template <typename Object>
class Registry {
 public:
  std::shared_ptr<Object> put(void* at, Object object) {
    const Tag tag{kMark, ++next_};
    std::memset(at, 0xa5, structureBytes());
    std::memcpy(at, &tag, sizeof(tag));
    entries_[at] = {tag.number, std::make_shared<Object>(std::move(object))};
    return entries_[at].object;
  }
  // Null unless there is an initialised object at this very address.
  std::shared_ptr<Object> get(const void* at) const {
    const auto found = at ? entries_.find(at) : entries_.end();
    if (found == entries_.end()) return nullptr;
    Tag tag;
    std::memcpy(&tag, at, sizeof(tag));
    return tag.mark == kMark && tag.number == found->second.number ? found->second.object : nullptr;
  }
  bool erase(const void* at) {
    if (!get(at)) return false;
    entries_.erase(at);
    return true;
  }

 private:
  static constexpr uint64_t kMark = 0x9ddfea08eb382d69ull;
  struct Entry {
    uint64_t number;
    std::shared_ptr<Object> object;
  };
  std::map<const void*, Entry> entries_;
  uint64_t next_ = 0;
};

struct Registries {
  Registry<Handle> handles;
  Registry<MatDescriptor> matrices;
  Registry<Matmul> matmuls;
  Registry<Selection> selections;
  Registry<Plan> plans;
};

Registries& registries();

}  // namespace rnm::emulator::lt
