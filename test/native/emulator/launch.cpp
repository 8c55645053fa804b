// Runs kernels: blocks one after another, the threads of a block by turns.
//
// A thread runs until it has to wait. Only then does it keep its stack, and the next thread begins
// on another: a kernel without barriers runs as a plain loop on one stack.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <deque>
#include <memory>
#include <vector>

#include "clock.h"
#include "cuda_runtime_api.h"
#include "emulator/device.h"
#include "emulator/launch.h"
#include "fiber.h"
#include "memory.h"
#include "sanitizer.h"
#include "state.h"
#include "stream.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

// Where all __shared__ variables lie, if a kernel has any.
extern "C" {
extern char __start_rnm_shared_memory[] __attribute__((weak, visibility("hidden")));
extern char __stop_rnm_shared_memory[] __attribute__((weak, visibility("hidden")));
}

namespace rnm::emulator {

namespace {

constexpr int kWarp = 32;
constexpr uint64_t kGarbage = ~uint64_t{0};

enum class State : unsigned char { kReady, kAtBarrier, kInWarp, kDone };

struct Thread {
  State state;
  Fiber* fiber;  // where it waits
  Site site;
  // The warp operation that it takes part in, and what came of it.
  Collective collective;
  unsigned mask;
  int source;
  uint64_t bits, result;
};

// How many of a warp's lanes wait in a warp operation, and which have left.
struct Warp {
  int waiting;
  unsigned left;
};

bool same(const Site& a, const Site& b) {
  return a.line() == b.line() && a.column() == b.column() && a.file_name() == b.file_name();
}

RNM_EMULATOR_UNCHECKED void spoilSharedMemory() {
  for (volatile char* p = __start_rnm_shared_memory; p < __stop_rnm_shared_memory; ++p) *p = static_cast<char>(kFreshByte);
}

// A rule that a thread broke. No text: the thread's stack is given up as it is, and a string that
// it was putting together would be lost with it.
struct Offence {
  const char* what = nullptr;
  int thread = 0, other = -1;
  Site site, otherSite;
};

class Block {
 public:
  // Returns what went wrong, or an empty string.
  std::string run(const KernelCall& kernel, const dim3& shape);

  void barrier(const Site& site);
  uint64_t exchange(Collective what, unsigned mask, uint64_t bits, int source, const Site& site);
  int lane() const { return thread_ % kWarp; }

 private:
  static void entry();
  void runThreads();
  void enter(int thread);
  void finished();
  void wait(State state, const Site& site);
  Fiber& next();
  Fiber& freshFiber();
  void releaseBarrier();
  bool completeWarp(int warp, unsigned mask);
  void fail(const Offence& offence);
  void give(Fiber& to);
  std::string name(int thread) const;
  std::string describe(const Offence& offence) const;
  std::string stuck() const;
  void abandon();

  const KernelCall* kernel_ = nullptr;
  dim3 shape_;
  int threads_ = 0, begun_ = 0, done_ = 0, waiting_ = 0, thread_ = 0;
  std::vector<Thread> states_;
  std::vector<Warp> warps_;
  std::deque<int> ready_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber main_;
  Fiber* running_ = nullptr;
  Offence offence_;
};

Block& block() {
  static Block* const instance = new Block;
  return *instance;
}

std::string at(const Site& site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

void Block::enter(int thread) {
  thread_ = thread;
  threadIdx.x = thread % shape_.x;
  threadIdx.y = thread / shape_.x % shape_.y;
  threadIdx.z = thread / (shape_.x * shape_.y);
}

std::string Block::run(const KernelCall& kernel, const dim3& shape) {
  kernel_ = &kernel;
  shape_ = shape;
  threads_ = static_cast<int>(shape.x * shape.y * shape.z);
  begun_ = done_ = waiting_ = 0;
  ready_.clear();
  offence_ = {};
  states_.assign(threads_, {});
  warps_.assign((threads_ + kWarp - 1) / kWarp, {});
  running_ = &main_;
  std::string problem;
  while (!offence_.what && done_ < threads_) {
    Fiber& to = next();
    if (&to == &main_) {
      problem = stuck();
      break;
    }
    give(to);
  }
  if (offence_.what) problem = describe(offence_);
  if (!problem.empty()) abandon();
  return problem;
}

// A switch after which this stack may be continued for any of its thread's reasons.
void Block::give(Fiber& to) {
  if (&to == running_) return;
  Fiber* const from = running_;
  running_ = &to;
  from->switchTo(to);
}

void Block::abandon() {
  idle_.clear();
  for (const auto& fiber : fibers_) {
    fiber->restart();
    idle_.push_back(fiber.get());
  }
}

Fiber& Block::freshFiber() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&Block::entry));
    return *fibers_.back();
  }
  Fiber& fiber = *idle_.back();
  idle_.pop_back();
  return fiber;
}

