#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "sanitizer.h"

#if defined(__x86_64__)
// Saves what a function may not change, exchanges the stack pointers and returns on the other
// stack. swapcontext would do, but asks the kernel for the signal mask each time.
extern "C" void rnmEmulatorSwitch(void** saved, void* next);
asm(R"(
.text
.globl rnmEmulatorSwitch
.hidden rnmEmulatorSwitch
.type rnmEmulatorSwitch, @function
rnmEmulatorSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size rnmEmulatorSwitch, .-rnmEmulatorSwitch
.section .note.GNU-stack,"",@progbits
.text
)");
#endif

namespace rnm::emulator {

namespace {
constexpr size_t kStack = RNM_EMULATOR_ASAN ? 256 << 10 : 128 << 10, kGuardPage = 4096;
Fiber* previous = nullptr;
Fiber* current = nullptr;

// Tells the sanitizer which stack this is now, and learns the bounds of the one before.
void arrived([[maybe_unused]] void* hidden, [[maybe_unused]] const void** bottom, [[maybe_unused]] size_t* size) {
#if RNM_EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(hidden, bottom, size);
#endif
}
}  // namespace

Fiber::Fiber(void (*entry)()) : entry_(entry) {
  void* p = mmap(nullptr, kStack + kGuardPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char*>(p);
  mprotect(mapping_, kGuardPage, PROT_NONE);
  bottom_ = mapping_ + kGuardPage;
  size_ = kStack;
  restart();
}

Fiber::~Fiber() {
  if (!mapping_) return;
  ASAN_UNPOISON_MEMORY_REGION(bottom_, size_);
  munmap(mapping_, kStack + kGuardPage);
}

void Fiber::restart() {
  ASAN_UNPOISON_MEMORY_REGION(bottom_, size_);
  hidden_ = nullptr;
#if defined(__x86_64__)
  // As if the entry function had been called from address 0: six registers, then where to go. The
  // stack pointer has to be 8 below a multiple of 16 there.
  auto* top = reinterpret_cast<uintptr_t*>(mapping_ + kGuardPage + kStack) - 1;
  top[0] = 0;
  top[-1] = reinterpret_cast<uintptr_t>(entry_);
  for (int i = 2; i <= 7; ++i) top[-i] = 0;
  stackPointer_ = top - 7;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = mapping_ + kGuardPage;
  context_.uc_stack.ss_size = kStack;
  context_.uc_link = nullptr;
  makecontext(&context_, entry_, 0);
#endif
}

void Fiber::switchTo(Fiber& to) {
  previous = this;
  current = &to;
#if RNM_EMULATOR_ASAN
  __sanitizer_start_switch_fiber(&hidden_, to.bottom_, to.size_);
#endif
#if defined(__x86_64__)
  rnmEmulatorSwitch(&stackPointer_, to.stackPointer_);
#else
  swapcontext(&context_, &to.context_);
#endif
  arrived(hidden_, &previous->bottom_, &previous->size_);
}

void Fiber::entered() { arrived(nullptr, &previous->bottom_, &previous->size_); }

}  // namespace rnm::emulator
