#include "cpu/thread_pool.h"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

namespace rnm::cpu {
namespace {

// How long a thread spins before it sleeps: longer than the gaps between the phases of an update,
// short enough to leave the core to others between updates.
constexpr auto kSpin = std::chrono::microseconds(60);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::exception& error) {
    stop();
    throw std::runtime_error("Could not start " + std::to_string(threads) + " threads (" +
                             error.what() + "): use fewer (--threads)");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    phase_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::drain(int thread) {
  for (int i = 0; i < threads(); ++i) drainShare(shares_[(thread + i) % threads()], thread);
}

void ThreadPool::drainShare(Share& share, int thread) {
  while (true) {
    const uint64_t ticket = share.tickets.fetch_add(1, std::memory_order_acq_rel);
    const uint32_t index = static_cast<uint32_t>(ticket);
    if (index >= ticket >> 32) return;
    call_(context_, static_cast<int>(index), thread);
    done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadPool::runErased(int count, const int* ends, Call call, const void* context) {
  if (workers_.empty() || count <= 1) {
    for (int i = 0; i < count; ++i) call(context, i, 0);
    return;
  }
  call_ = call;
  context_ = context;
  done_.store(0, std::memory_order_relaxed);
  for (int t = 0, begin = 0; t < threads(); ++t) {
    const int end = ends ? ends[t] : static_cast<int>(int64_t{count} * (t + 1) / threads());
    const uint64_t tickets = static_cast<uint64_t>(end) << 32 | static_cast<uint32_t>(begin);
    shares_[t].tickets.store(tickets, std::memory_order_release);
    begin = end;
  }
  {
    // The lock closes the gap between a worker's last look at the phase and its going to sleep.
    std::lock_guard<std::mutex> lock(mutex_);
    phase_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  drain(0);
  // Others may still be at tasks they drew. After a while the core is given up: on a busy machine
  // the thread that is waited for may need this one.
  for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) {
    if (spins < 4096) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

// Waits for a phase after `seen` and notes it. False when the pool ends.
bool ThreadPool::waitForPhase(uint64_t& seen) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  while (phase_.load(std::memory_order_acquire) == seen) {
    for (int i = 0; i < 4; ++i) pause();
    if (std::chrono::steady_clock::now() < deadline) continue;
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return phase_.load(std::memory_order_relaxed) != seen; });
  }
  seen = phase_.load(std::memory_order_acquire);
  return !stop_.load();
}

void ThreadPool::work(int thread) {
  for (uint64_t seen = 0; waitForPhase(seen);) drain(thread);
}

}  // namespace rnm::cpu
