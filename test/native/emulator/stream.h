// Streams as queues that run late: nothing happens before somebody waits for it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "driver_types.h"

namespace rnm::emulator {

struct Capture;
class Stream;

// The state of a stream after its first `count` operations.
struct Mark {
  std::shared_ptr<Stream> stream;
  uint64_t count = 0;
};

using Operation = std::function<cudaError_t()>;

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(bool blocking);
  ~Stream();

  void push(Operation operation, std::vector<Mark> after);
  // Runs operations in order until `count` are done, and before each whatever it has to wait for.
  void runUntil(uint64_t count);
  void runAll() { runUntil(queued_); }
  bool idle() const { return done_ == queued_; }
  Mark mark() { return {shared_from_this(), queued_}; }

  const bool blocking;  // whether the legacy default stream waits for it and it for that one
  std::shared_ptr<Capture> capture;

 private:
  struct Entry {
    Operation operation;
    std::vector<Mark> after;
  };
  // Whether its next operation could run without anybody's waiting for another one.
  bool ready() const;
  void runNext();
  void letOthersRun();

  std::deque<Entry> entries_;
  uint64_t queued_ = 0, done_ = 0;
  bool running_ = false;
};

bool validStream(cudaStream_t stream);
std::shared_ptr<Stream> streamOf(cudaStream_t stream);
void runAllStreams();
bool operator==(const Mark& a, const Mark& b);

// Puts an operation on a stream, or into the capture that the stream is part of.
cudaError_t submit(cudaStream_t stream, Operation operation);
// The same for a stream that was found before, with more to wait for.
cudaError_t submit(Stream& stream, Operation operation, std::vector<Mark> after = {});
// Work that the legacy default stream has to be ordered with.
std::vector<Mark> implicitMarks(Stream& stream);

// graph.cpp: for calls that no capture allows. Ends the captures that are going on as invalid.
cudaError_t refuseInCapture();
cudaError_t addToCapture(Stream& stream, Operation operation);
// An implicit use of the legacy default stream during a capture of a blocking stream.
cudaError_t refuseImplicit();

}  // namespace rnm::emulator

struct CUstream_st {
  std::shared_ptr<rnm::emulator::Stream> stream;
};
