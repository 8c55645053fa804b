// Arrays in device memory, zero at first.
#pragma once

#include <utility>

#include "cuda/context.h"

namespace rnm::cuda {

template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(Context& context, size_t count) : context_(&context), count_(count) {
    if (count > 0) data_ = static_cast<T*>(context.allocate(bytes()));
  }
  ~DeviceArray() {
    if (data_) context_->release(data_);
  }
  DeviceArray(DeviceArray&& other) noexcept { swap(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    swap(other);
    return *this;
  }

  T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }

  // Elements [first, first + count) from or to host memory. Both wait for the copy.
  void write(const T* source, size_t first, size_t count) {
    context_->upload(data_ + first, count * sizeof(T), source, count * sizeof(T), 1);
  }
  void read(T* target, size_t first, size_t count) const {
    context_->download(target, data_ + first, count * sizeof(T), count * sizeof(T), 1);
  }

 private:
  void swap(DeviceArray& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(count_, other.count_);
    std::swap(data_, other.data_);
  }
  Context* context_ = nullptr;
  size_t count_ = 0;
  T* data_ = nullptr;
};

}  // namespace rnm::cuda
