// A pool of threads that meet rarely: one call hands out the tasks of one phase.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace rnm::cpu {

class ThreadPool {
 public:
  // The calling thread works too: threads - 1 are started. Throws std::runtime_error if they cannot be.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(index, thread) for every index in [0, count) and returns when all are done. Results
  // must not depend on which thread runs which task; a task must not throw.
  template <typename Task>
  void run(int count, const Task& task) {
    runErased(
        count,
        [](const void* context, int index, int thread) {
          (*static_cast<const Task*>(context))(index, thread);
        },
        &task);
  }

 private:
  using Call = void (*)(const void*, int, int);
  void runErased(int count, Call call, const void* context);
  void stop();
  void work(int thread);
  void drain(int thread);
  bool waitForPhase(uint64_t& seen);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> phase_{0};
  std::atomic<bool> stop_{false};
  // The phase's tickets: the number of tasks in the upper half, the next task in the lower. Who
  // draws a task below the number may read call_ and context_, which cannot change before that
  // task is done. A thread that wakes too late draws a number past the end and misses nothing:
  // nobody has to wait for it.
  std::atomic<uint64_t> tickets_{0};
  std::atomic<int> done_{0};
  Call call_ = nullptr;
  const void* context_ = nullptr;
};

}  // namespace rnm::cpu