// What should run now: a thread that has been released, one that has not begun, or nobody.
Fiber& Block::next() {
  if (offence_.what) return main_;
  if (!ready_.empty()) {
    const int thread = ready_.front();
    ready_.pop_front();
    enter(thread);
    return *states_[thread].fiber;
  }
  return begun_ < threads_ ? freshFiber() : main_;
}

void Block::entry() {
  Fiber::entered();
  Block& self = block();
  for (;;) {
    self.runThreads();
    // Nothing left to begin: idle until a later block needs a stack.
    Fiber& mine = *self.running_;
    self.idle_.push_back(&mine);
    Fiber& to = self.ready_.empty() ? self.main_ : self.next();
    self.give(to);
  }
}

void Block::runThreads() {
  while (begun_ < threads_ && !offence_.what) {
    const int order = begun_++;
    enter(Injection::reverse() ? threads_ - 1 - order : order);
    kernel_->body();
    finished();
  }
}

void Block::finished() {
  states_[thread_].state = State::kDone;
  ++done_;
  // Lanes that wait for each other do not wait for one that has left.
  const int warp = thread_ / kWarp;
  warps_[warp].left |= 1u << lane();
  for (int i = warp * kWarp; warps_[warp].waiting > 0 && i < std::min(threads_, (warp + 1) * kWarp); ++i) {
    if (states_[i].state == State::kInWarp) completeWarp(warp, states_[i].mask);
  }
}

void Block::wait(State state, const Site& site) {
  const int self = thread_;
  states_[self].state = state;
  states_[self].site = site;
  states_[self].fiber = running_;
  ++waiting_;
  give(next());
  // Whoever released this thread has entered it again, through next().
}

void Block::barrier(const Site& site) {
  int arrived = 1;
  if (waiting_ + 1 == threads_) {
    for (const Thread& thread : states_) arrived += thread.state == State::kAtBarrier;
  }
  if (arrived < threads_) return wait(State::kAtBarrier, site);
  for (int i = 0; i < threads_; ++i) {
    if (i == thread_) continue;
    if (same(states_[i].site, site)) continue;
    return fail({"divergent __syncthreads", i, thread_, states_[i].site, site});
  }
  releaseBarrier();
}

void Block::releaseBarrier() {
  for (int order = 0; order < threads_; ++order) {
    const int i = Injection::reverse() ? threads_ - 1 - order : order;
    if (states_[i].state != State::kAtBarrier) continue;
    states_[i].state = State::kReady;
    --waiting_;
    ready_.push_back(i);
  }
}

// If all lanes of `mask` that have not left wait in this operation: works out what each gets and
// releases them (the current thread simply goes on). A lane that is elsewhere is not there yet.
bool Block::completeWarp(int warp, unsigned mask) {
  const int base = warp * kWarp, lanes = std::min(kWarp, threads_ - base);
  if (lanes < kWarp) mask &= (1u << lanes) - 1;
  const unsigned present = mask & ~warps_[warp].left;
  if (warps_[warp].waiting < std::popcount(present)) return false;
  const Thread& first = states_[base + std::countr_zero(present)];
  uint64_t ballot = 0;
  for (int lane = 0; lane < lanes; ++lane) {
    if (!(present >> lane & 1)) continue;
    const Thread& thread = states_[base + lane];
    if (thread.state != State::kInWarp || thread.mask != first.mask) return false;
    if (first.collective != thread.collective || !same(first.site, thread.site)) {
      const int other = base + std::countr_zero(present);
      fail({"divergent warp operation", base + lane, other, thread.site, first.site});
    }
    ballot |= (thread.bits & 1) << lane;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    if (!(present >> lane & 1)) continue;
    Thread& thread = states_[base + lane];
    const bool there = thread.source >= 0 && thread.source < lanes && (present >> thread.source & 1);
    thread.result = thread.collective == Collective::kVote ? ballot : there ? states_[base + thread.source].bits : kGarbage;
    thread.state = State::kReady;
    --warps_[warp].waiting;
    if (base + lane == thread_) continue;
    --waiting_;
    ready_.push_back(base + lane);
  }
  return true;
}

uint64_t Block::exchange(Collective what, unsigned mask, uint64_t bits, int source, const Site& site) {
  Thread& self = states_[thread_];
  const int warp = thread_ / kWarp;
  if (!(mask >> lane() & 1)) fail({"the mask of a warp operation lacks its own lane", thread_, -1, site, site});
  self.collective = what;
  self.mask = mask;
  self.bits = bits;
  self.source = source;
  self.site = site;
  self.state = State::kInWarp;
  ++warps_[warp].waiting;
  if (!completeWarp(warp, mask)) wait(State::kInWarp, site);
  return self.result;
}

