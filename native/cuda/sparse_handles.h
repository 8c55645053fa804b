// cuSPARSELt's structures, which it initialises in place and wants destroyed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "cuda/libraries.h"

namespace rnm::cuda {

// The library's words for a status, or its number.
std::string causeOf(const CusparseLt& lt, cusparseStatus_t status);
struct SparseFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Throws SparseFailure with what was attempted and the library's cause.
void check(const CusparseLt& lt, cusparseStatus_t status, const char* attempt);

// Room for a structure. The library that is opened need not have the header's version, and sizes
// differ: 11,024 bytes up to 0.6, 512 with an alignment of 16 from 0.8 on.
template <typename Object>
class Roomy {
 public:
  Object* get() { return reinterpret_cast<Object*>(room_); }
  const Object* get() const { return reinterpret_cast<const Object*>(room_); }

 private:
  alignas(std::max<size_t>(16, alignof(Object)))
      uint8_t room_[std::max<size_t>(11024, sizeof(Object))];
};

// A structure that is destroyed. It may not be moved once it is initialised.
template <typename Object, auto destroy>
class InPlace {
 public:
  explicit InPlace(const CusparseLt& lt) : lt_(lt) {}
  ~InPlace() { reset(); }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;

  // `initialise` takes the structure's address and returns a status.
  template <typename Initialise>
  void make(const char* attempt, const Initialise& initialise) {
    reset();
    check(lt_, initialise(get()), attempt);
    made_ = true;
  }
  Object* get() { return object_.get(); }
  const Object* get() const { return object_.get(); }

 private:
  void reset() noexcept {
    // Null before the version in which destroying became necessary.
    if (made_ && lt_.*destroy) (lt_.*destroy)(get());
    made_ = false;
  }
  const CusparseLt& lt_;
  Roomy<Object> object_;
  bool made_ = false;
};

using SparseDescriptor =
    InPlace<cusparseLtMatDescriptor_t, &CusparseLt::cusparseLtMatDescriptorDestroy>;
using SparseSelection = InPlace<cusparseLtMatmulAlgSelection_t,
                                &CusparseLt::cusparseLtMatmulAlgSelectionDestroy>;
using SparsePlan = InPlace<cusparseLtMatmulPlan_t, &CusparseLt::cusparseLtMatmulPlanDestroy>;

}  // namespace rnm::cuda
