// Numbers that change from one launch of a graph to the next: the learning rate of a step, the
// number of an update. A kernel takes the value itself or, within a graph, where to read it.
#pragma once

#include "core/philox.h"

namespace rnm::cuda {

template <typename T>
struct Scalar {
  // The first one; others fill what would be padding, whose bytes could look like an address.
  T value[8 / sizeof(T)];
  const T* place;  // null outside of graphs

  RNM_SHARED_CODE T get() const { return place ? *place : value[0]; }
};

}  // namespace rnm::cuda