std::string Block::name(int thread) const {
  char text[80];
  std::snprintf(text, sizeof(text), "thread (%u,%u,%u) of block (%u,%u,%u)", thread % shape_.x,
                thread / shape_.x % shape_.y, thread / (shape_.x * shape_.y), blockIdx.x, blockIdx.y, blockIdx.z);
  return text;
}

std::string Block::describe(const Offence& o) const {
  std::string text = std::string(o.what) + ": " + name(o.thread) + " is at " + at(o.site);
  if (o.other >= 0) text += ", " + name(o.other) + " at " + at(o.otherSite);
  return text;
}

// Nobody can go on, yet some threads have not left.
std::string Block::stuck() const {
  for (int i = 0; i < threads_; ++i) {
    const Thread& thread = states_[i];
    if (thread.state != State::kAtBarrier && thread.state != State::kInWarp) continue;
    const bool barrier = thread.state == State::kAtBarrier;
    return std::string(barrier ? "divergent __syncthreads: " : "divergent warp operation: ") + name(i) +
           " waits at " + at(thread.site) + " for threads that have left or wait elsewhere (" +
           std::to_string(done_) + " of " + std::to_string(threads_) + " have left)";
  }
  return "threads were lost";
}

// Leaves the kernel for good; does not return to a kernel's thread.
void Block::fail(const Offence& offence) {
  offence_ = offence;
  give(main_);
}

bool wrongPointer(const KernelPointer& pointer) {
  if (!pointer.address) return false;
  const bool host = spaceOf(pointer.address) == Space::kHost;
  // A struct's words need not be pointers at all.
  if (host) return !pointer.inStruct;
  return !liveIfOurs(pointer.address);
}

cudaError_t runKernel(const KernelCall& kernel, const dim3& grid, const dim3& shape) {
  ++counters().kernelsRun;
  spend("kernel", static_cast<int>(shape.x * shape.y * shape.z), 1);
  if (const cudaError_t error = Injection::kernel()) {
    fault(error, "a kernel faults because the failure \"sticky\" is injected");
    return error;
  }
  for (const KernelPointer& pointer : kernel.pointers) {
    if (!wrongPointer(pointer)) continue;
    fault(cudaErrorIllegalAddress, "argument " + std::to_string(pointer.argument) +
                                       " of a kernel points to freed memory or to memory of the host");
    return cudaErrorIllegalAddress;
  }
  gridDim = grid;
  blockDim = shape;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t order = 0; order < blocks; ++order) {
    const uint64_t i = Injection::reverse() ? blocks - 1 - order : order;
    blockIdx = {static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x % grid.y),
                static_cast<unsigned>(i / (uint64_t{grid.x} * grid.y))};
    spoilSharedMemory();
    const std::string failure = block().run(kernel, shape);
    if (failure.empty()) continue;
    fault(cudaErrorLaunchFailure, failure);
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

bool validShape(const cudaLaunchConfig_t& config) {
  const dim3 &grid = config.gridDim, &shape = config.blockDim;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || shape.x == 0 || shape.y == 0 || shape.z == 0) return false;
  if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return false;
  return shape.x <= 1024 && shape.y <= 1024 && shape.z <= 64 && shape.x * shape.y * shape.z <= 1024;
}

}  // namespace

cudaError_t launch(const cudaLaunchConfig_t* config, KernelCall kernel) {
  return call([&] {
    if (!config || !kernel.function) return cudaErrorInvalidValue;
    if (!validStream(config->stream)) return cudaErrorInvalidResourceHandle;
    if (!validShape(*config)) return cudaErrorInvalidConfiguration;
    if (config->dynamicSmemBytes != 0 || config->numAttrs != 0) return cudaErrorNotSupported;
    if (Injection::launch()) return cudaErrorLaunchOutOfResources;
    ++counters().launches;
    return submit(config->stream, [kernel = std::move(kernel), grid = config->gridDim, shape = config->blockDim] {
      return runKernel(kernel, grid, shape);
    });
  });
}

void blockBarrier(const Site& site) { block().barrier(site); }
int laneOfThread() { return block().lane(); }
uint64_t warpExchange(Collective what, unsigned mask, uint64_t bits, int source, const Site& site) {
  return block().exchange(what, mask, bits, source, site);
}
unsigned warpVote(unsigned mask, bool predicate, const Site& site) {
  return static_cast<unsigned>(block().exchange(Collective::kVote, mask, predicate, 0, site));
}

}  // namespace rnm::emulator
