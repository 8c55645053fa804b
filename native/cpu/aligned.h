// Arrays aligned to a cache line and to the widest vector, zero at first.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace rnm::cpu {

// Of a cache line and of the widest vector, in bytes.
inline constexpr size_t kAlignment = 64;

[[noreturn]] inline void throwOutOfMemory(double bytes) {
  throw std::runtime_error("Not enough memory for " + std::to_string(std::llround(bytes / 1e6)) +
                           " MB: use a smaller batchSize, hiddenSizes or bufferSize");
}

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};

template <typename T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(size_t count) : count_(count) {
    if (count == 0) return;
    // calloc leaves the pages of a large array untouched until they are used.
    if (count <= (SIZE_MAX - kAlignment) / sizeof(T)) {
      memory_.reset(std::calloc(count * sizeof(T) + kAlignment, 1));
    }
    if (!memory_) throwOutOfMemory(static_cast<double>(count) * sizeof(T));
    const auto address = reinterpret_cast<uintptr_t>(memory_.get());
    data_ = reinterpret_cast<T*>((address + kAlignment - 1) / kAlignment * kAlignment);
  }
  AlignedArray(AlignedArray&& other) noexcept { *this = std::move(other); }
  AlignedArray& operator=(AlignedArray&& other) noexcept {
    std::swap(count_, other.count_);
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return count_; }
  size_t bytes() const { return count_ * sizeof(T); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  size_t count_ = 0;
  std::unique_ptr<void, FreeMemory> memory_;
  T* data_ = nullptr;
};

}  // namespace rnm::cpu
