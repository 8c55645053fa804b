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

  int threads() const { return static_cast<int>(shares_.size()); }

  // Calls task(index, thread) for every index in [0, count) and returns when all are done. Results
  // must not depend on which thread runs which task; a task must not throw. Each thread begins with
  // its share of the tasks, the first thread with the first of them, and then helps the others: what
  // it reads and writes in one phase is in its own core's caches in the next.
  template <typename Task>
  void run(int count, const Task& task) {
    runErased(count, nullptr, &callTask<Task>, &task);
  }

  // The same with other than even shares: thread t begins with the tasks from ends[t - 1] to ends[t].
  template <typename Task>
  void run(const std::vector<int>& ends, const Task& task) {
    runErased(ends.back(), ends.data(), &callTask<Task>, &task);
  }

 private:
  using Call = void (*)(const void*, int, int);
  template <typename Task>
  static void callTask(const void* context, int index, int thread) {
    (*static_cast<const Task*>(context))(index, thread);
  }
  void runErased(int count, const int* ends, Call call, const void* context);
  void stop();
  void work(int thread);
  void drain(int thread);
  struct Share;
  void drainShare(Share& share, int thread);
  bool waitForPhase(uint64_t& seen);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> phase_{0};
  std::atomic<bool> stop_{false};
  // A thread's share of the phase: its end in the upper half, the next task in the lower. Who draws a
  // task below the end may read call_ and context_, which cannot change before that task is done. A
  // thread that wakes too late draws numbers past the ends and misses nothing: nobody has to wait for
  // it. A cache line each, as the others come only to help.
  struct alignas(64) Share {
    std::atomic<uint64_t> tickets{0};
  };
  std::vector<Share> shares_;
  std::atomic<int> done_{0};
  Call call_ = nullptr;
  const void* context_ = nullptr;
};

}  // namespace rnm::cpu
