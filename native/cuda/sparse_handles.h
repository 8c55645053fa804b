// cuSPARSELt's structures, which it initialises in place and wants destroyed.
#pragma once

#include "cuda/libraries.h"

namespace rnm::cuda {

// Throws std::runtime_error with what was attempted and the library's cause.
void check(const CusparseLt& lt, cusparseStatus_t status, const char* attempt);

// One such structure. It may not be moved once it is initialised.
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
    check(lt_, initialise(&object_), attempt);
    made_ = true;
  }
  Object* get() { return &object_; }
  const Object* get() const { return &object_; }

 private:
  void reset() noexcept {
    // Null before the version in which destroying became necessary.
    if (made_ && lt_.*destroy) (lt_.*destroy)(&object_);
    made_ = false;
  }
  const CusparseLt& lt_;
  Object object_;
  bool made_ = false;
};

using SparseDescriptor =
    InPlace<cusparseLtMatDescriptor_t, &CusparseLt::cusparseLtMatDescriptorDestroy>;
using SparseSelection = InPlace<cusparseLtMatmulAlgSelection_t,
                                &CusparseLt::cusparseLtMatmulAlgSelectionDestroy>;
using SparsePlan = InPlace<cusparseLtMatmulPlan_t, &CusparseLt::cusparseLtMatmulPlanDestroy>;

}  // namespace rnm::cuda
