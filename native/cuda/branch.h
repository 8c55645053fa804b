// Work that the GPU may do beside what follows it: on a second stream, which in a graph being recorded
// becomes a branch of it.
#pragma once

#include "cuda/context.h"

namespace rnm::cuda {

class Branch {
 public:
  // Where there is one already, this one's work is enqueued like any other.
  explicit Branch(Context& context) : context_(context), mine_(context.openBranch()) {}
  // Joins, whatever was thrown.
  ~Branch() {
    if (mine_) context_.abandonBranch();
  }
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  // Calls that come after all that was enqueued until now and after earlier work of the branch.
  template <typename Work>
  void run(const Work& work) {
    if (!mine_) return work();
    const Beside beside(context_);
    work();
  }
  // What is enqueued from now on comes after the branch's work.
  void join() {
    if (mine_) context_.joinBranch();
    mine_ = false;
  }

 private:
  struct Beside {
    explicit Beside(Context& context) : context(context) { context.enterBranch(); }
    ~Beside() { context.leaveBranch(); }
    Context& context;
  };
  Context& context_;
  bool mine_;
};

}  // namespace rnm::cuda
