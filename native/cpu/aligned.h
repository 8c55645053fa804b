// Arrays aligned to a cache line and to the widest vector, zero at first.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

namespace rnm::cpu {

struct FreeAligned {
  void operator()(void* p) const { std::free(p); }
};

template <typename T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t count) : count_(count) {
    const size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    if (bytes == 0) return;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (!data_) {
      throw std::runtime_error("Not enough memory for " + std::to_string(bytes / 1000000) +
                               " MB: use a smaller batchSize, hiddenSizes or bufferSize");
    }
    std::memset(data_.get(), 0, bytes);
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }

 private:
  size_t count_ = 0;
  std::unique_ptr<T, FreeAligned> data_;
};

}  // namespace rnm::cpu
