// Stacks to run on by turns. One of them runs; the others wait where they switched away.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace rnm::emulator {

class Fiber {
 public:
  // A fiber that stands for the thread's own stack.
  Fiber() = default;
  // One that begins with `entry`, which must never return.
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // Forgets where it was and begins anew; objects on its stack are not destroyed.
  void restart();
  // Runs `to`; returns when somebody switches back to `this`, which has to be what runs now.
  void switchTo(Fiber& to);
  // The first thing an entry function does.
  static void entered();

 private:
  void (*entry_)() = nullptr;
  char* mapping_ = nullptr;
  // For AddressSanitizer: bounds of the stack and its hidden second stack.
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  void* hidden_ = nullptr;
#if defined(__x86_64__)
  void* stackPointer_ = nullptr;
#else
  ucontext_t context_;
#endif
};

}  // namespace rnm::emulator
