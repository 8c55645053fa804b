// Handles of libraries, which are kept for the next user instead of being destroyed.
//
// Destroying one waits for the whole GPU, and that spoils every graph that another thread is just
// recording. What a process keeps is as many as it ever had devices at the same time.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

namespace rnm::cuda {

template <typename Handle>
class HandlePool {
 public:
  // One that is given back, or a new one.
  template <typename Make>
  Handle take(const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        Handle handle = std::move(free_.back());
        free_.pop_back();
        return handle;
      }
    }
    return make();
  }

  void giveBack(Handle handle) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(handle));
  }

  // The one of the process. It is never destroyed: at its end the driver may be gone.
  static HandlePool& instance() {
    static auto* pool = new HandlePool;
    return *pool;
  }

 private:
  std::mutex mutex_;
  std::vector<Handle> free_;
};

}  // namespace rnm::cuda
